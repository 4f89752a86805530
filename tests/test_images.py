from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from facenn.errors import FormatError, MissingFileError
from facenn.images import read_image, read_pixels, to_pixels, to_tensor, write_image, write_pixels

ORIENTATION = 0x0112  # EXIF tag


def gradient(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards; blue is constant."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.dstack([red, green, np.full_like(red, 90)]).astype(np.uint8)


def test_to_tensor_puts_channels_first_and_255_at_1() -> None:
    tensor = to_tensor(np.array([[[0, 51, 255]]], np.uint8))
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_to_tensor_takes_tensors_as_it_takes_arrays() -> None:
    assert torch.equal(to_tensor(torch.from_numpy(gradient())), to_tensor(gradient()))


def test_to_pixels_undoes_to_tensor_for_every_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(2, 16, 8, 1).repeat(3, -1)
    assert np.array_equal(to_pixels(to_tensor(levels)), levels)


def test_to_pixels_rounds_and_clamps() -> None:
    picture = torch.tensor([-3.0, 0.499 / 255, 0.501 / 255, 0.9999, 7.0]).reshape(1, 1, 5).expand(3, 1, 5)
    assert to_pixels(picture)[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_to_pixels_takes_half_precision_and_gradients() -> None:
    picture = torch.full((3, 2, 2), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert (to_pixels(picture) == 128).all()


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    write_pixels(tmp_path / "face.png", gradient())
    assert np.array_equal(read_pixels(tmp_path / "face.png"), gradient())


def test_label_maps_survive_a_png(tmp_path: Path) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write_pixels(tmp_path / "labels.png", labels)
    with Image.open(tmp_path / "labels.png") as stored:
        assert stored.mode == "L"
        assert np.array_equal(np.asarray(stored), labels)


@pytest.mark.parametrize("name", ["face.jpg", "face.jpeg", "face.JPG"])
def test_jpeg_is_chosen_by_the_suffix_and_stays_close(tmp_path: Path, name: str) -> None:
    write_pixels(tmp_path / name, gradient())
    assert (tmp_path / name).read_bytes()[:3] == b"\xff\xd8\xff"
    difference = read_pixels(tmp_path / name).astype(int) - gradient()
    assert np.abs(difference).mean() < 2


def test_write_image_and_read_image_are_inverse(tmp_path: Path) -> None:
    picture = to_tensor(gradient())
    write_image(tmp_path / "face.png", picture)
    assert torch.equal(read_image(tmp_path / "face.png"), picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_pixels_turns_a_photo_upright(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(gradient())
    stored_from_upright = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = upright if stored_from_upright is None else upright.transpose(stored_from_upright)
    stored.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_pixels(tmp_path / "photo.png"), gradient())


@pytest.mark.parametrize(("mode", "suffix", "tolerance"), [
    ("L", "png", 0), ("LA", "png", 0), ("RGBA", "png", 0), ("P", "png", 51), ("1", "png", 255), ("CMYK", "jpg", 6),
    ("YCbCr", "jpg", 6), ("P", "gif", 51),
])
def test_read_pixels_makes_rgb_of_every_mode(tmp_path: Path, mode: str, suffix: str, tolerance: int) -> None:
    grey = gradient()[..., :1].repeat(3, -1)
    Image.fromarray(grey).convert(mode).save(tmp_path / f"photo.{suffix}")
    pixels = read_pixels(tmp_path / f"photo.{suffix}")
    assert pixels.dtype == np.uint8
    assert pixels.shape == grey.shape
    assert np.abs(pixels.astype(int) - grey).max() <= tolerance
    assert abs(pixels.mean() - grey.mean()) < 5


def test_read_pixels_keeps_the_colours_under_transparency(tmp_path: Path) -> None:
    alpha = np.full((24, 40, 1), 30, np.uint8)
    Image.fromarray(np.concatenate([gradient(), alpha], -1), "RGBA").save(tmp_path / "photo.png")
    assert np.array_equal(read_pixels(tmp_path / "photo.png"), gradient())


def test_read_pixels_takes_a_palette_with_transparent_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(gradient()).convert("P")
    palette.save(tmp_path / "photo.png", transparency=bytes([0, 128]))
    assert np.array_equal(read_pixels(tmp_path / "photo.png"), np.asarray(palette.convert("RGB")))


def test_read_pixels_scales_16_bit_grey(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (8, 1))
    Image.fromarray(ramp).save(tmp_path / "photo.png")
    assert np.array_equal(read_pixels(tmp_path / "photo.png")[..., 0], ramp // 256)


def test_read_pixels_says_that_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nobody\.jpg, found no file"):
        read_pixels(tmp_path / "nobody.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_read_pixels_refuses_a_truncated_picture(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"face.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    write_pixels(path, noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FormatError, match=f"face.{suffix}: expected a JPEG or PNG picture"):
        read_pixels(path)


def test_read_pixels_refuses_what_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_text("not a picture, but long enough to hold one" * 20, encoding="utf-8")
    with pytest.raises(FormatError, match="expected a JPEG or PNG picture"):
        read_pixels(path)
