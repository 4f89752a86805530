"""Pictures inside the markdown of an artifact."""

import base64
import io
from pathlib import Path

SHRINK = 0.8  # of width and height, until a picture fits


def data_uri(path: Path, *, side: int | None = None, limit: int | None = None) -> str:
    """A picture file as the address of a JPEG that carries its own bytes.

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
