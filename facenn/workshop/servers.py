"""The workshop: a Prefect server, an MLflow server and the served flows of a project, together, for this machine."""

import fcntl
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from urllib.request import ProxyHandler, Request, build_opener

from facenn.config import load_params
from facenn.errors import ConfigError, MissingFileError, ProgramError
from facenn.steps.project import MLFLOW_PAGE, Project, flow_runs, state_folder
from facenn.workshop.programs import Program, Programs

HOST = "127.0.0.1"  # other machines cannot reach it
NAMES = (HOST, "localhost")  # by which a browser on this machine can
FORM = "fit-photo/local"  # the deployment whose form fits a photo
UNFINISHED = ("PENDING", "RUNNING", "CANCELLING")  # states of a run that only its process can change
TIMEOUT = 5.0  # seconds for an answer
QUIET = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
         "GX_ANALYTICS_ENABLED": "false", "DVC_NO_ANALYTICS": "1"}
PREFECT = {
    **QUIET,
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # that page asks a server of amplitude.com, whatever the settings say
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # in files: a server that was killed shall still know who holds the GPU, and for how long without a word
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "5",  # until a free GPU is asked for again
    "PREFECT_RUNNER_POLL_FREQUENCY": "3",  # seconds until a run that was asked for begins
    "PYTHONUNBUFFERED": "1",  # each line is in the log at once
}


@dataclass(frozen=True)
class Addresses:
    """Where the workshop answers.

    Attributes:
        prefect: page of the runs.
        form: page that fits a photo.
        mlflow: page of the trainings; that of MLFLOW_TRACKING_URI where it names a server.
        logs: folder of the programs' output.
        seconds: duration of the start.
    """

    prefect: str
    form: str
    mlflow: str
    logs: Path
    seconds: float


def run(prefect_port: int, mlflow_port: int, *, say: Callable[[str], None], ready: Callable[[Addresses], None]) -> None:
    """Run the workshop of the project in the current folder until the user asks to stop.

    Args:
        prefect_port: on this machine, of the Prefect server.
        mlflow_port: on this machine, of the MLflow server.
        say: called with each line of progress.
        ready: called with the addresses once everything answers.

    Raises:
        MissingFileError: the current folder is no project.
        ConfigError: a port that is taken, a second workshop in the same project, or a params.yaml that is refused.
        ProgramError: a program ended by itself, or does not answer; the others are stopped.
    """
    began = time.monotonic()
    _check_project()
    tracking = Project.here().tracking
    elsewhere = tracking.startswith(("http://", "https://"))  # a shared server: none is started here
    with _only_one() as lock:
        _check_ports({"Prefect": prefect_port} if elsewhere else {"Prefect": prefect_port, "MLflow": mlflow_port})
        prefect = f"http://{HOST}:{prefect_port}"
        mlflow = tracking if elsewhere else f"http://{HOST}:{mlflow_port}"
        lock.write(f"process {os.getpid()}, Prefect on {prefect}, MLflow on {mlflow}")
        lock.flush()
        with Programs(say, keep=lock.fileno()) as programs:
            programs.start(_prefect(prefect_port), *([] if elsewhere else [_mlflow(mlflow_port, tracking)]))
            if not programs.wait():
                return
            _end_interrupted_runs(prefect)
            programs.start(_flows(prefect, mlflow))
            if not programs.wait():
                return
            ready(Addresses(prefect, _form(prefect), mlflow, _logs(), time.monotonic() - began))
            programs.watch()


def _logs() -> Path:
    return state_folder() / "logs"


def _check_project() -> None:
    for file in (Path("dvc.yaml"), Path("params.yaml")):
        if not file.is_file():
            raise MissingFileError(f"expected a project in {Path.cwd()}, found no {file} there")
    load_params()  # the flows would refuse it later, and in their log


