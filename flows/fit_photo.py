"""A form that fits the face in a photo, over the same step as the command line."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from pydantic import Field

from facenn.config import FitConfig
from facenn.errors import ConfigError, MissingFileError
from facenn.steps.project import RUNS, Project, choose_device
from facenn.steps.registry import choose_model, log_fits
from flows.artifacts import Progress, fit_markdown, parameter_rows
from flows.limits import gpu_slot
from flows.recovery import alive

DEFAULTS = FitConfig()
LOG_LINES = 10  # of progress per fit

# Plain types with a value for "not given": the form draws a union as a switch between types.
Alias = Literal["champion", "candidate"]
Number = Annotated[int, Field(ge=0)]


@flow(name="fit-photo")
def fit_photo(photo: str, face: Number = 0, model: Alias = "champion", version: Number = 0, name: str = "",
              track: bool = False, track_photo: bool = False, config: FitConfig = DEFAULTS) -> str:
    """Find the parameters of the face in a photo.

    The run gets artifacts that show photo and fitted face, the losses and the parameters; the files, with a full
    report, are under runs/.

    Args:
        photo: Path of a photo on the machine that runs the fit
        face: Which face, counted from 1 from left to right; 0: the largest
        model: Which registered Translator, or Imitator for the method imitator, of the character; the champion is
            the shipped one until a trained one beats it
        version: A version of the registry instead; 0: by the alias above
        name: Name of the result folder under runs/; empty: the photo's name and the time
        track: Log the fit to MLflow: options, losses, parameters and drawn pictures, never the photo
        track_photo: With track: log the photo and the report, too
        config: Options of the search; the same photo and numbers give the same face

    Returns:
        The folder of the results.

    Raises:
        MissingFileError: no such photo or network.
        ConfigError: a name that is no plain folder name, options that do not go together.
        PhotoError: a photo that cannot be fitted.
    """
    path = Path(photo)
    if not path.is_file():
        raise MissingFileError(f"expected a photo at {path.absolute()}, found no file")
    if track_photo and not track:
        raise ConfigError("track_photo: expected track, too, got track_photo alone")
    out = RUNS / folder_name(name or f"{path.stem}-{datetime.now():%Y%m%d-%H%M%S-%f}")
    project = Project.here()
    file = model_file(config, model, version, project)
    from facenn.steps.fit import open_fitter

    log, device = get_run_logger(), choose_device()
    log.info("fitting %s by the method %s into %s", photo, config.method, out)
    bar = Progress(config.total, key="fit-progress", description=f"Steps of the fit of {path.name}")
    with alive(), gpu_slot(device):
        fitter = open_fitter(config, file, project, device=device)
        report = fitter.fit(path, out, face=face or None, credit=None, log=_told(log.info, bar, config.total))
    if track:
        run = log_fits([report], config, tracking=project.tracking, model=fitter.made_by, with_photo=track_photo)
        log.info("logged to MLflow as run %s", run)
    create_markdown_artifact(fit_markdown(report), key="fit-photo", description=f"Face of {report.photo}")
    create_table_artifact(parameter_rows(out / "parameters.json"), key="fit-parameters",
                          description=f"Parameters of {report.photo}")
    page = (out / "report.html").resolve()
    create_link_artifact(page.as_uri(), link_text=str(page), key="fit-report", description="Full report")
    return str(out)


def folder_name(name: str) -> str:
    """The same name.

    Raises:
        ConfigError: more than the name of a folder, such as a path that leads elsewhere.
    """
    if name in {"", ".."} or Path(name).name != name:
        raise ConfigError(f"name: expected a plain folder name, got {name!r}")
    return name


def model_file(config: FitConfig, alias: Alias, version: int, project: Project) -> Path:
    """The file of the Imitator or Translator that the method begins with.

    Raises:
        MissingFileError: no such network.
    """
    return choose_model(str(version or alias), config.character, project, config.network)


def _told(say: Callable[[str], None], bar: Progress, total: int) -> Callable[[int, Mapping[str, float]], None]:
    every = max(1, total // LOG_LINES)

    def log(done: int, losses: Mapping[str, float]) -> None:
        if done % every == 0 or done == total:
            say(f"step {done}/{total}: " + ", ".join(f"{name} {loss:.4g}" for name, loss in losses.items()))
            bar.show(done)

    return log
