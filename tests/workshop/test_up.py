"""The real workshop, as ``facenn up`` starts it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np

from facenn.steps.workshop import Addresses
from facenn.tracking import local_store, training_run


def ask(url: str, body: object = None) -> bytes:
    request = Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
        answer: bytes = response.read()
        return answer


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
