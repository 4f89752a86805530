"""What a run's page shows of fits: pictures side by side, measures, losses, parameters, progress."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.pictures import data_uri

if TYPE_CHECKING:  # the step imports torch
    from facenn.steps.fit import FitReport, Refusal

SHOWN = 24  # fits of a folder with their pictures
SIDE, SMALL = 300, 120  # pixels: two stand side by side on the run's page, or many below each other


class Progress:
    """A bar on the run's page, from 0 to 100 %.

    Args:
        total: steps that make it full.
        key: of the artifact.
        description: what it counts.
    """

    def __init__(self, total: int, *, key: str, description: str) -> None:
        self._total = max(total, 1)
        self._id = cast(UUID, create_progress_artifact(0.0, key=key, description=description))  # awaited inside

    def show(self, done: int) -> None:
        """Fill the bar up to this step."""
        update_progress_artifact(self._id, round(100 * min(done / self._total, 1), 1))


def fit_markdown(report: "FitReport") -> str:
    """What a fit came to, as markdown that carries its pictures.

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
    """What the fits of a folder came to: a table of the first ones, and why others were refused.

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


def _drawn(report: "FitReport") -> tuple[str, Path]:
    """The picture that stands beside the photo, and its title."""
    engine = report.folder / "engine.png"
    if engine.is_file():
        return "engine picture", engine
    return "Imitator's picture (the game itself draws the face)", report.folder / "imitator.png"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
