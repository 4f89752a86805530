"""MLflow runs, metrics, sample pictures and the registry of models; the only module that knows MLflow."""

import logging
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import numpy as np
from numpy.typing import NDArray

from facenn.errors import ConfigError, MissingFileError
from facenn.files import replacing

SQLITE = "sqlite:///"
CANDIDATE, CHAMPION = "candidate", "champion"
BATCH = 1000  # metrics that MLflow takes at a time


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

    def show(self, step: int, picture: NDArray[np.uint8]) -> None:
        """Add an (H, W, 3) sRGB picture to the slider of sample pictures."""
        self._client.log_image(self.run_id, picture, key="samples", step=step)

    def register(self, checkpoint: Path, *, name: str, alias: str = CANDIDATE, tags: Mapping[str, str] | None = None,
                 description: str = "", beside: Sequence[Path] = ()) -> str:
        """Keep a checkpoint with the run and enter it in the registry.

        Args:
            checkpoint: a network file as ``facenn.networks.checkpoints`` writes it; stays what it is.
            name: of the registered model.
            alias: that points to the new version from now on.
            tags: of the version.
            description: of the version, for people.
            beside: other files that are kept next to it.

        Returns:
            The version, counted from "1".

        Raises:
            MissingFileError: no such checkpoint.
        """
        if not checkpoint.is_file():
            raise MissingFileError(f"expected a checkpoint to register at {checkpoint}, found no file")
        for file in (checkpoint, *beside):
            self._client.log_artifact(self.run_id, str(file), artifact_path="model")
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"runs:/{self.run_id}/model/{checkpoint.name}"
        version = str(self._client.create_model_version(
            name, source=source, run_id=self.run_id, tags=dict(tags or {}), description=description).version)
        self._client.set_registered_model_alias(name, alias, version)
        return version


@contextmanager
def training_run(
    uri: str, experiment: str, params: Mapping[str, str | int | float], *,
    name: str | None = None, tags: Mapping[str, str] | None = None, resume: str | None = None,
) -> Iterator[TrainingRun]:
    """An MLflow run around a training: finished when the block ends, FAILED when it raises.

    Use of processor, memory and GPU is recorded every ten seconds.

    Args:
        uri: of the tracking store, ``local_store(folder)`` or a server's address.
        experiment: name under which runs are compared; made if it is new.
        params: the settings of the training.
        name: by which people tell the run from others; None leaves it to MLflow.
        tags: whatever else says where the run comes from.
        resume: id of a run that was killed and goes on; a new run begins where the store does not know it.

    Raises:
        ConfigError: a database named by a relative path, which means another file in each folder.
    """
    client = _client(uri)
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    if resume is not None and _knows(client, resume):
        run_id = resume
        client.update_run(run_id, status="RUNNING")
    else:
        run_id = _new_run(client, uri, experiment, params, name, tags or {})
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
        run_id = _new_run(client, uri, "imitator", {}, None, {"trained_as": run_id})
        client.set_terminated(run_id)
    _log_metrics(client, run_id, metrics, 0)


def log_run(
    uri: str, experiment: str, params: Mapping[str, str | int | float], *, name: str | None = None,
    points: Iterable[tuple[str, float, int]] = (), files: Sequence[Path] = (),
    tags: Mapping[str, str] | None = None, parent: str | None = None,
) -> str:
    """Log at once a run that is over.

    Args:
        uri: of the tracking store.
        experiment: name under which runs are compared; made if it is new.
        params: its settings.
        name: by which people tell the run from others; None leaves it to MLflow.
        points: of its curves: name, value, step.
        files: kept with the run, under their own names.
        tags: whatever else there is to say.
        parent: id of the run under which it is shown.

    Returns:
        The run's id.
    """
    client = _client(uri)
    from mlflow.entities import Metric

    nested = {} if parent is None else {"mlflow.parentRunId": parent}
    run_id = _new_run(client, uri, experiment, params, name, {**(tags or {}), **nested})
    status = "FAILED"
    try:
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value, step in points]
        for first in range(0, len(metrics), BATCH):
            client.log_batch(run_id, metrics=metrics[first:first + BATCH])
        for file in files:
            client.log_artifact(run_id, str(file))
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id


