"""MLflow runs, metrics, sample pictures and the registry of models; the only module that knows MLflow."""

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facenn.errors import ConfigError, MissingFileError
from facenn.images import to_pixels

if TYPE_CHECKING:  # naming the types must not cost what importing them costs
    from torch import Tensor

SQLITE = "sqlite:///"
MODEL = "imitator"
CANDIDATE = "candidate"


def local_store(folder: Path) -> str:
    """The tracking URI of a local store: a database in ``folder``, its artifacts beside it."""
    return f"{SQLITE}{folder.resolve() / 'mlflow.db'}"


class TrainingRun:
    """An MLflow run that is going on; made by ``training_run``.

    Attributes:
        run_id: by which other stages find the run again.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each of these curves; the part of a name before ``/`` groups them."""
        _log_metrics(self._client, self.run_id, metrics, step)

    def show(self, step: int, picture: "Tensor") -> None:
        """Add a (3, H, W) RGB picture in [0, 1] to the slider of sample pictures."""
        self._client.log_image(self.run_id, to_pixels(picture), key="samples", step=step)

    def register(self, checkpoint: Path, *, name: str = MODEL, alias: str = CANDIDATE) -> str:
        """Keep a checkpoint with the run and enter it in the registry.

        Args:
            checkpoint: a network file as ``facenn.networks.checkpoints`` writes it; stays what it is.
            name: of the registered model.
            alias: that points to the new version from now on.

        Returns:
            The version, counted from "1".

        Raises:
            MissingFileError: no such checkpoint.
        """
        if not checkpoint.is_file():
            raise MissingFileError(f"expected a checkpoint to register at {checkpoint}, found no file")
        self._client.log_artifact(self.run_id, str(checkpoint), artifact_path="model")
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"runs:/{self.run_id}/model/{checkpoint.name}"
        version = str(self._client.create_model_version(name, source=source, run_id=self.run_id).version)
        self._client.set_registered_model_alias(name, alias, version)
        return version


@contextmanager
def training_run(
    uri: str, experiment: str, params: Mapping[str, str | int | float], *,
    tags: Mapping[str, str] | None = None, resume: str | None = None,
) -> Iterator[TrainingRun]:
    """An MLflow run around a training: finished when the block ends, FAILED when it raises.

    Use of processor, memory and GPU is recorded every ten seconds.

    Args:
        uri: of the tracking store, ``local_store(folder)`` or a server's address.
        experiment: name under which runs are compared; made if it is new.
        params: the settings of the training.
        tags: whatever else says where the run comes from.
        resume: id of a run that was killed and goes on; a new run begins where the store does not know it.

    Raises:
        ConfigError: a database named by a relative path, which means another file in each folder.
    """
    client = _client(uri)
    from mlflow.entities import Param
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    if resume is not None and _knows(client, resume):
        run_id = resume
        client.update_run(run_id, status="RUNNING")
    else:
        run_id = client.create_run(_experiment_id(client, uri, experiment), tags=dict(tags or {})).info.run_id
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
    monitor: Any = SystemMetricsMonitor(run_id, tracking_uri=uri)  # type: ignore[no-untyped-call]
    monitor.start()
    status = "FAILED"
    try:
        yield TrainingRun(client, run_id)
        status = "FINISHED"
    finally:
        monitor.finish()
        client.set_terminated(run_id, status)


def log_evaluation(uri: str, run_id: str, metrics: Mapping[str, float]) -> None:
    """Add what an evaluation found to the run whose model it judged.

    Where the store does not know that run, because the model was trained elsewhere, a new run holds the figures.

    Args:
        uri: of the tracking store.
        run_id: of a run that may long have ended.
        metrics: named figures.
    """
    client = _client(uri)
    if not _knows(client, run_id):
        tags = {"trained_as": run_id}
        run_id = client.create_run(_experiment_id(client, uri, "imitator"), tags=tags).info.run_id
        client.set_terminated(run_id)
    _log_metrics(client, run_id, metrics, 0)


def resolve_model(uri: str, alias_or_version: str = CANDIDATE, *, name: str = MODEL) -> Path:
    """The checkpoint of a registered model.

    Args:
        uri: of the tracking store.
        alias_or_version: an alias such as ``champion``, or a version such as ``3``.
        name: of the registered model.

    Returns:
        The file in the artifact folder of a local store; a downloaded copy where the store is a server.

    Raises:
        MissingFileError: no such model, alias, version or file.
    """
    client = _client(uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        found = (client.get_model_version(name, alias_or_version) if alias_or_version.isdecimal()
                 else client.get_model_version_by_alias(name, alias_or_version))
        # The run's own address of the file: of a local store that is the file itself, not a copy.
        inside = found.source.removeprefix(f"runs:/{found.run_id}")
        address = client.get_run(found.run_id).info.artifact_uri + inside
        return Path(download_artifacts(artifact_uri=address, tracking_uri=uri))
    except (MlflowException, OSError) as error:
        raise MissingFileError(f"expected a model {name} {alias_or_version} in {uri}, got {error}") from None


def _client(uri: str) -> Any:
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_absolute():
        raise ConfigError(f"expected the absolute path of a tracking database, got {uri}")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read while MLflow is imported
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own use of SQLAlchemy
        from mlflow import MlflowClient

        # The import turns its news on; what a migration or a monitor does is no news to whoever trains.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _knows(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException:
        return False
    return True


def _experiment_id(client: Any, uri: str, name: str) -> str:
    if (known := client.get_experiment_by_name(name)) is not None:
        return str(known.experiment_id)
    beside = Path(uri.removeprefix(SQLITE)).parent / "artifacts" if uri.startswith(SQLITE) else None
    return str(client.create_experiment(name, artifact_location=beside.as_uri() if beside else None))


def _log_metrics(client: Any, run_id: str, metrics: Mapping[str, float], step: int) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(run_id, metrics=[Metric(key, value, now, step) for key, value in metrics.items()])
