"""What the page of a run shows: of fits pictures, measures and parameters, of a stage its report and pictures."""

import base64
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from facenn.steps.project import MLFLOW_PAGE
from flows.stages import Meta

if TYPE_CHECKING:  # the step imports torch
    from facenn.steps.fit import FitReport, Refusal

SHOWN = 24  # fits of a folder with their pictures
SIDE, SMALL = 300, 120  # pixels: two stand side by side on the run's page, or many below each other
SIZE = 900_000  # characters of an artifact: larger ones load slowly and fill the server's database
TEXT = 200_000  # of them, for a report
SHRINK = 0.8  # of width and height, until a picture fits


class Progress:
    """A bar on the run's page, from 0 to 100 %.

    Args:
        total: steps at which it is full.
        key: of the artifact.
        description: of the steps.
    """

    def __init__(self, total: int, *, key: str, description: str) -> None:
        self._total = max(total, 1)
        self._id = cast(UUID, create_progress_artifact(0.0, key=key, description=description))  # awaited inside

    def show(self, done: int) -> None:
        """Fill the bar up to this step."""
        update_progress_artifact(self._id, round(100 * min(done / self._total, 1), 1))


def fit_markdown(report: "FitReport") -> str:
    """The result of a fit, as markdown that contains its pictures.

    Args:
        report: of a fit whose files are in its folder.
    """
    from facenn.steps.results import measures_of

    title, drawn = _drawn(report)
    photo, face = (data_uri(picture, side=SIDE) for picture in (report.folder / "photo.png", drawn))
    lines = [f"| photo | {title} |", "|---|---|", f"| ![photo]({photo}) | ![{title}]({face}) |", ""]
    if report.likeness is None:
        lines.append("No likeness: the picture beside the photo shows no face that the networks find, "
                     "or is not the engine's.")
    else:
        lines += [f"- **{m.name} {m.value:.3f}**: {m.explanation}"
                  for m in sorted(measures_of(report.likeness), key=lambda m: not m.independent)]
    page = (report.folder / "report.html").resolve()
    lines += ["", f"![losses by step]({data_uri(report.folder / 'losses.png')})", "",
              f"{report.seconds:.0f} s; full report: `{page}`", ""]
    return "\n".join(lines)


def folder_markdown(fitted: Sequence["FitReport"], refused: Sequence["Refusal"]) -> str:
    """The results of the fits of a folder: a table of the first ones, and the reasons of refusals.

    Args:
        fitted: in the order of the table.
        refused: in the order of the list.
    """
    from facenn.networks.recognition import JUDGE, RECOGNISERS

    lines = [f"{len(fitted)} fitted, {len(refused)} refused.", "",
             f"| photo | | fitted face | {RECOGNISERS[JUDGE].title} | report |", "|---|---|---|---|---|"]
    for report in fitted[:SHOWN]:
        _, drawn = _drawn(report)
        judged = f"{report.likeness.distances[JUDGE]:.3f}" if report.likeness else ""
        lines.append(f"| {_cell(report.photo)} | ![photo]({data_uri(report.folder / 'photo.png', side=SMALL)}) | "
                     f"![fitted]({data_uri(drawn, side=SMALL)}) | {judged} | `{report.folder / 'report.html'}` |")
    if len(fitted) > SHOWN:
        lines += ["", f"and {len(fitted) - SHOWN} more, a folder each"]
    if refused:
        lines += ["", "Refused:", "", *(f"- {_cell(r.reason)}" for r in refused)]
    return "\n".join([*lines, ""])


def parameter_rows(preset: Path) -> list[dict[str, float | str]]:
    """The parameters of a preset as the rows of a table."""
    named: Mapping[str, float | str] = json.loads(preset.read_text(encoding="utf-8"))["parameters"]
    return [{"parameter": name, "value": value} for name, value in named.items()]


class Shown:
    """The files that the page shows of a stage, if the stage wrote them since this was made.

    A stage that fails early leaves the files of its last run in place: DVC removes them when it runs the command.

    Args:
        meta: of the stage.
    """

    def __init__(self, meta: Meta) -> None:
        self._meta = meta
        self._before = {path: _signature(path) for path in meta.shown}

    def markdown(self, outcome: str) -> str | None:
        """The files that were written, below the outcome; None for a stage that shows none.

        Args:
            outcome: markdown.
        """
        meta = self._meta
        if not meta.shown:
            return None
        parts = [outcome]
        pictures = [path for path in meta.pictures if self._is_new(path)]
        if meta.mlflow_run is not None and self._is_new(meta.mlflow_run):
            parts.append(_mlflow(meta.mlflow_run))
        if meta.report is not None and self._is_new(meta.report):
            parts.append(_report(meta.report))
        elif meta.report is not None:
            parts.append(f"This run wrote no `{meta.report}`.")
        each = (SIZE - TEXT) // max(1, len(pictures))
        parts += [f"![{path.stem}]({data_uri(path, limit=each)})" for path in pictures]
        return "\n\n".join(parts) + "\n"

    def _is_new(self, path: Path) -> bool:
        return path.is_file() and _signature(path) != self._before[path]


def artifact_key(name: str) -> str:
    """The key of a stage's artifacts: Prefect takes small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def data_uri(path: Path, *, side: int | None = None, limit: int | None = None) -> str:
    """A picture file as the address of a JPEG that contains its own bytes.

    Args:
        path: any picture.
        side: pixels of a square that a larger picture is shrunk into. None: as large as it is.
        limit: characters that the address may have; a larger picture is shown smaller. None: as it is.
    """
    from PIL import Image

    from facenn.images import JPEG_QUALITY, read_pixels

    picture = Image.fromarray(read_pixels(path))
    if side is not None:
        picture.thumbnail((side, side))
    while True:
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=JPEG_QUALITY)
        address = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
        if limit is None or len(address) <= limit or max(picture.size) == 1:
            return address
        picture = picture.resize((max(1, int(picture.width * SHRINK)), max(1, int(picture.height * SHRINK))))


def _drawn(report: "FitReport") -> tuple[str, Path]:
    """The picture that stands beside the photo, and its title."""
    engine = report.folder / "engine.png"
    if engine.is_file():
        return "engine picture", engine
    return "Imitator's picture (the game itself draws the face)", report.folder / "imitator.png"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _signature(path: Path) -> tuple[int, int] | None:
    """Inode and time of a file: they change when it is written again, even with the same content."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _report(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").rstrip()
    if len(text) <= TEXT:
        return text
    return f"{text[:TEXT].rpartition(chr(10))[0]}\n\nThe rest is in `{path.resolve()}`."


def _mlflow(path: Path) -> str:
    """A link to the run in MLflow's pages; its id where there is no MLflow server."""
    run = str(json.loads(path.read_text(encoding="utf-8"))["mlflow_run"])
    server = os.environ.get(MLFLOW_PAGE) or os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        return f"[All curves in MLflow]({server.rstrip('/')}/#/runs/{run})"
    return f"MLflow run `{run}`"
