"""Pieces of HTML that no text and no picture can break out of."""

import base64
import html
import io
from collections.abc import Mapping

from PIL import Image

from facenn.arrays import Pixels
from facenn.images import JPEG_QUALITY
from facenn.report.summary import check_pixels


def text_html(text: str) -> str:
    """Text that is only text inside HTML; undecodable bytes of a file name become question marks."""
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)


def terms_html(pairs: Mapping[str, str]) -> str:
    """Terms and what they are, as the inside of a ``dl``."""
    return "".join(f"<div><dt>{text_html(term)}</dt><dd>{text_html(text)}</dd></div>"
                   for term, text in pairs.items())


def image_html(name: str, pixels: Pixels, alt: str) -> str:
    """A picture that stands inside the page.

    Args:
        name: what an error calls the picture.
        pixels: (H, W, 3) the picture.
        alt: what it shows, for those who cannot see it.

    Raises:
        FormatError: not (H, W, 3) uint8, or empty.
    """
    picture, encoded = Image.fromarray(check_pixels(name, pixels)), io.BytesIO()
    picture.save(encoded, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return (f'<img src="data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}" '
            f'width="{picture.width}" height="{picture.height}" alt="{text_html(alt)}">')
