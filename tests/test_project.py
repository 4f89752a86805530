"""The project as a user meets it: the README's commands and the pipeline, in a copy of the working tree."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TOY: dict[str, dict[str, Any]] = {"render": {"count": 10, "workers": 1}, "validate": {"min_rows": 10},
       "train": {"steps": 3, "batch_size": 2, "resolution": 64, "validation": 0.2},
       "train_translator": {"count": 20, "workers": 1, "epochs": 1}, "evaluate": {"recovered": 1},
       "fit": {"imitator": {"steps": 2, "candidates": 1}, "engine": {"rounds": 1}}}


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
        for name, value in values.items():
            if isinstance(value, dict):
                params[section][name].update(value)
            else:
                params[section][name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


@pytest.fixture(scope="module")
def baseline(copy: Path) -> Path:
    """The copy after a run of the pipeline, with what Git keeps of it committed."""
    shell(copy, "make repro && git add . && git commit --quiet -m Baseline")
    return copy


def environment() -> dict[str, str]:
    people = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **people, "DVC_NO_ANALYTICS": "1", "FACENN_DEVICE": "cpu", "PYTHONPATH": str(ROOT),
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


def experiment_lines() -> str:
    """The block of the README that runs and compares an experiment."""
    blocks: list[str] = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    return next(block for block in blocks if "dvc exp run" in block)


def test_pipeline_runs_from_nothing(baseline: Path) -> None:
    for result in ("data/renders/faces.parquet", "reports/validation/validation.md", "models/imitator.safetensors",
                   "reports/evaluation/evaluation.json", "results/fits/astronaut/report.html"):
        assert (baseline / result).is_file()
    assert "up to date" in shell(baseline, "dvc repro")


def test_experiment_of_the_readme_runs_what_changed_and_is_compared_with_the_last_commit(baseline: Path) -> None:
    said = shell(baseline, experiment_lines())
    assert sorted(re.findall(r"Running stage '(\w+)'", said)) == ["evaluate", "fit", "train"]
    params = json.loads(shell(baseline, "dvc params diff --json 2> /dev/null"))["params.yaml"]
    assert params == {"train.peak": {"old": 0.008, "new": 0.004, "diff": -0.004}}
    metrics = json.loads(shell(baseline, "dvc metrics diff --json 2> /dev/null"))
    assert "held_out/l1" in metrics["reports/evaluation/metrics.json"]
    drawn = {path.name for path in (baseline / "dvc_plots/static").iterdir()}
    pictures = ("models_curves.png", "models_samples.png", "reports_evaluation_held_out.png", "reports_fits.jpg")
    assert drawn == {f"{which}_{picture}" for which in ("HEAD", "workspace") for picture in pictures}
    page = (baseline / "dvc_plots/index.html").read_text()
    assert page.count("validation.csv") > 1
    with sqlite3.connect(baseline / ".facenn/mlflow/mlflow.db") as store:
        names = [name for (name,) in store.execute("select value from tags where key = 'dvc_experiment'")]
    assert len(names) == 1
    assert f"[{names[0]}]" in said


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
