import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from facenn.images import write_pixels
from flows.pictures import data_uri


def noisy(path: Path, side: int) -> Path:
    write_pixels(path, np.random.default_rng(1).integers(0, 256, (side, 2 * side, 3), np.uint8))
    return path


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))))


def test_data_uri_carries_a_picture_as_it_is(tmp_path: Path) -> None:
    assert opened(data_uri(noisy(tmp_path / "a.png", 32))).size == (64, 32)


def test_data_uri_shrinks_a_picture_into_a_square_and_enlarges_none(tmp_path: Path) -> None:
    picture = noisy(tmp_path / "a.png", 32)
    assert opened(data_uri(picture, side=20)).size == (20, 10)
    assert opened(data_uri(picture, side=200)).size == (64, 32)


def test_data_uri_shrinks_a_picture_until_it_fits(tmp_path: Path) -> None:
    picture = noisy(tmp_path / "a.png", 128)
    address = data_uri(picture, limit=10_000)
    assert len(address) <= 10_000 < len(data_uri(picture))
    width, height = opened(address).size
    assert abs(width / height - 2) < 0.1
