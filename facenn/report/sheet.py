"""Sheets of pictures with a caption under each."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facenn.arrays import Pixels
from facenn.errors import FormatError
from facenn.report.summary import check_pixels

INK = "#222222"


def contact_sheet(pictures: Sequence[Pixels], *, columns: int, captions: Sequence[str]) -> Pixels:
    """Pictures in rows, each with its caption underneath.

    Args:
        pictures: (H, W, 3) each; the first sets the cell, the others are scaled into it.
        columns: pictures per row.
        captions: one per picture; cut with an ellipsis where too long.

    Returns:
        (H, W, 3) the sheet, on white.

    Raises:
        FormatError: no pictures, not as many captions, or a picture of another shape.
    """
    if not pictures or len(captions) != len(pictures) or columns < 1:
        raise FormatError("expected pictures with a caption each in one or more columns, "
                          f"got {len(pictures)} pictures, {len(captions)} captions, {columns} columns")
    height, width = check_pixels("1", pictures[0]).shape[:2]
    gap = max(4, width // 32)
    font = _font(max(11, width // 18))
    line = sum(font.getmetrics()) + gap
    rows, columns = math.ceil(len(pictures) / columns), min(columns, len(pictures))
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + line + gap) + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + line + gap)
        picture = Image.fromarray(check_pixels(str(i + 1), pixels))
        scale = min(width / picture.width, height / picture.height)
        if scale != 1:
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)),
                                     Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        draw.text((x, y + height + gap // 2), _shortened(caption, font, width), fill=INK, font=font)
    return np.asarray(sheet)


def _font(size: int) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path  # brings a font that every machine has, for accents and arrows too

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _shortened(caption: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    caption = " ".join(caption.split())
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "…") > width:
        caption = caption[:-1]
    return caption.rstrip() + "…"
