import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facenn.errors import ConfigError, MissingFileError
from facenn.tracking import fetch, log_evaluation, log_run, mark, registered, training_run


@pytest.fixture
def uri(tracking: str) -> str:
    return tracking


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "imitator.safetensors"
    path.write_bytes(b"weights")
    return path


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_run_keeps_what_it_was_told(tracking_folder: Path, uri: str) -> None:
    with training_run(uri, "told", {"steps": 3, "peak": 2e-3}, name="toy-8-3x2", tags={"character": "toy"}) as run:
        run.log(1, {"train/error": 0.5})
        run.log(2, {"train/error": 0.25, "train/rate": 0.001})
        run.show(2, np.zeros((8, 16, 3), np.uint8))
    stored = client(uri).get_run(run.run_id)
    assert (stored.info.status, stored.info.run_name) == ("FINISHED", "toy-8-3x2")
    assert stored.data.params == {"steps": "3", "peak": "0.002"}
    assert stored.data.tags["character"] == "toy"
    assert stored.data.metrics["train/rate"] == 0.001
    points = client(uri).get_metric_history(run.run_id, "train/error")
    assert [(p.step, p.value) for p in points] == [(1, 0.5), (2, 0.25)]
    assert [p.suffix for p in (tracking_folder / "artifacts" / run.run_id).rglob("samples*.png")] == [".png"]


def test_run_says_nothing_on_the_screen(
    uri: str, capfd: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path
) -> None:
    with training_run(uri, "silent", {"steps": 3}) as run:
        run.log(1, {"train/error": 0.5})
        run.register(checkpoint, name="silent")
    fetch(uri, registered(uri, "silent")[0], tmp_path / "models")
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


def test_registered_versions_never_change_and_only_aliases_move(uri: str, checkpoint: Path, tmp_path: Path) -> None:
    with training_run(uri, "registered", {"steps": 3}) as run:
        assert run.register(checkpoint, name="found", tags={"character": "toy"}, description="small") == "1"
    first = fetch(uri, registered(uri, "found")[0], tmp_path)
    checkpoint.write_bytes(b"better weights")
    with training_run(uri, "registered", {"steps": 4}) as again:
        assert again.register(checkpoint, name="found") == "2"
    older, newer = registered(uri, "found")
    assert (older.version, older.run_id, older.aliases) == ("1", run.run_id, ())
    assert (newer.version, newer.run_id, newer.aliases) == ("2", again.run_id, ("candidate",))
    assert fetch(uri, older, tmp_path) == first
    assert (first.name, first.read_bytes()) == ("found-1.safetensors", b"weights")
    assert fetch(uri, newer, tmp_path).read_bytes() == b"better weights"
    mark(uri, older, {"verdict": "better"}, alias="champion")
    assert registered(uri, "found")[0].aliases == ("champion",)
    stored = client(uri).get_model_version("found", "1")
    assert (stored.tags, stored.description) == ({"character": "toy", "verdict": "better"}, "small")


def test_fetched_model_is_copied_out_of_the_store_only_once(uri: str, checkpoint: Path, tmp_path: Path) -> None:
    with training_run(uri, "fetched", {"steps": 3}) as run:
        run.register(checkpoint, name="fetched")
    model, = registered(uri, "fetched")
    copy = fetch(uri, model, tmp_path / "models")
    assert [p for p in (tmp_path / "models").rglob("*") if p.is_file()] == [copy]
    copy.write_bytes(b"marked")
    assert fetch(uri, model, tmp_path / "models").read_bytes() == b"marked"


def test_fetched_models_of_two_stores_are_told_apart_by_their_runs(uri: str, checkpoint: Path, tmp_path: Path) -> None:
    with training_run(uri, "apart", {"steps": 3}) as run:
        run.register(checkpoint, name="apart")
    model, = registered(uri, "apart")
    elsewhere = tmp_path / "another-run" / "apart-1.safetensors"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"version 1 of another store")
    assert fetch(uri, model, tmp_path).read_bytes() == b"weights"


def test_fetch_brings_what_was_registered_beside_a_model(uri: str, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "seen.txt").write_text("faces")
    with training_run(uri, "beside", {"steps": 3}) as run:
        run.register(checkpoint, name="beside", beside=[tmp_path / "seen.txt"])
    model, = registered(uri, "beside")
    assert fetch(uri, model, tmp_path / "models", beside="seen.txt").read_text() == "faces"
    with pytest.raises(MissingFileError, match=r"expected other\.txt of beside-1 in sqlite:"):
        fetch(uri, model, tmp_path / "models", beside="other.txt")
    assert not [p for p in (tmp_path / "models").rglob("*") if "other" in p.name]


def test_model_whose_file_is_gone_is_missing(
    uri: str, tracking_folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with training_run(uri, "gone", {"steps": 3}) as run:
        run.register(checkpoint, name="gone")
    next((tracking_folder / "artifacts" / run.run_id).rglob("imitator.safetensors")).unlink()
    with pytest.raises(MissingFileError, match="expected the file of gone-1 in sqlite:"):
        fetch(uri, registered(uri, "gone")[0], tmp_path)


def test_registry_of_a_store_without_a_database_is_empty_and_costs_no_import(tmp_path: Path) -> None:
    code = ("import sys; from pathlib import Path; from facenn.tracking import local_store, registered; "
            "assert registered(local_store(Path(sys.argv[1])), 'imitator-portrait') == []; "
            "sys.exit('mlflow' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
    assert not list(tmp_path.iterdir())


def test_server_that_does_not_answer_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConfigError, match=f"expected an MLflow server at http://127.0.0.1:{port}, got .*refused"):
        registered(f"http://127.0.0.1:{port}", "imitator-portrait")


def test_finished_run_is_logged_at_once_with_more_points_than_mlflow_takes(uri: str, tmp_path: Path) -> None:
    (tmp_path / "face.json").write_text("{}")
    above = log_run(uri, "logged", {"photos": 2}, name="2 photos")
    run_id = log_run(uri, "logged", {"steps": 1200}, points=[("loss/total", 1 / s, s) for s in range(1, 1201)],
                     files=[tmp_path / "face.json"], tags={"kind": "toy"}, parent=above)
    stored = client(uri).get_run(run_id)
    assert (stored.info.status, stored.data.params, stored.data.tags["kind"]) == ("FINISHED", {"steps": "1200"}, "toy")
    assert stored.data.tags["mlflow.parentRunId"] == above
    assert stored.data.metrics["loss/total"] == 1 / 1200
    assert [file.path for file in client(uri).list_artifacts(run_id)] == ["face.json"]
    assert client(uri).get_run(above).info.run_name == "2 photos"


def test_finished_run_whose_file_is_missing_is_marked_failed(uri: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        log_run(uri, "incomplete", {}, files=[tmp_path / "nowhere.png"])
    experiment = client(uri).get_experiment_by_name("incomplete")
    assert [run.info.status for run in client(uri).search_runs([experiment.experiment_id])] == ["FAILED"]


def test_checkpoint_that_does_not_exist_is_not_registered(uri: str, tmp_path: Path) -> None:
    with training_run(uri, "absent", {"steps": 3}) as run, pytest.raises(MissingFileError, match="nowhere"):
        run.register(tmp_path / "nowhere.safetensors", name="absent")


def test_database_by_a_relative_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="absolute"), training_run("sqlite:///mlflow.db", "x", {}):
        pass
