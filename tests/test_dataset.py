from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from facenn.dataset import KEPT, SHRUNK, Faces, averaged, batches, fits, noise_after, rows_after, split
from facenn.errors import ConfigError, FormatError, MissingFileError
from facenn.exchange.renders import RendersFolder, write_table
from facenn.images import write_pixels
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema("toy", 1, tuple(Slider(name, "Face", name) for name in ("red", "green", "blue")))
FACES = 7
SIDE = 64


@pytest.fixture
def renders(tmp_path: Path) -> RendersFolder:
    """Faces of one colour each, which is their parameters; the left half is black."""
    parameters = np.random.default_rng(0).random((FACES, 3), dtype=np.float32)
    names = [f"face_{i}" for i in range(FACES)]
    for name, colour in zip(names, parameters, strict=True):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[:, SIDE // 2 :] = (colour * 255).round()
        write_pixels(tmp_path / "images" / f"{name}.png", pixels)
    write_table(tmp_path, SCHEMA, names, parameters)
    return RendersFolder.open(tmp_path)


def test_split_holds_out_its_share_and_loses_no_face() -> None:
    training, validation = split(100, seed=3, fraction=0.2)
    assert len(validation) == 20
    assert sorted([*training, *validation]) == list(range(100))


def test_split_is_a_pure_function_of_its_seed() -> None:
    one, same, other = (split(50, seed=s, fraction=0.5).validation.tolist() for s in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(("count", "fraction"), [(10, 0.0), (10, 1.0), (10, 0.04), (1, 0.5), (10, -0.1)])
def test_split_refuses_to_leave_a_part_empty(count: int, fraction: float) -> None:
    with pytest.raises(ConfigError, match=f"splits {count} faces in two, got {fraction}"):
        split(count, seed=0, fraction=fraction)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_rows_after_show_every_face_once_per_epoch(batch_size: int) -> None:
    rows = np.array([2, 3, 5, 7, 11, 13, 17])
    steps = 7  # of any batch size: a whole number of epochs
    seen = np.concatenate([rows_after(rows, s * batch_size, batch_size=batch_size, seed=0) for s in range(steps)])
    for epoch in seen.reshape(-1, len(rows)):
        assert sorted(epoch) == rows.tolist()


def test_rows_after_come_in_a_new_order_each_epoch_and_seed() -> None:
    rows = np.arange(50)
    orders = {tuple(rows_after(rows, step * 50, batch_size=50, seed=seed)) for step in (0, 1) for seed in (0, 1)}
    assert len(orders) == 4


def test_rows_after_depend_on_nothing_but_the_step() -> None:
    rows = np.arange(10)
    walked = [rows_after(rows, s * 4, batch_size=4, seed=9).tolist() for s in range(6)]
    assert rows_after(rows, 20, batch_size=4, seed=9).tolist() == walked[5]


@pytest.mark.parametrize("keep_on", [None, "cpu"])
def test_faces_pair_parameters_with_their_own_pictures(renders: RendersFolder, keep_on: str | None) -> None:
    faces = Faces(renders, resolution=SIDE, keep_on=keep_on)
    parameters, pictures = faces.batch([4, 1])
    assert len(faces) == FACES and faces.schema == SCHEMA
    assert parameters.tolist() == renders.parameters[[4, 1]].tolist()
    assert pictures.shape == (2, 3, SIDE, SIDE) and pictures.dtype == torch.float32
    assert (pictures[:, :, 0, -1] - parameters).abs().max() <= 0.5 / 255 + 1e-6
    assert pictures[:, :, 0, 0].abs().max() == 0


@pytest.mark.parametrize("keep_on", [None, "cpu"])
def test_faces_average_pixels_where_the_render_is_larger(renders: RendersFolder, keep_on: str | None) -> None:
    large = Faces(renders, resolution=SIDE).batch([0]).pictures
    small = Faces(renders, resolution=32, keep_on=keep_on).batch([0]).pictures
    assert small.shape == (1, 3, 32, 32)
    assert (torch.nn.functional.avg_pool2d(large, 2) - small).abs().max() <= 1 / 255


@pytest.mark.parametrize("keep_on", [None, "cpu"])
def test_smaller_faces_are_those_that_are_decoded_smaller(renders: RendersFolder, keep_on: str | None) -> None:
    faces = Faces(renders, resolution=SIDE, keep_on=keep_on)
    small, decoded = faces.smaller(32, keep_on="cpu"), Faces(renders, resolution=32)
    assert small.kept and small.resolution == 32
    assert torch.equal(small.batch([2, 0]).parameters, decoded.batch([2, 0]).parameters)
    assert (small.batch([2, 0]).pictures - decoded.batch([2, 0]).pictures).abs().max() <= 1 / 255 + 1e-6
    assert faces.smaller(SIDE, keep_on="cpu") is faces


def test_averaged_pictures_are_means_of_their_pixels() -> None:
    pixels = torch.randint(0, 256, (SHRUNK + 3, 8, 8, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    means = pixels.reshape(-1, 4, 2, 4, 2, 3).double().mean((2, 4))
    small = averaged(pixels, 4)
    assert small.shape == (SHRUNK + 3, 4, 4, 3) and small.dtype == torch.uint8
    assert (small - means).abs().max() <= 0.5


def test_faces_refuse_a_render_that_is_too_small(renders: RendersFolder) -> None:
    with pytest.raises(FormatError, match=r"face_0.png: expected a square render, 128 pixels"):
        Faces(renders, resolution=128).pixels(0)


def test_faces_refuse_a_render_that_is_not_square(renders: RendersFolder) -> None:
    write_pixels(renders.image_path(3), np.zeros((SIDE, SIDE + 1, 3), np.uint8))
    with pytest.raises(FormatError, match=r"face_3.png: expected a square .*, got 65x64"):
        Faces(renders, resolution=32, keep_on="cpu")


def test_batches_come_in_order_however_many_there_are(renders: RendersFolder) -> None:
    faces = Faces(renders, resolution=32)
    order = [np.array([i % FACES, (i + 2) % FACES]) for i in range(23)]
    found = list(batches(faces, order))
    assert len(found) == 23
    for rows, batch in zip(order, found, strict=True):
        assert torch.equal(batch.parameters, faces.batch(rows).parameters)
        assert torch.equal(batch.pictures, faces.batch(rows).pictures)


def test_batches_of_kept_pictures_are_the_same(renders: RendersFolder) -> None:
    order = [np.array([i % FACES, (i + 2) % FACES]) for i in range(9)]
    kept = Faces(renders, resolution=32, keep_on="cpu")
    for one, other in zip(batches(kept, order), batches(Faces(renders, resolution=32), order), strict=True):
        assert torch.equal(one.parameters, other.parameters) and torch.equal(one.pictures, other.pictures)


def test_fits_compares_decoded_pictures_with_the_room_there_is(
    renders: RendersFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = FACES * 3 * SIDE**2
    for free, enough in ((needed / 0.6 + 1, True), (needed / 0.6 - 10, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (int(free), 10**12))
        assert fits(renders, resolution=SIDE, device="cuda:1") is enough
    side = int((KEPT / 3 / FACES) ** 0.5)
    assert fits(renders, resolution=side, device="cpu")
    assert not fits(renders, resolution=side + 1, device="cpu")


HAIR = Choice("hair", "Hair", "which", options=("none", "long"), neutral="none")
LOOKS = ParameterSchema("toy", 1, SCHEMA.sliders, (HAIR,))


def noise(step: int, *, batch_size: int = 4, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return noise_after(np.arange(10, 18), step * batch_size, batch_size=batch_size, seed=seed, schema=LOOKS, width=0.1)


def test_noise_moves_every_slider_a_little_and_no_choice() -> None:
    drawn = np.concatenate([noise(step) for step in range(50)])
    assert drawn.shape == (200, 5)
    assert (drawn[:, 3:] == 0).all() and (drawn[:, :3] != 0).all()
    assert 0.095 < np.abs(drawn).max() <= 0.1
    assert abs(drawn[:, :3].mean()) < 0.01


def test_noise_of_a_face_depends_on_its_epoch_and_the_seed_alone() -> None:
    rows = np.arange(10, 18)

    def by_row(steps: range, *, batch_size: int) -> dict[int, list[float]]:
        return {int(row): one.tolist() for step in steps for row, one in zip(
            rows_after(rows, step * batch_size, batch_size=batch_size, seed=0), noise(step, batch_size=batch_size),
            strict=True)}

    first, second = by_row(range(2), batch_size=4), by_row(range(2, 4), batch_size=4)
    assert first == by_row(range(4), batch_size=2)
    assert all(first[row] != second[row] for row in first)
    assert (noise(0) != noise(0, seed=1))[:, :3].all()


def test_batches_are_prepared_ahead_but_not_without_end(renders: RendersFolder) -> None:
    asked = 0

    def endless() -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        nonlocal asked
        while True:
            asked += 1
            yield np.array([asked % FACES])

    stream = batches(Faces(renders, resolution=32), endless())
    next(stream)
    assert 2 <= asked <= 10
    stream.close()  # type: ignore[attr-defined]


def test_batches_report_a_picture_that_is_gone(renders: RendersFolder) -> None:
    renders.image_path(2).unlink()
    with pytest.raises(MissingFileError, match="face_2"):
        list(batches(Faces(renders, resolution=32), [np.array([0, 1]), np.array([2, 3])]))