@dataclass(frozen=True)
class Registered:
    """A version of a registered model; it never changes, only its aliases move.

    Attributes:
        name: of the model.
        version: counted from "1".
        run_id: of the training that made it.
        source: where its file is among the artifacts of that run.
        aliases: that point to it now.
    """

    name: str
    version: str
    run_id: str
    source: str
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


def registered(uri: str, name: str) -> list[Registered]:
    """All versions of a registered model, the oldest first.

    Where a local store has no database yet there are none, and MLflow is not imported to learn that: it takes seconds.

    Args:
        uri: of the tracking store.
        name: of the model.
    """
    if _is_empty(uri):
        return []
    client = _client(uri)
    found = client.search_registered_models(f"name = '{name}'")
    aliases: dict[str, str] = found[0].aliases if found else {}
    versions = client.search_model_versions(f"name = '{name}'") if found else []
    return sorted((Registered(name, str(v.version), v.run_id, v.source.removeprefix(f"runs:/{v.run_id}"),
                              tuple(sorted(a for a, of in aliases.items() if str(of) == str(v.version))))
                   for v in versions), key=lambda model: int(model.version))


def model_names(uri: str) -> list[str]:
    """The names of all registered models; none, without importing MLflow, where a local store has no database."""
    if _is_empty(uri):
        return []
    return sorted(model.name for model in _client(uri).search_registered_models())


def fetch(uri: str, model: Registered, folder: Path, *, beside: str | None = None) -> Path:
    """The file of a registered model, copied out of the store the first time it is asked for.

    Args:
        uri: of the tracking store.
        model: the version.
        folder: of the copies. Each stands in a folder named by the run that made it, since another store counts its
            versions anew, and is itself named by model and version.
        beside: name of a file that was registered next to the model, to fetch that one.

    Raises:
        MissingFileError: the store does not have the file any more, or never had one of that name beside the model.
    """
    source = Path(model.source)
    copy = folder / model.run_id / (beside or f"{model}{source.suffix}")
    if copy.is_file():
        return copy
    client = _client(uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        inside = source if beside is None else source.with_name(beside)
        address = client.get_run(model.run_id).info.artifact_uri + inside.as_posix()
        with replacing(copy) as temporary, tempfile.TemporaryDirectory(dir=copy.parent) as folder_of_download:
            Path(download_artifacts(artifact_uri=address, dst_path=folder_of_download, tracking_uri=uri)
                 ).rename(temporary)
    except (MlflowException, OSError) as error:
        raise MissingFileError(f"expected {beside or 'the file'} of {model} in {uri}, got {error}") from None
    return copy


def mark(uri: str, model: Registered, tags: Mapping[str, str], *, alias: str | None = None) -> None:
    """Add tags to a version, and let an alias point to it from now on.

    Args:
        uri: of the tracking store.
        model: the version.
        tags: added, or put in the place of others of the same names.
        alias: None leaves all where they are.
    """
    client = _client(uri)
    for key, value in tags.items():
        client.set_model_version_tag(model.name, model.version, key, value)
    if alias is not None:
        client.set_registered_model_alias(model.name, alias, model.version)


def _is_empty(uri: str) -> bool:
    return uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file()


def _client(uri: str) -> Any:
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_absolute():
        raise ConfigError(f"expected the absolute path of a tracking database, got {uri}")
    _refuse_silent_server(uri)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read while MLflow is imported
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # printing is the command line's part
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own use of SQLAlchemy
        from mlflow import MlflowClient

        # The import turns its news on; what a migration or a monitor does is no news to the user.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _refuse_silent_server(uri: str) -> None:
    """MLflow itself tries for minutes where no server listens, and then fails with a page of text."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        return
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return
    try:
        socket.create_connection((parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]), 10).close()
    except OSError as error:
        raise ConfigError(f"expected an MLflow server at {uri}, got {error}") from None


def _new_run(client: Any, uri: str, experiment: str, params: Mapping[str, str | int | float], name: str | None,
             tags: Mapping[str, str]) -> str:
    from mlflow.entities import Param

    run = client.create_run(_experiment_id(client, uri, experiment), tags=dict(tags), run_name=name)
    client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()])
    return str(run.info.run_id)


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
