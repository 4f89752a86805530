from pathlib import Path
from typing import Any

import pytest
import torch

from facenn.errors import ConfigError, MissingFileError
from facenn.tracking import local_store, log_evaluation, resolve_model, training_run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests: making its database takes seconds."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="session")
def uri(folder: Path) -> str:
    return local_store(folder)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "imitator.safetensors"
    path.write_bytes(b"weights")
    return path


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_run_keeps_what_it_was_told(folder: Path, uri: str) -> None:
    with training_run(uri, "told", {"steps": 3, "peak": 2e-3}, tags={"character": "toy"}) as run:
        run.log(1, {"train/error": 0.5})
        run.log(2, {"train/error": 0.25, "train/rate": 0.001})
        run.show(2, torch.rand(3, 8, 16))
    stored = client(uri).get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"steps": "3", "peak": "0.002"}
    assert stored.data.tags["character"] == "toy"
    assert stored.data.metrics["train/rate"] == 0.001
    points = client(uri).get_metric_history(run.run_id, "train/error")
    assert [(p.step, p.value) for p in points] == [(1, 0.5), (2, 0.25)]
    assert [p.suffix for p in (folder / "artifacts" / run.run_id).rglob("samples*.png")] == [".png"]


def test_run_says_nothing_on_the_screen(
    uri: str, capfd: pytest.CaptureFixture[str], checkpoint: Path
) -> None:
    with training_run(uri, "silent", {"steps": 3}) as run:
        run.log(1, {"train/error": 0.5})
        run.register(checkpoint, name="silent")
    resolve_model(uri, name="silent")
    assert capfd.readouterr() == ("", "")


def test_run_whose_body_fails_is_marked_failed(uri: str) -> None:
    with pytest.raises(ZeroDivisionError), training_run(uri, "failing", {"steps": 3}) as run:
        raise ZeroDivisionError
    assert client(uri).get_run(run.run_id).info.status == "FAILED"


def test_runs_of_one_name_share_an_experiment(uri: str) -> None:
    with training_run(uri, "shared", {"steps": 1}) as one, training_run(uri, "shared", {"steps": 2}) as other:
        pass
    experiments = {client(uri).get_run(run.run_id).info.experiment_id for run in (one, other)}
    assert len(experiments) == 1 and one.run_id != other.run_id


def test_evaluation_is_added_to_a_run_that_is_over(uri: str) -> None:
    with training_run(uri, "evaluated", {"steps": 3}) as run:
        run.log(1, {"train/error": 0.5})
    log_evaluation(uri, run.run_id, {"evaluation/error": 0.01})
    stored = client(uri).get_run(run.run_id)
    assert stored.data.metrics["evaluation/error"] == 0.01
    assert stored.info.status == "FINISHED"


def test_evaluation_of_a_model_from_elsewhere_gets_a_run_of_its_own(uri: str) -> None:
    log_evaluation(uri, "nobody", {"evaluation/error": 0.25})
    store = client(uri)
    experiment = store.get_experiment_by_name("imitator")
    found = store.search_runs([experiment.experiment_id], filter_string="tags.trained_as = 'nobody'")
    assert [run.data.metrics["evaluation/error"] for run in found] == [0.25]


def test_killed_run_goes_on_as_the_same_run(uri: str) -> None:
    with pytest.raises(KeyboardInterrupt), training_run(uri, "killed", {"steps": 2}) as run:
        run.log(1, {"train/error": 0.5})
        raise KeyboardInterrupt
    with training_run(uri, "killed", {"steps": 2}, resume=run.run_id) as again:
        assert client(uri).get_run(run.run_id).info.status == "RUNNING"
        again.log(2, {"train/error": 0.25})
    assert again.run_id == run.run_id
    assert [m.value for m in client(uri).get_metric_history(run.run_id, "train/error")] == [0.5, 0.25]
    assert client(uri).get_run(run.run_id).info.status == "FINISHED"


def test_registered_model_is_found_by_alias_and_by_version(uri: str, checkpoint: Path) -> None:
    with training_run(uri, "registered", {"steps": 3}) as run:
        assert run.register(checkpoint, name="found") == "1"
        first = resolve_model(uri, name="found")
    checkpoint.write_bytes(b"better weights")
    with training_run(uri, "registered", {"steps": 4}) as run:
        assert run.register(checkpoint, name="found") == "2"
    assert first.read_bytes() == resolve_model(uri, "1", name="found").read_bytes() == b"weights"
    assert resolve_model(uri, "candidate", name="found").read_bytes() == b"better weights"


def test_registered_model_of_a_local_store_is_no_copy(folder: Path, uri: str, checkpoint: Path) -> None:
    with training_run(uri, "registered", {"steps": 3}) as run:
        run.register(checkpoint, name="local", alias="champion")
    assert resolve_model(uri, "champion", name="local").is_relative_to(folder / "artifacts")
    assert resolve_model(uri, "champion", name="local") == resolve_model(uri, "1", name="local")


@pytest.mark.parametrize(("wanted", "name"), [("champion", "nothing"), ("7", "nothing"),
                                              ("champion", "known"), ("7", "known")])
def test_model_that_is_not_registered_is_missing(uri: str, checkpoint: Path, wanted: str, name: str) -> None:
    with training_run(uri, "missing", {"steps": 3}) as run:
        run.register(checkpoint, name="known")
    with pytest.raises(MissingFileError, match=f"expected a model {name} {wanted} in sqlite:"):
        resolve_model(uri, wanted, name=name)


def test_model_whose_file_is_gone_is_missing(uri: str, checkpoint: Path) -> None:
    with training_run(uri, "gone", {"steps": 3}) as run:
        run.register(checkpoint, name="gone")
    resolve_model(uri, name="gone").unlink()
    with pytest.raises(MissingFileError, match="expected a model gone candidate"):
        resolve_model(uri, name="gone")


def test_checkpoint_that_does_not_exist_is_not_registered(uri: str, tmp_path: Path) -> None:
    with training_run(uri, "absent", {"steps": 3}) as run, pytest.raises(MissingFileError, match="nowhere"):
        run.register(tmp_path / "nowhere.safetensors")


def test_database_by_a_relative_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="absolute"), training_run("sqlite:///mlflow.db", "x", {}):
        pass
