from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facenn.dataset import Faces
from facenn.engine.layout import LABELS
from facenn.engine.renderer import Engine, Render
from facenn.evaluation import PARTS, Pair, drawn_by, held_out, likeness, measure_gap, recovery
from facenn.exchange.renders import RendersFolder, write_table
from facenn.images import read_image, to_tensor, write_pixels
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema, Slider


class Memory(nn.Module):
    """Draws the pictures that it was given, each moved by a constant."""

    def __init__(self, pictures: Tensor, offset: float) -> None:
        super().__init__()
        self.pictures = nn.Parameter(pictures)
        self.offset = offset

    def forward(self, parameters: Tensor) -> Tensor:
        return self.pictures[(parameters[:, 0] * 10).round().long()] + self.offset


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("renders")
    schema = ParameterSchema("toy", 1, (Slider("number", "toy", "Number"),))
    generator = np.random.default_rng(0)
    for i in range(3):
        noise = generator.integers(0, 200, (8, 8, 3), dtype=np.uint8)
        write_pixels(folder / "images" / f"{i}.png", noise.repeat(8, 0).repeat(8, 1))
    write_table(folder, schema, ["0", "1", "2"], np.array([[0.0], [0.1], [0.2]], np.float32))
    return Faces(RendersFolder.open(folder), resolution=64)


def memory(faces: Faces, offset: float) -> Imitator:
    pictures = torch.stack([read_image(Path(faces.renders.image_path(i))) for i in range(3)])
    return Memory(pictures, offset)  # type: ignore[return-value]


def test_held_out_finds_no_error_in_a_perfect_imitator(faces: Faces) -> None:
    measured = held_out(memory(faces, 0.0), faces, np.arange(3))
    assert (measured.l1, measured.ssim, measured.faces) == (0, 1, 3)


def test_held_out_measures_a_constant_error_exactly(faces: Faces) -> None:
    measured = held_out(memory(faces, 0.1), faces, np.arange(3))
    assert measured.l1 == pytest.approx(0.1, abs=1e-6)
    assert measured.psnr == pytest.approx(20, abs=1e-3)
    assert measured.ssim < 1


@pytest.fixture(scope="module")
def render() -> Render:
    engine = Engine("portrait")
    return engine.draw(engine.schema.neutral())  # bald, mouth closed


def drawn(render: Render, picture: Tensor) -> Pair:
    return Pair(to_tensor(render.picture), render.labels, picture)


def test_gap_of_a_perfect_imitator_is_nothing_anywhere(render: Render, frozen: Frozen) -> None:
    gap = measure_gap([drawn(render, to_tensor(render.picture))] * 2, frozen)
    assert (gap.l1, gap.ssim, gap.faces, gap.seen) == (0, 1, 2, 2)
    assert gap.landmark_px == pytest.approx(0, abs=1e-4)
    assert gap.sface_distance == pytest.approx(0, abs=1e-5)
    assert gap.parts == dict.fromkeys((part for part in PARTS if part != "hair"), 0)


@pytest.mark.parametrize(("part", "labels"), [
    ("nose", ["nose"]), ("lips", ["upper lip", "lower lip", "inner mouth"]), ("background", ["background"])])
def test_gap_shows_the_error_of_a_part_there_and_nowhere_else(
        render: Render, frozen: Frozen, part: str, labels: list[str]) -> None:
    inside = torch.from_numpy(np.isin(render.labels, [LABELS.index(label) for label in labels]))
    picture = to_tensor(render.picture)
    darker = torch.where(inside, picture - 0.05, picture)
    gap = measure_gap([drawn(render, darker)], frozen)
    assert gap.parts[part] == pytest.approx(0.05, abs=1e-6)
    assert {other for name, other in gap.parts.items() if name != part} == {0}
    assert gap.l1 == pytest.approx(0.05 * float(inside.float().mean()), abs=1e-6)


def test_gap_counts_the_pixels_of_a_part_in_all_faces_alike(render: Render, frozen: Frozen) -> None:
    picture, wall = to_tensor(render.picture), LABELS.index("background")
    small = Pair(picture, np.where(np.arange(512) < 128, render.labels, wall).astype(np.uint8), picture - 0.1)
    whole = Pair(picture, np.full_like(render.labels, wall), picture)
    share = float((small.labels == wall).mean())
    assert measure_gap([small, whole], frozen).parts["background"] == pytest.approx(0.1 * share / (1 + share), abs=1e-6)


def test_gap_of_landmarks_is_how_far_the_face_was_moved(render: Render, frozen: Frozen) -> None:
    picture = to_tensor(render.picture)
    gap = measure_gap([drawn(render, picture.roll(24, 2))], frozen)
    assert gap.landmark_px == pytest.approx(24, abs=0.7)  # the network sees a moved face up to that far off
    assert gap.sface_distance == pytest.approx(0, abs=0.05)  # each with its own landmarks


def test_gap_without_a_face_is_one_of_pictures_alone(frozen: Frozen) -> None:
    grey = torch.full((3, 512, 512), 0.5)
    gap = measure_gap([Pair(grey, np.zeros((512, 512), np.uint8), grey + 0.1)], frozen)
    assert (gap.landmark_px, gap.sface_distance, gap.faces, gap.seen) == (None, None, 1, 0)
    assert gap.parts == {"background": pytest.approx(0.1, abs=1e-6)}


def test_drawn_by_enlarges_a_smaller_picture(faces: Faces) -> None:
    parameters, pictures = faces.batch([1])
    assert torch.equal(drawn_by(memory(faces, 0.0), parameters, side=64), pictures)
    larger = drawn_by(memory(faces, 0.0), parameters, side=128)
    assert larger.shape == (1, 3, 128, 128)
    assert float((torch.nn.functional.avg_pool2d(larger, 2) - pictures).abs().mean()) < 0.02


def test_recovery_of_the_true_parameters_has_no_error(portrait: ParameterSchema) -> None:
    true = np.stack([portrait.sample(np.random.default_rng(i)) for i in range(3)])
    found = recovery(portrait, true, true)
    assert set(found.slider_error.values()) == {0}
    assert set(found.choice_accuracy.values()) == {1}
    assert found.faces == 3


def test_recovery_of_a_guess_is_the_guess_error(portrait: ParameterSchema) -> None:
    true = np.stack([portrait.sample(np.random.default_rng(i)) for i in range(40)])
    guess = np.repeat(portrait.neutral()[None], 40, 0)
    found = recovery(portrait, guess, true)
    assert found.slider_error == found.guess_error
    assert found.guess_error["nose.hump"] == pytest.approx(0.25, abs=0.06)  # mean |u - 0.5| of a uniform u
    bald = true[:, portrait.slices["hair.style"]][:, 0].mean()
    assert found.choice_accuracy["hair.style"] == pytest.approx(bald)


def test_likeness_of_a_photo_with_itself_is_zero(astronaut: Tensor, face_points: Tensor, frozen: Frozen) -> None:
    alike = likeness(astronaut, astronaut, frozen, photo_landmarks=face_points)
    assert alike is not None
    assert alike.distances["sface"] < 1e-3
    assert alike.distances["dlib"] < 0.02


def test_likeness_of_a_picture_without_a_face_is_unknown(
        astronaut: Tensor, face_points: Tensor, frozen: Frozen) -> None:
    assert likeness(astronaut, torch.full_like(astronaut, 0.5), frozen, photo_landmarks=face_points) is None


def test_find_landmarks_needs_a_face_in_every_picture(astronaut: Tensor, frozen: Frozen) -> None:
    assert frozen.finder.find(torch.stack([astronaut, torch.zeros_like(astronaut)])) is None
