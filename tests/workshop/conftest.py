"""One running workshop for all tests: Prefect, MLflow and the served flows, in a project of their own."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest
import yaml

from facenn.workshop.servers import Addresses

ROOT = Path(__file__).resolve().parents[2]
TOY = {"steps": 2, "candidates": 1}  # of a fit, whose defaults the form takes from params.yaml
MISLEADING = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_API_KEY": "pnu_1", "PREFECT_PROFILE": "nobody",
              "PREFECT_SERVER_API_BASE_PATH": "/elsewhere", "HTTP_PROXY": "http://127.0.0.1:9",
              "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9",
              "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"}  # what a user's environment may hold
BEGIN = 120  # seconds after which a fit that has not begun is a failure
STOP = 60  # seconds after which a workshop that does not stop is a failure


@pytest.fixture(scope="session")
def workshop_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project beside the pretrained networks and the astronaut, whose fits are of toy size."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fit"]["imitator"].update(TOY)
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

    When the last test is over it is stopped as by Ctrl-C in the middle of a fit; nothing may be left, nor a run that
    counts as running for ever.
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
            run = _begin_endless_fit(form)
            up.send_signal(signal.SIGINT)
            assert up.wait(STOP) == 0
            assert _running_in(workshop_project) == []
            # Ended by what it was doing when told; or, too slow to say so, it goes on at the next start.
            assert _state(workshop_project, run) in ("CRASHED", "FAILED") or (
                workshop_project / ".facenn/flow-runs" / run).is_file()
        finally:
            up.kill()  # where a start or a stop failed; its sentinel ends the rest


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _begin_endless_fit(form: str) -> str:
    """The id of a run of that form, as soon as it runs."""
    api = form.replace("/deployments/deployment/", "/api/deployments/").removesuffix("/run")
    fit = {"photo": "data/photos/astronaut.jpg", "name": "endless",
           "config": {"imitator": {"steps": 10**6, "candidates": 1}}}
    run: str = _ask(f"{api}/create_flow_run", {"parameters": fit})["id"]
    end = time.monotonic() + BEGIN
    while _ask(f"{api.split('/deployments/')[0]}/flow_runs/{run}")["state_type"] != "RUNNING":
        assert time.monotonic() < end
        time.sleep(0.5)
    return run


def _ask(url: str, body: object = None) -> Any:
    request = Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
        return json.load(response)


def _state(project: Path, run: str) -> str:
    """Of a run, as the database of a Prefect that has ended holds it."""
    with closing(sqlite3.connect(project / ".facenn/prefect/prefect.db")) as database:
        state: str = database.execute("select state_type from flow_run where id = ?", [run]).fetchone()[0]
        return state


def _running_in(folder: Path) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder:
                found.append(process.cmdline())
        except (psutil.Error, OSError):
            continue
    return found
