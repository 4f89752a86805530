"""The project as a user meets it: the README's commands and the pipeline, in a copy of the working tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TOY = {"render": {"count": 10, "workers": 1}, "validate": {"min_rows": 10},
       "train": {"steps": 3, "batch_size": 2, "resolution": 64, "validation": 0.2},
       "evaluate": {"recovered": 1}, "fit": {"steps": 2, "candidates": 1}}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all files that belong to the project, set up already, with params.yaml at toy scale."""
    folder = tmp_path_factory.mktemp("copy") / "facenn"
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            (folder / name).chmod((ROOT / name).stat().st_mode)
            os.utime(folder / name, (0, 0))  # older than any stamp: make must not install this copy into the .venv
    (folder / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([folder / ".venv/bin/dvc", "pull", "--quiet", *sorted(folder.glob("data/**/*.dvc"))], cwd=folder,
                   env=environment(), check=True)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in TOY.items():
        params[section].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "FACENN_DEVICE": "cpu", "PYTHONPATH": "",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def shell(folder: Path, command: str) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment(), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
    return done.stdout


def readme_commands() -> list[str]:
    """Every line of the README's ``sh`` blocks but `make test`, which this very test is a part of."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(("make test", "git clone", "cd "))]


def test_pipeline_runs_from_nothing_and_reruns_only_what_changed(copy: Path) -> None:
    shell(copy, "make repro")
    for result in ("data/renders/faces.parquet", "reports/validation/validation.md", "models/imitator.safetensors",
                   "reports/evaluation/evaluation.json", "results/fits/astronaut/report.html"):
        assert (copy / result).is_file()
    assert "up to date" in shell(copy, "dvc repro")

    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["fit"]["steps"] = 3
    (copy / "params.yaml").write_text(yaml.safe_dump(params))
    again = shell(copy, "dvc repro")
    ran = re.findall(r"Running stage '(\w+)'", again)
    assert sorted(ran) == ["evaluate", "fit"]


def test_pipeline_depends_on_files_that_exist() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    modules = {dep for stage in stages.values() for dep in stage["deps"] if dep.startswith("facenn/")}
    assert modules
    assert [m for m in modules if not (ROOT / m).exists()] == []


@pytest.mark.parametrize("command", readme_commands())
def test_readme_command_works(copy: Path, command: str) -> None:
    shell(copy, command)


def test_readme_shows_no_file_that_is_missing() -> None:
    shown = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert shown
    assert [path for path in shown if not (ROOT / path).exists()] == []
