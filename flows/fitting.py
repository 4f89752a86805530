"""A form that fits the face in a photo somebody just brought, over the same step as the command line."""

import base64
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from facenn.config import FitConfig
from facenn.errors import ConfigError, MissingFileError
from facenn.steps.places import CHAMPION, PRETRAINED, RUNS, choose_device

if TYPE_CHECKING:  # the step imports torch
    from facenn.steps.photos import FitReport

DEFAULTS = FitConfig()
LOG_LINES = 10  # of progress per fit


@flow(name="fit-photo")
def fit_photo(photo: str, config: FitConfig = DEFAULTS, model: str | None = None,
              face: Annotated[int, Field(ge=1)] | None = None, name: str | None = None) -> str:
    """Find the parameters of the face in a photo.

    The run gets an artifact that shows photo and fitted face; the files, with a full report, are under runs/.

    Args:
        photo: Path of a photo on the machine that runs the fit
        config: Of the search; the same photo and numbers give the same face
        model: Path of the Imitator, for the method imitator; default: the shipped one
        face: Which face, counted from 1 from left to right; default: the largest
        name: Name of the result folder under runs/; default: the photo's name and the time

    Returns:
        The folder of the results.

    Raises:
        MissingFileError: no such photo or Imitator.
        ConfigError: a name that is no plain folder name.
        PhotoError: a photo that cannot be fitted.
    """
    _check_file("a photo", Path(photo))
    if config.method == "imitator":
        _check_file("an Imitator", Path(model or CHAMPION))
    out = RUNS / _folder_name(Path(photo), name)
    from facenn.steps.photos import open_fitter

    log = get_run_logger()
    log.info("fitting %s by the method %s into %s", photo, config.method, out)
    total = config.steps if config.method == "imitator" else config.rounds
    with open_fitter(config, Path(model) if model else None, PRETRAINED, device=choose_device()) as fitter:
        report = fitter.fit(Path(photo), out, face=face, credit=None, log=_progress(log.info, total))
    create_markdown_artifact(fit_markdown(report), key="fit-photo", description=f"Face of {report.photo}")
    return str(out)


def fit_markdown(report: "FitReport") -> str:
    """What a fit came to, as markdown that carries its pictures.

    Args:
        report: of a fit whose files are in its folder.
    """
    from facenn.report.summary import dlib_measure, sface_measure

    engine = report.folder / "engine.png"
    title, drawn = ("engine picture", engine) if engine.is_file() else (
        "Imitator's picture (the game itself draws the face)", report.folder / "imitator.png")
    lines = [f"| photo | {title} |", "|---|---|",
             f"| ![photo]({_data_uri(report.folder / 'photo.png')}) | ![{title}]({_data_uri(drawn)}) |", ""]
    if report.likeness is None:
        lines.append("No likeness: the picture beside the photo shows no face that the networks find, "
                     "or is not the engine's.")
    else:
        lines += ["| measure | value | meaning |", "|---|---|---|"]
        lines += [f"| {m.name} | {m.value:.3f} | {m.explanation} |"
                  for m in (dlib_measure(report.likeness.dlib), sface_measure(report.likeness.sface))]
    page = (report.folder / "report.html").resolve()
    return "\n".join([*lines, "", f"{report.seconds:.0f} s; full report: `{page}`", ""])


def _check_file(what: str, path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(f"expected {what} at {path.absolute()}, found no file")


def _folder_name(photo: Path, name: str | None) -> str:
    if name is None:
        return f"{photo.stem}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    if name in {"", ".."} or Path(name).name != name:
        raise ConfigError(f"name: expected a plain folder name, got {name!r}")
    return name


def _progress(say: Callable[[str], None], total: int) -> Callable[[int, Mapping[str, float]], None]:
    every = max(1, total // LOG_LINES)

    def log(done: int, losses: Mapping[str, float]) -> None:
        if done % every == 0 or done == total:
            say(f"step {done}/{total}: " + ", ".join(f"{name} {loss:.4g}" for name, loss in losses.items()))

    return log


def _data_uri(path: Path) -> str:
    from PIL import Image

    from facenn.images import JPEG_QUALITY, read_pixels

    encoded = io.BytesIO()
    Image.fromarray(read_pixels(path)).save(encoded, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
