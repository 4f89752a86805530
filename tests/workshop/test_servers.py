import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from facenn.errors import ConfigError, MissingFileError
from facenn.workshop.servers import _end_interrupted_runs, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a project needs for a workshop, as the current folder."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens, as on all addresses of this machine."""
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refusal(prefect_port: int, mlflow_port: int) -> str:
    """Why a workshop is not begun; nothing may have been started."""
    said: list[str] = []
    with pytest.raises((ConfigError, MissingFileError)) as refused:
        run(prefect_port, mlflow_port, say=said.append, ready=lambda found: said.append(found.prefect))
    assert said == []
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_workshop_names_a_port_that_is_taken_and_the_option_to_choose_another(project: Path, taken: int,
                                                                              free: int) -> None:
    assert refusal(taken, free).startswith(f"expected port {taken} to be free for Prefect")
    assert refusal(taken, free).endswith("choose another with --prefect-port")
    assert refusal(free, taken).startswith(f"expected port {taken} to be free for MLflow")
    assert refusal(free, taken).endswith("choose another with --mlflow-port")


def test_workshop_keeps_the_logs_when_it_is_refused(project: Path, taken: int, free: int) -> None:
    (project / ".facenn/logs").mkdir(parents=True)
    (project / ".facenn/logs/prefect.log").write_text("of the last time")
    refusal(free, taken)
    assert [path.read_text() for path in (project / ".facenn/logs").iterdir()] == ["of the last time"]


def test_workshop_refuses_what_is_no_port(project: Path, free: int) -> None:
    assert refusal(0, free) == "--prefect-port: expected a port from 1 to 65535, got 0"
    assert refusal(free, 65536) == "--mlflow-port: expected a port from 1 to 65535, got 65536"
    assert refusal(free, free) == f"--mlflow-port: expected another port for MLflow than Prefect's, got {free}"


def test_workshop_needs_no_port_for_mlflow_where_a_server_is_shared(project: Path, taken: int,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.studio:5000")
    assert refusal(taken, 0).startswith(f"expected port {taken} to be free for Prefect")


@pytest.mark.parametrize("missing", ["dvc.yaml", "params.yaml"])
def test_workshop_is_refused_where_no_project_is(project: Path, free: int, missing: str) -> None:
    (project / missing).unlink()
    assert refusal(free, free + 1) == f"expected a project in {project}, found no {missing} there"
    assert not (project / ".facenn").exists()


def test_workshop_refuses_bad_parameters_before_it_starts_anything(project: Path, free: int) -> None:
    (project / "params.yaml").write_text("fit: {step: 1}\n")
    assert "fit.step" in refusal(free, free + 1)


def test_workshop_ends_the_runs_that_a_killed_one_left() -> None:
    asked: list[tuple[str, Any]] = []

    class Prefect(BaseHTTPRequestHandler):
        """Knows two runs that nobody runs any more."""

        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'[{"id": "first"}, {"id": "second"}]' if self.path.endswith("/filter") else b"{}")

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Prefect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _end_interrupted_runs(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    (_, wanted), *ended = asked
    assert set(wanted["flow_runs"]["state"]["type"]["any_"]) == {"PENDING", "RUNNING", "CANCELLING"}
    assert [path for path, _ in ended] == [f"/api/flow_runs/{run}/set_state" for run in ("first", "second")]
    assert {(body["state"]["type"], body["force"]) for _, body in ended} == {("CRASHED", True)}
