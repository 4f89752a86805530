"""Shows what every slider and choice of a character does: sheets of pictures and a table of visibilities."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facenn.arrays import Pixels
from facenn.engine.renderer import Engine
from facenn.files import replace_text
from facenn.images import write_pixels
from facenn.making.inspection import STOPS, VISIBLE, Strip, strips
from facenn.report.sheet import contact_sheet

CELL = 256  # pixels of a picture on a sheet
COLUMNS = 2 * len(STOPS)


@dataclass(frozen=True)
class Inspection:
    """What was found out about a character.

    Attributes:
        visibilities: slider -> mean absolute change of grey from end to end, weakest first.
        sheets: the pictures that were written, one per group.
        table: the same visibilities as a file, with commas.
    """

    visibilities: dict[str, float]
    sheets: tuple[Path, ...]
    table: Path

    @property
    def faint(self) -> tuple[str, ...]:
        """Sliders that change too little to be used or recovered."""
        return tuple(name for name, value in self.visibilities.items() if value < VISIBLE)


def inspect(name: str, out: Path, *, side: int, progress: Callable[[int], None]) -> Inspection:
    """Draw every slider at its ends and in the middle, and every option of each choice.

    Args:
        name: embedded character.
        out: gets ``sheets/<group>.png`` and ``visibility.csv``.
        side: pixels of the pictures that are compared; on the sheets they are no larger than 256.
        progress: called with how many sliders and choices are drawn.

    Raises:
        ConfigError: unknown character.
    """
    engine = Engine(name, side=side)
    groups: dict[str, list[Strip]] = {}
    visibilities: dict[str, float] = {}
    for done, strip in enumerate(strips(engine), start=1):
        groups.setdefault(strip.group, []).append(_reduced(strip))
        if strip.visibility is not None:
            visibilities[strip.name] = strip.visibility
        progress(done)
    shutil.rmtree(out / "sheets", ignore_errors=True)  # of another character
    sheets = tuple(out / "sheets" / f"{group.lower().replace(' ', '_')}.png" for group in groups)
    for path, members in zip(sheets, groups.values(), strict=True):
        write_pixels(path, _sheet(members))
    ranked = dict(sorted(visibilities.items(), key=lambda pair: pair[1]))
    replace_text(out / "visibility.csv", "slider,visibility\n" + "".join(f"{k},{v:.4f}\n" for k, v in ranked.items()))
    return Inspection(ranked, sheets, out / "visibility.csv")


def _reduced(strip: Strip) -> Strip:
    """The same with pictures of at most CELL pixels: a character's pictures at full size would not fit into memory."""
    pictures = tuple(_scaled(picture) for picture in strip.pictures)
    return Strip(strip.name, strip.group, strip.values, pictures, strip.visibility)


def _scaled(picture: Pixels) -> Pixels:
    side = min(CELL, len(picture))
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _sheet(members: list[Strip]) -> Pixels:
    """Two sliders a row; each choice begins a row of its own."""
    pictures: list[Pixels] = []
    captions: list[str] = []
    blank = np.full_like(members[0].pictures[0], 255)
    for strip in members:
        empty = -len(pictures) % COLUMNS if strip.visibility is None else 0
        pictures += [blank] * empty + list(strip.pictures)
        captions += [""] * empty + [_caption(strip, value) for value in strip.values]
    return contact_sheet(pictures, columns=COLUMNS, captions=captions)


def _caption(strip: Strip, value: str) -> str:
    """``name = value``; under the last picture of a slider also how visible it is."""
    shown = f"{strip.name.split('.')[-1]} = {value}"
    return f"{shown}  ({strip.visibility:.2f})" if strip.visibility is not None and value == strip.values[-1] else shown
