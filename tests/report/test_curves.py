"""Losses over steps: the CSV reads back, the curves show what was measured."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from facenn.errors import FormatError, TrainingError
from facenn.report.curves import _draw, plot_curves, write_losses_csv


def test_write_losses_csv_reads_back_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    write_losses_csv(path, {"total": [1 / 3, 0.1], "step": [5, 10], "validation": [None, 1e-9]})
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert rows[0] == ["step", "total", "validation"]
    assert rows[1:] == [["5", repr(1 / 3), ""], ["10", "0.1", "1e-09"]]


def test_write_losses_csv_counts_from_zero_without_steps(tmp_path: Path) -> None:
    write_losses_csv(tmp_path / "losses.csv", {"total": [3.0, 2.0]})
    assert (tmp_path / "losses.csv").read_text(encoding="utf-8") == "step,total\n0,3.0\n1,2.0\n"


@pytest.mark.parametrize(("history", "error", "message"), [
    ({}, FormatError, "expected a loss"),
    ({"step": [0, 1]}, FormatError, "expected a loss"),
    ({"total": []}, FormatError, "at least one row"),
    ({"total": [1.0, 2.0], "prior": [1.0]}, FormatError, "'prior': 1"),
    ({"step": [None, 1], "total": [1.0, 2.0]}, FormatError, "a step in each of 2 rows"),
    ({"step": [0, 40], "total": [1.0, float("nan")]}, TrainingError, "total is nan at step 40"),
    ({"total": [float("inf")]}, TrainingError, "total is inf at step 0"),
])
def test_histories_that_cannot_be_drawn_are_refused(
    tmp_path: Path, history: dict[str, list[float | None]], error: type[Exception], message: str
) -> None:
    for write in (write_losses_csv, plot_curves):
        with pytest.raises(error, match=message):
            write(tmp_path / "out", history)
    assert not list(tmp_path.iterdir())


def test_plot_curves_writes_the_same_bytes_twice_and_other_bytes_for_other_losses(tmp_path: Path) -> None:
    for name, end in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        plot_curves(tmp_path / f"{name}.png", {"total": [1.0, 0.5, end]})
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    with Image.open(io.BytesIO(a)) as plot:
        assert plot.size == (1600, 800)
        assert "Software" not in plot.info


@pytest.mark.parametrize(("values", "scale"), [
    ([1.0, 0.5], "linear"), ([1.0, 0.01], "log"), ([0.0, 1.0, 0.01], "log"), ([-1.0, 100.0], "linear"),
    ([0.0, 0.0], "linear"),
])
def test_curves_are_logarithmic_only_where_that_shows_more(values: list[float | None], scale: str) -> None:
    axes = Figure().subplots()
    _draw(axes, list(range(len(values))), {"total": values}, "loss")
    assert axes.get_yscale() == scale
    assert axes.get_ylabel() == "loss"


def test_curves_start_at_zero_when_linear_and_skip_what_was_not_measured() -> None:
    axes = Figure().subplots()
    columns: dict[str, list[float | None]] = {
        "training": [3.0, 2.0, 1.0], "validation": [None, 2.5, None], "never": [None, None, None]}
    _draw(axes, [0, 1, 2], columns, "loss")
    assert axes.get_ylim()[0] == 0
    drawn = [np.column_stack([line.get_xdata(), line.get_ydata()]).tolist() for line in axes.lines]
    assert drawn == [[[0, 3], [1, 2], [2, 1]], [[1, 2.5]]]


def test_curves_draw_a_loss_of_zero() -> None:
    axes = Figure().subplots()
    _draw(axes, [0, 1], {"prior": [0.0, 1.0]}, "loss")
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [0, 1]


def test_curves_take_any_name_for_a_loss(tmp_path: Path) -> None:
    plot_curves(tmp_path / "losses.png", {"$\\nothing$": [1.0], "_hidden": [1.0], "x" * 300: [1.0]})
    assert (tmp_path / "losses.png").stat().st_size > 0


def test_training_curves_gives_the_learning_rate_a_panel_of_its_own(tmp_path: Path) -> None:
    losses: dict[str, list[float | None]] = {"training": [1.0, 0.5], "validation": [None, 0.6]}
    plot_curves(tmp_path / "with.png", {**losses, "learning_rate": [1e-3, 1e-5]})
    plot_curves(tmp_path / "without.png", losses)
    with Image.open(tmp_path / "with.png") as with_rate, Image.open(tmp_path / "without.png") as without:
        assert with_rate.size == (1600, 1000)
        assert without.size == (1600, 800)
