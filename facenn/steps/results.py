"""The files of a fit: the last one to be written says that all of them are there, and of what they were made."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from facenn.arrays import Pixels, Vector
from facenn.config import FitConfig
from facenn.errors import ConfigError
from facenn.evaluation import Likeness
from facenn.exchange.presets import write_preset
from facenn.exchange.unity import original_layout, write_model
from facenn.files import replace_text
from facenn.fitting.result import FitResult
from facenn.images import write_pixels
from facenn.networks.recognition import RECOGNISERS, REPORTED, RecognitionNetwork
from facenn.report.curves import plot_curves, write_losses_csv
from facenn.report.page import write_report
from facenn.report.summary import FitSummary, Measure, distance_measure
from facenn.schema import ParameterSchema

LAST = "measures.json"
ALWAYS = ("parameters.json", "model.bytes", "photo.png", "losses.csv", "losses.png", "report.html")
FILES = (*ALWAYS, "engine.png", "imitator.png", LAST)  # all that a fit may write
BEGUN = ".unfinished"  # stands beside the files while they are written: a killed fit leaves a folder that is known

_plotting = threading.Lock()  # matplotlib is not for several threads at once


def result_key(photo: Path, config: FitConfig, method: str, *, face: int | None) -> str:
    """What tells whether two fits give the same result: a digest of all that decides it.

    Args:
        photo: picture file, of which the bytes count, not the name.
        config: of the fit.
        method: digest of the method.
        face: which face of the photo; None is the largest.
    """
    content = hashlib.sha256(photo.read_bytes()).hexdigest()
    made_of = {"photo": content, "options": config.decisive(), "search": method, "face": face}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def claim_folder(out: Path, photo: Path | None = None) -> None:
    """Make sure that a fit can write its files into a folder without replacing a file of the user's.

    Args:
        out: result folder, which need not exist.
        photo: picture file that will be fitted; None where that is done.

    Raises:
        ConfigError: ``out`` is no folder, holds a file with the name of a result that no fit wrote, or the result
            would replace the photo.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"expected a folder for the results, got the file {out}")
    if photo is not None and photo.resolve() in {(out / name).resolve() for name in FILES}:
        raise ConfigError(f"{photo}: expected the results in another folder than {out}, where {photo.name} would be "
                          "replaced by one of them")
    there = [name for name in FILES if (out / name).exists() or (out / name).is_symlink()]
    if there and not _holds_a_result(out):
        raise ConfigError(f"expected a new folder, or one with the results of a fit, got {out}, where {there[0]} of "
                          "another origin would be replaced")


def _holds_a_result(out: Path) -> bool:
    """Whether a fit wrote the files of a folder: it was finished, was begun, or lacks the last file alone."""
    try:
        finished = "key" in json.loads((out / LAST).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        finished = False
    return finished or (out / BEGUN).is_file() or all((out / name).is_file() for name in ALWAYS)


def write_result(out: Path, result: FitResult, summary: FitSummary, *, method: str, likeness: Likeness | None, key: str
                 ) -> None:
    """Write the files of a fit; those of an earlier one are no result any more from the first file on.

    Args:
        out: result folder, see ``claim_folder``.
        result: what the fit found.
        summary: what its page shows.
        method: by which it was found.
        likeness: of the drawn picture and the photo.
        key: of what it was made, see ``result_key``.

    Raises:
        TrainingError: a loss that is no number.
    """
    replace_text(out / BEGUN, "")
    (out / LAST).unlink(missing_ok=True)
    write_preset(out / "parameters.json", summary.schema, result.vector)
    shape, values = original_layout(summary.schema, result.vector)
    write_model(out / "model.bytes", values, shape=shape)
    _write_pictures(out, {"photo": summary.photo, "imitator": result.imitated, "engine": summary.engine})
    write_losses_csv(out / "losses.csv", summary.losses)
    with _plotting:
        plot_curves(out / "losses.png", summary.losses)
        write_report(out / "report.html", summary)
    replace_text(out / LAST, json.dumps({
        "method": method, "model": summary.model, "seconds": round(summary.seconds, 2),
        "pictures_drawn": result.drawn, "likeness": dict(likeness.distances) if likeness else None,
        "key": key}, indent=1) + "\n")
    (out / BEGUN).unlink()


def read_result(out: Path, key: str, names: Sequence[str]) -> tuple[Likeness | None, float] | None:
    """Likeness and seconds of a finished fit; None where there is none with this key and with files of these names."""
    if not all((out / name).is_file() for name in names):
        return None
    try:
        measures = json.loads((out / LAST).read_text(encoding="utf-8"))
        alike = measures["likeness"]
        if measures["key"] != key:
            return None
        likeness = None if alike is None else Likeness({name: float(alike[name]) for name in REPORTED})
        return likeness, float(measures["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def losses_by_step(result: FitResult) -> dict[str, Sequence[float]]:
    """The losses of a fit behind the steps to which they belong, as columns."""
    count = len(result.history["total"])
    return {"step": [float(result.first_step + i) for i in range(count)], **result.history}


def option_scores(schema: ParameterSchema, relaxed: Vector) -> dict[str, dict[str, float]]:
    """How probable each option of each choice was when the choices were to be made."""
    return {c.name: {o: float(p) for o, p in zip(c.options, relaxed[schema.slices[c.name]], strict=True)}
            for c in schema.choices}


def measures_of(likeness: Likeness | None) -> tuple[Measure, ...]:
    """What reports say of the distances to the recognition networks."""
    distances = likeness.distances if likeness else {}
    return tuple(_measure(RECOGNISERS[name], distance) for name, distance in distances.items())


def _write_pictures(out: Path, pictures: Mapping[str, Pixels | None]) -> None:
    """Write the pictures there are, and remove those of an earlier fit that had others."""
    for name, pixels in pictures.items():
        (out / f"{name}.png").unlink(missing_ok=True)
        if pixels is not None:
            write_pixels(out / f"{name}.png", pixels)


def _measure(network: RecognitionNetwork, distance: float) -> Measure:
    return distance_measure(distance, title=network.title, metric=network.metric, judge=network.role == "judge",
                            usual=network.usual, same_person=network.same_person)
