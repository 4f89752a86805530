"""Sheets: every picture in its cell, every caption in its column."""

import numpy as np
import pytest

from facenn.errors import FormatError
from facenn.report.sheet import contact_sheet


def test_contact_sheet_puts_every_picture_in_its_cell() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((64, 96, 3), colour, np.uint8) for colour in colours]
    sheet = contact_sheet(pictures, columns=2, captions=["", "", ""])
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 2 * 96 + 3 * 4
    assert (sheet[4:68, 4:100] == colours[0]).all()
    assert (sheet[4:68, 104:200] == colours[1]).all()
    below = np.flatnonzero((sheet[:, 50] == colours[2]).all(-1))
    assert len(below) == 64
    assert below[0] > 68
    assert (sheet[below[0]:, 104:] == 255).all()


def test_contact_sheet_scales_pictures_into_the_first_ones_cell() -> None:
    black = [np.zeros((64, 64, 3), np.uint8), np.zeros((16, 32, 3), np.uint8)]
    sheet = contact_sheet(black, columns=2, captions=["", ""])
    dark = (sheet[:, 72:136] == 0).all(-1)
    assert dark.any(1).sum() == 32
    assert dark.any(0).sum() == 64


def test_contact_sheet_keeps_a_long_caption_inside_its_column() -> None:
    white = [np.full((64, 64, 3), 255, np.uint8)] * 2
    short = contact_sheet(white, columns=2, captions=["é → ok", ""])
    long = contact_sheet(white, columns=2, captions=["a very long caption " * 5, ""])
    assert (short != 255).any()
    assert (long[:, :68] != 255).any()
    assert (long[:, 72:] == 255).all()


@pytest.mark.parametrize(("count", "captions", "columns"), [(0, [], 1), (2, ["a"], 1), (1, ["a"], 0)])
def test_contact_sheet_refuses_captions_that_do_not_fit(
    count: int, captions: list[str], columns: int
) -> None:
    with pytest.raises(FormatError, match=f"{count} pictures"):
        contact_sheet([np.zeros((64, 64, 3), np.uint8)] * count, columns=columns, captions=captions)


def test_contact_sheet_names_the_picture_of_another_shape() -> None:
    with pytest.raises(FormatError, match="picture 2"):
        contact_sheet([np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)], columns=1,
                      captions=["a", "b"])
