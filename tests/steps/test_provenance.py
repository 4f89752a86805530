import subprocess
from pathlib import Path

import pytest

from facenn.config import TrainConfig
from facenn.errors import FormatError
from facenn.steps.provenance import data_version, memory, run_name, source_tags

LOCK = """schema: '2.0'
stages:
  render:
    cmd: facenn render
    outs:
    - path: data/renders
      hash: md5
      md5: 0123abcd.dir
"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def test_source_names_the_commit_and_whether_files_differ_from_it() -> None:
    git("init", "--quiet")
    for name in ("code.py", "dvc.lock"):
        Path(name).write_text("schema: '2.0'\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "Begin")
    Path("dvc.lock").write_text(LOCK)  # what the pipeline writes is no change of the code
    Path("untracked.txt").touch()
    clean = source_tags(Path("data/renders"))
    assert clean["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert clean["mlflow.source.git.dirty"] == "false"
    assert clean["dvc.renders"] == "0123abcd.dir"
    Path("code.py").write_text("changed")
    changed = source_tags(Path("data/renders"))
    assert changed["mlflow.source.git.dirty"] == "true"
    short = git("rev-parse", "HEAD")[:7]
    config = TrainConfig(architecture="dcgan", resolution=512, steps=3000, batch_size=4)
    assert run_name("portrait", config, clean) == f"portrait-dcgan-512-3000x4-{short}"
    assert run_name("portrait", config, changed) == f"portrait-dcgan-512-3000x4-{short}+"


@pytest.mark.parametrize("path", ["/usr/bin:/bin", ""])
def test_source_without_a_repository_or_without_git_is_silent(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PATH", path)
    tags = source_tags(Path("data/renders"))
    assert tags == {"mlflow.source.name": "facenn train", "mlflow.source.type": "LOCAL"}
    config = TrainConfig(architecture="pyramid", resolution=64, steps=3, batch_size=2)
    assert run_name("classic", config, tags) == "classic-pyramid-64-3x2"


def test_data_version_comes_from_the_lock_or_from_the_folders_own_file(project: Path) -> None:
    Path("dvc.lock").write_text(LOCK)
    assert data_version(Path("data/renders")) == data_version(project / "data" / "renders") == "0123abcd.dir"
    assert data_version(Path("data/unity")) is None
    Path("data").mkdir()
    Path("data/unity.dvc").write_text("outs:\n- md5: cdef.dir\n  path: unity\n")
    assert data_version(Path("data/unity")) == "cdef.dir"


def test_data_version_refuses_a_lock_with_marks_of_a_merge() -> None:
    Path("dvc.lock").write_text(f"<<<<<<< HEAD\n{LOCK}=======\n")
    with pytest.raises(FormatError, match=r"dvc\.lock: expected YAML of DVC"):
        data_version(Path("data/renders"))


def test_memory_is_what_this_process_took_at_most() -> None:
    before = memory("cpu")["memory/process_peak_mib"]
    held = bytearray(64 << 20)
    assert memory("cpu")["memory/process_peak_mib"] >= before > 10
    del held
