"""Pictures on disk <-> (3, H, W) float32 RGB in [0, 1]; the only place where ranges change."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facenn.errors import FormatError, MissingFileError
from facenn.files import replacing

if TYPE_CHECKING:  # rendering workers read and write pictures without paying for torch
    from torch import Tensor

SIDE = 512  # pixels of a render; the game original draws 512x512 as well
JPEG_QUALITY = 92


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB of a picture file, turned upright by its EXIF orientation.

    Raises:
        MissingFileError: no such file.
        FormatError: not a picture that Pillow can decode.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a picture at {path}, found no file")
    try:
        with Image.open(path) as picture:
            return _rgb(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"{path}: expected a JPEG or PNG picture, got {error}") from None


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # 16-bit grey, of which Pillow would keep the low half
        grey = (np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1)
    if picture.mode == "P":  # a palette may have transparent colours, which Pillow drops with a warning
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))


def write_pixels(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) or (H, W) uint8 as JPEG or PNG, by the suffix of ``path``."""
    with replacing(path) as temporary:
        if path.suffix.lower() in {".jpg", ".jpeg"}:
            Image.fromarray(pixels).save(temporary, "JPEG", quality=JPEG_QUALITY)
        else:
            Image.fromarray(pixels).save(temporary, "PNG")


def to_tensor(pixels: "NDArray[np.uint8] | Tensor") -> "Tensor":
    """(..., H, W, 3) uint8 -> (..., 3, H, W) float32 in [0, 1], a tensor on its own device."""
    import torch

    whole = pixels if isinstance(pixels, torch.Tensor) else torch.from_numpy(np.array(pixels))
    return whole.movedim(-1, -3).float() / 255


def to_pixels(picture: "Tensor") -> NDArray[np.uint8]:
    """(..., 3, H, W) in [0, 1] -> (..., H, W, 3) uint8, rounded; what lies outside is clamped."""
    import torch

    pixels: NDArray[np.uint8] = (
        (picture.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()
    )
    return pixels


def read_image(path: Path) -> "Tensor":
    """(3, H, W) float32 RGB in [0, 1] of a picture file, upright.

    Raises:
        MissingFileError: no such file.
        FormatError: not a picture.
    """
    return to_tensor(read_pixels(path))


def write_image(path: Path, picture: "Tensor") -> None:
    """Write (3, H, W) RGB in [0, 1] as JPEG or PNG, by the suffix of ``path``."""
    write_pixels(path, to_pixels(picture))
