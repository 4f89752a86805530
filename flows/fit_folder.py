"""A form that fits every photo of a folder: batches of photos, mapped over threads or an existing Dask cluster."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from facenn.config import FitConfig
from facenn.errors import BatchError, ConfigError, MissingFileError, PhotoError
from facenn.steps.project import RUNS, Project, choose_device
from facenn.steps.registry import log_fits
from flows.artifacts import Progress, folder_markdown
from flows.fit_photo import DEFAULTS, Alias, Number, folder_name, model_file
from flows.fitters import Opening, shared_fitter
from flows.limits import gpu_slot
from flows.recovery import alive

if TYPE_CHECKING:  # the step imports torch
    from facenn.steps.fit import Job, Outcome


@flow(name="fit-folder")
def fit_folder(photos: str, model: Alias = "champion", version: Number = 0, name: str = "",
               at_once: Annotated[int, Field(ge=1, le=64)] = 1, cluster: str = "", track: bool = False,
               track_photo: bool = False, config: FitConfig = DEFAULTS) -> str:
    """Find the parameters of the face in each photo of a folder.

    A run that was stopped or killed continues when it runs again: faces that were fitted with the same options stay.

    Args:
        photos: Path of a folder of photos on the machine that runs the fits
        model: Which registered Translator, or Imitator for the method imitator, of the character
        version: A version of the registry instead; 0: by the alias above
        name: Name of the result folder under runs/; empty: the name of the folder of photos
        at_once: Batches of photos that are fitted at the same time, as threads; one keeps a CPU busy. A batch has
            config.imitator.batch photos, or as many as config.engine.workers
        cluster: Address of a running Dask scheduler, such as tcp://10.0.0.5:8786, whose workers take the batches;
            they need facenn and the same folders. Empty: this machine
        track: Log each fit to MLflow: options, losses, parameters and drawn pictures, never the photo
        track_photo: With track: log the photos and the reports, too
        config: Options of the searches; the same photo and numbers give the same face

    Returns:
        The folder of the results.

    Raises:
        MissingFileError: no such folder, no photo in it, or no such network.
        ConfigError: a name that is no plain folder name, options that do not go together.
        PhotoError: every photo was refused.
        BatchError: a batch failed.
    """
    folder = Path(photos)
    if not folder.is_dir():
        raise MissingFileError(f"expected a folder of photos at {folder.absolute()}, found none")
    if track_photo and not track:
        raise ConfigError("track_photo: expected track, too, got track_photo alone")
    if config.method == "engine" and at_once > 1:
        raise ConfigError("at_once: expected 1 with the method engine, whose parallel threads are "
                          f"config.engine.workers, got {at_once}")
    folder = folder.resolve()
    out = (RUNS / folder_name(name or folder.name)).resolve()
    project = Project.here()
    file = model_file(config, model, version, project)
    opening = Opening(config, file.resolve(), project.resolved())
    from facenn.steps.folder import claim_summary, folder_jobs, summarise

    claim_summary(out / "summary.json")
    jobs = folder_jobs(folder, out)
    batch = config.batch
    batches = [jobs[i:i + batch] for i in range(0, len(jobs), batch)]
    get_run_logger().info("fitting %d photos in %d batches into %s", len(jobs), len(batches), out)
    with alive(), nullcontext() if cluster else gpu_slot(choose_device()), _runner(at_once, cluster) as runner:
        futures = [runner.submit(fit_batch, {"jobs": batch, "opening": opening}) for batch in batches]
        outcomes = _gather(futures, Progress(len(batches), key="fit-progress", description=f"Batches of {folder.name}"))
    summarise(out / "summary.json", outcomes)
    from facenn.steps.fit import FitReport, Refusal

    fitted = [o for o in outcomes if isinstance(o, FitReport)]
    refused = [o for o in outcomes if isinstance(o, Refusal)]
    create_markdown_artifact(folder_markdown(fitted, refused), key="fit-folder", description=f"Faces of {folder.name}")
    if not fitted:
        raise PhotoError(f"none of {len(refused)} photos could be fitted; the first: {refused[0].reason}")
    if track:
        log_fits(fitted, config, tracking=project.tracking, model=file.stem, with_photo=track_photo)
    return str(out)


@task(name="fit-batch", cache_policy=NO_CACHE)  # the step itself finds the results of an earlier run
def fit_batch(jobs: "list[Job]", opening: Opening) -> "list[Outcome]":
    """Fit some photos, in any process on any machine.

    Args:
        jobs: photos and their result folders.
        opening: of the fitter.

    Returns:
        A report or a refusal for each.
    """
    log = get_run_logger()
    with shared_fitter(opening) as fitter:
        outcomes = fitter.fit_many(jobs, log=lambda step, losses: None)
    for job, outcome in zip(jobs, outcomes, strict=True):
        log.info("%s: %s", job.photo.name, getattr(outcome, "reason", "fitted"))
    return outcomes


def _gather(futures: "list[PrefectFuture[list[Outcome]]]", bar: Progress) -> "list[Outcome]":
    """A report or a refusal for each photo, in the order of the batches.

    Raises:
        BatchError: batches that failed, after all the others are done.
    """
    for done, future in enumerate(as_completed(futures), start=1):
        future.wait()  # it has ended; this fetches its state
        bar.show(done)
    errors = [future.state for future in futures if not future.state.is_completed()]
    if errors:
        raise BatchError(f"{len(errors)} of {len(futures)} batches failed, the first with: {errors[0].message}; "
                         "a new run goes on with the photos that are left")
    return [outcome for future in futures for outcome in future.result()]


def _runner(at_once: int, cluster: str) -> TaskRunner[Any]:
    """Threads of this process, or the workers of a Dask cluster.

    Raises:
        ConfigError: a cluster without the package that talks to it, or an address that does not answer.
    """
    if not cluster:
        return ThreadPoolTaskRunner(max_workers=at_once)
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise ConfigError("expected the extra `dask` (pip install 'facenn[dask]') for a cluster, found none") from None
    return DaskTaskRunner(address=cluster)
