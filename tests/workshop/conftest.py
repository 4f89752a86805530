"""One running workshop for all tests: Prefect, MLflow and the served flows, in a project of their own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from facenn.steps.workshop import Addresses

ROOT = Path(__file__).resolve().parents[2]
TOY = {"steps": 2, "candidates": 1}  # of a fit, whose defaults the form takes from params.yaml
MISLEADING = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_API_KEY": "pnu_1", "PREFECT_PROFILE": "nobody",
              "PREFECT_SERVER_API_BASE_PATH": "/elsewhere", "HTTP_PROXY": "http://127.0.0.1:9",
              "http_proxy": "http://127.0.0.1:9"}  # what a user's environment may hold
STOP = 60  # seconds after which a workshop that does not stop is a failure


@pytest.fixture(scope="session")
def workshop_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project beside the pretrained networks and the astronaut, whose fits are of toy size."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fit"].update(TOY)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "data").mkdir()
    for name in ("pretrained", "photos"):
        (folder / "data" / name).symlink_to(ROOT / "data" / name)
    return folder


@pytest.fixture(scope="session")
def up_environment() -> dict[str, str]:
    """Of a ``facenn up`` that runs this working tree, in spite of what the user's own environment may hold."""
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**inherited, **MISLEADING, "PYTHONPATH": str(ROOT), "FACENN_DEVICE": "cpu"}


@pytest.fixture(scope="session")
def workshop(workshop_project: Path, up_environment: dict[str, str]) -> Iterator[Addresses]:
    """Where the workshop of ``workshop_project`` answers.

    When the last test is over it is stopped as by Ctrl-C, and nothing of it may be left.
    """
    command = [sys.executable, "-m", "facenn.cli", "up", f"--prefect-port={_free()}", f"--mlflow-port={_free()}"]
    with subprocess.Popen(command, cwd=workshop_project, env=up_environment, stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout is not None
            printed = up.stdout.readline()
            while up.poll() is None and "Ctrl-C" not in printed:
                printed += up.stdout.readline()
            seconds = re.findall(r"after (\d+) s", printed)[0]
            form, runs, mlflow = re.findall(r"http://\S+", printed)
            yield Addresses(runs.removesuffix("/runs"), form, mlflow, workshop_project / ".facenn/logs", float(seconds))
            up.send_signal(signal.SIGINT)
            assert up.wait(STOP) == 0
            assert _running_in(workshop_project) == []
        finally:
            up.kill()  # where a start or a stop failed; its sentinel ends the rest


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _running_in(folder: Path) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder:
                found.append(process.cmdline())
        except (psutil.Error, OSError):
            continue
    return found
