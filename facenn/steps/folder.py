"""Many photos of a folder: a job for each, what became of all, and a sheet of some."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facenn.arrays import Log, Pixels
from facenn.errors import ConfigError, MissingFileError, PhotoError
from facenn.files import replace_text
from facenn.images import read_pixels, write_pixels
from facenn.networks.recognition import REPORTED
from facenn.report.sheet import contact_sheet
from facenn.steps.fit import FitReport, Fitter, Job, Outcome, Refusal

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
SHOWN = 12  # fits on a sheet


def folder_jobs(photos: Path, out: Path) -> list[Job]:
    """A job for every photo of a folder, in the order of their names.

    Args:
        photos: folder with picture files.
        out: gets one folder per photo, called as the photo without its suffix where that is clear.

    Raises:
        MissingFileError: no photo in the folder.
    """
    sheets = {p.with_suffix(".jpg") for p in photos.glob("*.json") if _is_summary(p)}  # of results that are here, too
    files = sorted(p for p in photos.glob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p not in sheets)
    if not files:
        raise MissingFileError(f"expected photos in {photos}, found none")
    names = Counter([*(p.stem for p in files), *(p.name for p in files)])
    return [Job(p, out / (p.stem if names[p.stem] == 1 else p.name)) for p in files]


def claim_summary(summary: Path) -> None:
    """Make sure that figures and sheet of a folder replace no file of the user's.

    Args:
        summary: the JSON file; the sheet has its name and the suffix ``.jpg``.

    Raises:
        ConfigError: a file of another origin is there.
    """
    if _is_summary(summary):
        return
    for path in (summary, summary.with_suffix(".jpg")):
        if path.exists():
            raise ConfigError(f"expected no file of another origin in the place of the summary, got {path}; choose "
                              "another --summary or --out")


def _is_summary(path: Path) -> bool:
    try:
        return {"fitted", "refused"} <= set(json.loads(path.read_text(encoding="utf-8")).keys())
    except (OSError, ValueError, AttributeError):
        return False


def summarise(summary: Path, outcomes: Sequence[Outcome]) -> None:
    """Write how many photos were fitted and refused, mean distances, and reasons; a sheet of some fits beside it.

    Results that were there before count as those that were not.

    Args:
        summary: the JSON file; the sheet has its name and the suffix ``.jpg``.
        outcomes: of all photos, in the order of the sheet.
    """
    fitted = [o for o in outcomes if isinstance(o, FitReport)]
    refused = sorted((o for o in outcomes if isinstance(o, Refusal)), key=lambda o: o.photo)
    distances = {name: [r.likeness.distances[name] for r in fitted if r.likeness] for name in REPORTED}
    means = {name: round(sum(values) / len(values), 4) for name, values in distances.items() if values}
    reasons = {"reasons": [{"photo": o.photo, "reason": o.reason} for o in refused]} if refused else {}
    replace_text(summary, json.dumps({"fitted": len(fitted), "refused": len(refused), **means, **reasons}, indent=1)
                 + "\n")
    if fitted:
        write_pixels(summary.with_suffix(".jpg"), _sheet(fitted[:SHOWN]))


def fit_folder(fitter: Fitter, photos: Path, out: Path, *, summary: Path | None = None, log: Log) -> list[Outcome]:
    """Fit every photo of a folder, each into its own folder, and summarise. See ``Fitter.fit_many``.

    Args:
        fitter: fits them.
        photos: folder with picture files.
        out: gets one folder per photo.
        summary: where the figures go, ``summary.json`` in ``out`` by default; a sheet of pictures goes beside it.
        log: called with the step and the mean losses of each batch.

    Returns:
        One outcome per photo, in the order of their names.

    Raises:
        MissingFileError: no photo in the folder.
        ConfigError: a file of another origin in the place of the summary.
        PhotoError: every photo was refused.
    """
    summary = summary or out / "summary.json"
    claim_summary(summary)
    outcomes = fitter.fit_many(folder_jobs(photos, out), log=log)
    summarise(summary, outcomes)
    refused = [o for o in outcomes if isinstance(o, Refusal)]
    if len(refused) == len(outcomes):
        raise PhotoError(f"none of {len(refused)} photos could be fitted; the first: {refused[0].reason}")
    return outcomes


def _sheet(fitted: Sequence[FitReport]) -> Pixels:
    """Photo and drawn face side by side, to compare runs by."""
    tiles, captions = [], []
    for report in fitted:
        drawn = report.folder / "engine.png"
        for picture in (report.folder / "photo.png", drawn if drawn.is_file() else report.folder / "imitator.png"):
            tiles.append(read_pixels(picture))
            captions.append(report.photo if picture.stem == "photo" else picture.stem)
    return contact_sheet(tiles, columns=min(4, len(tiles)), captions=captions)
