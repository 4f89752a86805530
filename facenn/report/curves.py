"""Losses over steps: as a CSV file and as curves."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facenn.errors import FormatError, TrainingError
from facenn.files import replace_bytes, replace_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Mapping[str, Sequence[float | None]]
"""Columns of equal length, one entry per row; ``step`` counts the rows, None is "not measured here"."""

# Okabe and Ito, "Color Universal Design" (2008), without the yellow that vanishes on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", "--", ":", "-.")
INK = "#222222"
NAME_LENGTH = 24  # letters of a loss's name that leave the curves room beside the legend
LOG_SPAN = 30  # largest loss over smallest, from which the small one would lie flat on a linear axis


def write_losses_csv(path: Path, losses: History) -> None:
    """Write a history as CSV: ``step`` first, then a column per name; what was not measured stays empty.

    Raises:
        FormatError: no rows, or columns of different lengths.
        TrainingError: an entry that is not a finite number.
    """
    steps, columns = steps_and_columns(losses)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *columns])
    writer.writerows(zip(steps, *columns.values(), strict=True))
    replace_text(path, text.getvalue())


def plot_curves(path: Path, history: History) -> None:
    """Draw losses and, below them where the history has it, ``learning_rate``, as a PNG 1600 pixels wide.

    The scale is logarithmic when the values span more than a factor of ``LOG_SPAN``, else linear from zero.

    Args:
        path: the PNG.
        history: losses over their steps; None where one was not due.

    Raises:
        FormatError: no rows, or columns of different lengths.
        TrainingError: an entry that is not a finite number.
    """
    replace_bytes(path, curves_png(history))


def curves_png(history: History) -> bytes:
    """The curves of a history as the bytes of a PNG; ``learning_rate`` gets a panel of its own.

    The scale is logarithmic when the values span more than a factor of ``LOG_SPAN``, else linear from zero.

    Raises:
        FormatError: no rows, or columns of different lengths.
        TrainingError: an entry that is not a finite number.
    """
    from matplotlib.figure import Figure

    steps, columns = steps_and_columns(history)
    rates = columns.pop("learning_rate", None)
    figure = Figure(figsize=(8, 4 if rates is None else 5), dpi=200, layout="constrained")
    panels = figure.subplots(1 if rates is None else 2, sharex=True, squeeze=False,
                             height_ratios=None if rates is None else (3, 1))[:, 0]
    _draw(panels[0], steps, columns, "loss")
    if rates is not None:
        _draw(panels[1], steps, {"learning_rate": rates}, "learning rate")
    panels[-1].set_xlabel("step")
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})  # its version would change the bytes
    return png.getvalue()


def steps_and_columns(history: History) -> tuple[list[int], dict[str, list[float | None]]]:
    """The step of every row, counted from 0 where the history has none, and the other columns by name.

    Raises:
        FormatError: no rows, or columns of different lengths.
        TrainingError: an entry that is not a finite number.
    """
    columns = {name: list(column) for name, column in history.items() if name != "step"}
    lengths = {name: len(column) for name, column in history.items()}
    if not columns.keys() - {"learning_rate"} or len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise FormatError(f"expected a loss and columns of one length of at least one row, got {lengths}")
    rows = len(next(iter(columns.values())))
    steps = [int(step) for step in history.get("step", range(rows)) if step is not None]
    if len(steps) != rows:
        raise FormatError(f"expected a step in each of {rows} rows, got {len(steps)}")
    for name, column in columns.items():
        for step, value in zip(steps, column, strict=True):
            if value is not None and not math.isfinite(value):
                raise TrainingError(f"{name} is {value} at step {step}, expected a number")
    return steps, columns


def _draw(axes: "Axes", steps: list[int], columns: Mapping[str, list[float | None]], label: str) -> None:
    for i, (name, column) in enumerate(columns.items()):
        points = [(step, value) for step, value in zip(steps, column, strict=True) if value is not None]
        if points:
            plain = len(columns) == 1 or name == "total"
            shown = f"{name.replace('_', ' ')[:NAME_LENGTH]}  {points[-1][1]:.3g}"
            axes.plot(*zip(*points, strict=True), label=shown,
                      color=INK if plain else PALETTE[i % len(PALETTE)], linewidth=2.2 if plain else 1.6,
                      linestyle="-" if plain else DASHES[i % len(DASHES)],
                      marker="." if len(points) < 20 else None)
            legend = axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
            for text in legend.get_texts():
                text.set_parse_math(False)  # a dollar in a name is no formula
    values = [value for column in columns.values() for value in column if value]
    if values and min(values) > 0 and max(values) > LOG_SPAN * min(values):
        axes.set_yscale("log", nonpositive="mask")  # a term that starts at 0 begins where it leaves it
        axes.set_ylim(bottom=max(min(values) / 1.5, max(values) * 1e-6))
    elif values and min(values) > 0:
        axes.set_ylim(bottom=0)
    axes.set_ylabel(label)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
