"""The real workshop, as ``facenn up`` starts it."""

import json
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pytest

from facenn.tracking import local_store, training_run
from facenn.workshop.servers import Addresses

JSON = {"Content-Type": "application/json"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def ask(url: str, body: object = None) -> bytes:
    request = Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
        answer: bytes = response.read()
        return answer


def status(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
           ) -> tuple[int, str | None]:
    """The status of an answer, and the origin whose pages may read it."""
    to = urlsplit(url)
    with closing(HTTPConnection(to.netloc, timeout=30)) as connection:
        connection.request(method, to.path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers["Access-Control-Allow-Origin"]


@pytest.fixture(params=["prefect", "mlflow"])
def asked(request: pytest.FixtureRequest, workshop: Addresses) -> tuple[str, int, bytes]:
    """An address of each server that takes POST requests, its port, and the body of a request."""
    address, path, body = {
        "prefect": (workshop.prefect, "/api/deployments/filter", b"{}"),
        "mlflow": (workshop.mlflow, "/ajax-api/2.0/mlflow/experiments/search", b'{"max_results": 1}')}[request.param]
    return address + path, urlsplit(address).port or 0, body


def test_up_serves_programs_and_its_own_pages(asked: tuple[str, int, bytes]) -> None:
    url, port, body = asked
    assert status("POST", url, body, JSON)[0] == 200
    for name in ("127.0.0.1", "localhost"):
        own = f"http://{name}:{port}"
        assert status("POST", url, body, {**JSON, "Origin": own}) == (200, own)
        assert status("POST", url, body, {**JSON, "Host": f"{name}:{port}"})[0] == 200
        assert status("OPTIONS", url, headers={**PREFLIGHT, "Origin": own}) == (200, own)


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])  # browsers send the second without a preflight
def test_up_refuses_what_pages_from_elsewhere_ask(asked: tuple[str, int, bytes], kind: str, origin: str) -> None:
    url, _, body = asked
    assert status("POST", url, body, {"Content-Type": kind, "Origin": origin}) == (403, None)
    refused, reader = status("OPTIONS", url, headers={**PREFLIGHT, "Origin": origin})
    assert refused in (400, 403)
    assert reader is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "10.evil.example"])
def test_up_refuses_foreign_names_that_lead_to_it(asked: tuple[str, int, bytes], host: str) -> None:
    url, port, body = asked
    assert status("POST", url, body, {**JSON, "Host": host.format(port=port)})[0] in (400, 403)


@pytest.mark.parametrize("path", ["events/in", "events/out", "logs/out"])
def test_up_opens_websockets_for_programs_but_not_for_pages_from_elsewhere(workshop: Addresses, path: str) -> None:
    url = f"{workshop.prefect}/api/{path}"
    assert status("GET", url, headers=HANDSHAKE)[0] == 101
    assert status("GET", url, headers={**HANDSHAKE, "Origin": "http://evil.example"})[0] == 403


def test_up_shows_no_pictures_in_pages_from_elsewhere_but_follows_their_links(workshop: Addresses) -> None:
    def asked(mode: str, target: str) -> int:
        return status("GET", f"{workshop.prefect}/", headers={
            "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": target})[0]

    assert asked("no-cors", "image") == 403
    assert asked("navigate", "document") == 200


def test_up_serves_the_flows_and_prints_the_form_of_the_fit(workshop: Addresses) -> None:
    found: list[dict[str, Any]] = json.loads(ask(f"{workshop.prefect}/api/deployments/filter", {}))
    assert {deployment["status"] for deployment in found} == {"READY"}
    fit, = (d for d in found if f"/{d['id']}/" in workshop.form)
    assert fit["name"] == "local"
    assert fit["parameters"]["config"]["imitator"]["candidates"] == 1  # of the project's own params.yaml


def test_up_tells_the_page_of_prefect_where_its_server_is(workshop: Addresses) -> None:
    settings = json.loads(ask(f"{workshop.prefect}/ui-settings"))
    assert settings["api_url"] == f"{workshop.prefect}/api"
    assert settings["default_ui"] == "v1"  # the other one calls a server of its maker


def test_up_keeps_its_telemetry_off(workshop: Addresses) -> None:
    assert json.loads(ask(f"{workshop.prefect}/api/admin/settings"))["server"]["analytics_enabled"] is False
    assert json.loads(ask(f"{workshop.mlflow}/ajax-api/3.0/mlflow/ui-telemetry"))["disable_ui_telemetry"] is True


def test_up_shows_a_training_that_writes_to_the_store_itself(workshop: Addresses, workshop_project: Path) -> None:
    with training_run(local_store(workshop_project / ".facenn/mlflow"), "imitator", {"steps": 1}) as run:
        run.log(1, {"train/loss": 0.5})
        run.show(1, np.full((8, 8, 3), 128, np.uint8))
    found = json.loads(ask(f"{workshop.mlflow}/api/2.0/mlflow/runs/get?{urlencode({'run_id': run.run_id})}"))["run"]
    assert found["info"]["status"] == "FINISHED"
    assert ("train/loss", 0.5) in [(metric["key"], metric["value"]) for metric in found["data"]["metrics"]]
    listed = json.loads(ask(f"{workshop.mlflow}/api/2.0/mlflow/artifacts/list?"
                            f"{urlencode({'run_id': run.run_id, 'path': 'images'})}"))["files"]
    picture = next(file["path"] for file in listed if file["path"].endswith(".png"))
    shown = ask(f"{workshop.mlflow}/get-artifact?{urlencode({'run_uuid': run.run_id, 'path': picture})}")
    assert shown.startswith(b"\x89PNG")


def test_up_refuses_a_second_one_in_the_same_project(workshop: Addresses, workshop_project: Path,
                                                     up_environment: dict[str, str]) -> None:
    second = subprocess.run([sys.executable, "-m", "facenn.cli", "up"], cwd=workshop_project, env=up_environment,
                            capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert second.stderr.startswith("facenn: expected one workshop per project, but one is running: process ")
    assert workshop.prefect in second.stderr
    assert len(second.stderr.splitlines()) == 1