@contextmanager
def _only_one() -> Iterator[TextIO]:
    """The file that the workshop of a project holds locked; it says where that workshop answers."""
    state_folder().mkdir(parents=True, exist_ok=True)
    with (state_folder() / "workshop.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(f"expected one workshop per project, but one is running: {lock.read()}") from None
        lock.truncate(0)
        yield lock


def _check_ports(ports: dict[str, int]) -> None:
    """Check ports, given by the name of the program that is to answer there."""
    for number, (name, port) in enumerate(ports.items()):
        option = f"--{name.lower()}-port"
        if not 0 < port < 2**16:
            raise ConfigError(f"{option}: expected a port from 1 to 65535, got {port}")
        if port in list(ports.values())[:number]:
            raise ConfigError(f"{option}: expected another port for {name} than Prefect's, got {port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise ConfigError(f"expected port {port} to be free for {name}, got: {error.strerror}; choose another "
                                  f"with {option}") from None


def _prefect(port: int) -> Program:
    address = f"http://{HOST}:{port}"
    command = (sys.executable, "-m", "flows.prefect_server", "--port", str(port))
    return Program("Prefect", command, _environment(address), _logs() / "prefect.log",
                   lambda: _read(f"{address}/api/health") is not None)


def _mlflow(port: int, store: str) -> Program:
    """The store is the one that trainings write to, whether or not this server runs."""
    folder = (state_folder() / "mlflow").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    hosts = [f"{name}:{port}" for name in NAMES] + list(NAMES)  # browsers leave out the port 80
    environment: dict[str, str | None] = {
        **QUIET, "MLFLOW_BACKEND_STORE_URI": store,  # not an argument: it may hold a password
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": (folder / "artifacts").as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # requests of foreign web pages are refused; by default those for any host called 10.* or 192.168.* are not
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{host}" for host in hosts),
        "MLFLOW_SERVER_X_FRAME_OPTIONS": "SAMEORIGIN", "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": None}
    command = (sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1")
    return Program("MLflow", command, environment, _logs() / "mlflow.log",
                   lambda: _read(f"http://{HOST}:{port}/health") is not None)


def _flows(prefect: str, mlflow: str) -> Program:
    """They are served once they ask for work: the server knows them from earlier starts, too."""
    since = datetime.now(UTC)

    def served() -> bool:
        found = _read(f"{prefect}/api/deployments/name/{FORM}")
        asked = json.loads(found)["last_polled"] if found else None
        return asked is not None and datetime.fromisoformat(asked) >= since

    return Program("flows", (sys.executable, "-m", "flows.serve"), {**_environment(prefect), MLFLOW_PAGE: mlflow},
                   _logs() / "flows.log", served)


def _environment(prefect: str) -> dict[str, str | None]:
    """Variables of Prefect's programs, without the user's own, which may lead to another server or account.

    A SOCKS proxy is left out, too: Prefect's client does not start with one, not even to talk to this machine.
    """
    others: dict[str, str | None] = {
        name: None for name, value in os.environ.items() if name.startswith("PREFECT_")
        or (name.lower().endswith("_proxy") and value.lower().startswith("socks"))}
    direct = ",".join(filter(None, [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), HOST]))
    return {**others, **PREFECT, "PREFECT_HOME": str((state_folder() / "prefect").resolve()), "NO_PROXY": direct,
            "no_proxy": direct, "PREFECT_API_URL": f"{prefect}/api", "PREFECT_UI_API_URL": f"{prefect}/api"}


def _end_interrupted_runs(prefect: str) -> None:
    """End the runs of a workshop that was killed; they would count as running for ever, and keep the next ones waiting.

    Runs with a file of their own, see ``flow_runs``, stay: the flows resume them.
    """
    found = _read(f"{prefect}/api/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": UNFINISHED}}}})
    for run in json.loads(found or "[]"):
        if (flow_runs() / run["id"]).is_file():
            continue
        state = {"type": "CRASHED", "name": "Crashed", "message": "The workshop ended while this was running."}
        _read(f"{prefect}/api/flow_runs/{run['id']}/set_state", {"state": state, "force": True})


def _form(prefect: str) -> str:
    if (found := _read(f"{prefect}/api/deployments/name/{FORM}")) is None:
        raise ProgramError(f"Prefect gives no answer about {FORM}; its log is {_logs() / 'prefect.log'}")
    return f"{prefect}/deployments/deployment/{json.loads(found)['id']}/run"


def _read(url: str, body: object = None) -> str | None:
    """What a server of the workshop answers; None where there is no answer, or no good one."""
    request = Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT) as response:
            text: str = response.read().decode()
            return text
    except (OSError, http.client.HTTPException):
        return None
