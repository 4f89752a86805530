from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from facenn.config import FitConfig
from facenn.errors import ConfigError
from flows.serve import deployments, enter


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "params.yaml").write_text("fit: {imitator: {steps: 33}}\n")
    return tmp_path


@pytest.fixture
def form(project: Path, prefect_server: None) -> UUID:
    """The deployment that fits a photo."""
    entered = deployments()[0].apply()
    assert isinstance(entered, UUID)
    return entered


def submit(form: UUID, parameters: dict[str, Any]) -> None:
    with get_client(sync_client=True) as client:
        client.create_flow_run_from_deployment(form, parameters=parameters)


def runs() -> int:
    with get_client(sync_client=True) as client:
        return len(client.read_flow_runs())


def test_form_starts_from_params_yaml_and_an_example(project: Path) -> None:
    one, folder, pipeline = deployments()
    assert one.parameters["photo"] == "data/photos/astronaut.jpg"
    assert one.parameters["config"]["imitator"]["steps"] == folder.parameters["config"]["imitator"]["steps"] == 33
    assert pipeline.concurrency_limit == 1


@pytest.mark.parametrize(("parameters", "field"), [
    ({"photoo": "me.jpg"}, "photoo"),
    ({"config": {"stepz": 3}}, "stepz"),
    ({"config": {"imitator": {"steps": 0}}}, "config.imitator.steps"),
    ({"config": {"imitator": {"rate": 7}}}, "config.imitator.rate"),
    ({"config": {"engine": {"roundz": 7}}}, "roundz"),
    ({"config": {"character": "nobody"}}, "config.character"),
    ({"model": "best"}, "model"),
    ({"face": -1}, "face"),
])
def test_form_refuses_bad_values_before_there_is_a_run(form: UUID, parameters: dict[str, Any], field: str) -> None:
    before = runs()
    with pytest.raises(PrefectHTTPStatusError) as refused:
        submit(form, parameters)
    assert refused.value.response.status_code == 409
    assert field in refused.value.response.json()["detail"]
    assert runs() == before


def test_form_takes_what_its_fields_offer(form: UUID) -> None:
    before = runs()
    submit(form, {"photo": "me.jpg", "face": 2, "model": "candidate", "version": 3, "name": "me", "track": True,
                  "config": FitConfig(character="classic", lock=("nose.hump=0.3",)).model_dump(mode="json")})
    assert runs() == before + 1


def test_enter_names_a_pool_that_the_server_does_not_have(project: Path, prefect_server: None) -> None:
    with pytest.raises(ConfigError, match="expected the work pool boxes, found none; prefect work-pool create boxes"):
        enter(deployments("boxes"), "boxes")
