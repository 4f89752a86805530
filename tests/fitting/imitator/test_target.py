import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.fitting.imitator.target import HEAD_WEIGHT, WALL_WEIGHT, Target, irises_in, see
from facenn.networks.facemesh import FACE_OVAL
from facenn.networks.frozen import Frozen
from facenn.perception.cells import cells_inside, coarse
from facenn.perception.hair import hair_in_photo, surfaces_in_photo, surroundings
from facenn.perception.irises import cleared

WALL = torch.tensor([0.1, 0.9, 0.2])  # a colour that nothing in the photo has


@pytest.fixture(scope="module")
def photo(astronaut: Tensor) -> Tensor:
    """(1, 3, 512, 512) with the face as large as a fit sees it."""
    return F.interpolate(astronaut[None, :, :256, 96:352], scale_factor=2.0, mode="bilinear")


@pytest.fixture(scope="module")
def points(face_points: Tensor) -> Tensor:
    """(1, 478, 3) landmarks of that photo."""
    return (face_points[None] - torch.tensor([96.0, 0.0, 0.0])) * 2


@pytest.fixture(scope="module")
def target(photo: Tensor, points: Tensor, frozen: Frozen) -> Target:
    return see(photo, points, frozen, wall=WALL)


def test_target_has_the_photos_own_colours_in_the_face(target: Target, photo: Tensor, points: Tensor) -> None:
    face = cells_inside(points[:, list(FACE_OVAL), :2])[0] > 0
    assert face.sum() > 50
    assert torch.equal(target.colours[0][:, face], coarse(photo)[0][:, face])
    assert (target.colour_weights[0][face] == 1).all()


def test_target_puts_the_engines_wall_behind_the_head(target: Target) -> None:
    weights, outline = target.colour_weights[0], target.outline_weights[0]
    wall = (weights == 0) & torch.isclose(outline, torch.tensor(WALL_WEIGHT))
    assert wall.sum() > 20
    assert (target.colours[0][:, wall] - WALL[:, None]).abs().max() < 1e-5
    assert (outline >= weights).all() and outline[-1].max() == 0
    assert ((weights == 1) | (weights == 0) | torch.isclose(weights, torch.tensor(HEAD_WEIGHT))).all()
    assert torch.isclose(weights, torch.tensor(HEAD_WEIGHT)).sum() > 20
    assert torch.equal(target.hair_weights[0] > 0, torch.isclose(weights, torch.tensor(HEAD_WEIGHT)))


def test_target_knows_sex_and_age(target: Target) -> None:
    traits, = target.traits
    assert not traits.man and 20 < traits.years < 50


def test_target_has_the_irises_of_the_photo_without_what_they_mirror(target: Target, photo: Tensor, points: Tensor
                                                                      ) -> None:
    seen = irises_in(photo, points)
    assert target.irises.numpy() == pytest.approx(cleared(seen.numpy()))
    red, green, blue = seen[0].tolist()
    assert red > green > blue
    doubled = F.interpolate(photo, scale_factor=2.0, mode="nearest")
    assert irises_in(doubled, points * 2).numpy() == pytest.approx(seen.numpy(), abs=0.02)


def test_targets_are_put_together_and_taken_apart(target: Target) -> None:
    both = Target.of_all([target, target])
    assert len(both) == 2 and len(both.traits) == 2
    assert torch.equal(both.take(slice(1, 2)).outline_weights, target.outline_weights)
    assert both.take(slice(1, 2)).traits == target.traits


def head(points: np.ndarray, *, haired: bool) -> tuple[np.ndarray, np.ndarray]:
    """A drawing of a head before a wall, (S, S, 3), and where its cap of hair or skin is."""
    side = 256
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side
    low, high = points[list(FACE_OVAL)].min(0), points[list(FACE_OVAL)].max(0)
    centre, size = (low + high) / 2, high - low
    skull = np.hypot((x - centre[0]) / (0.6 * size[0]), (y - centre[1]) / (0.75 * size[1])) < 1
    face = np.hypot((x - centre[0]) / (0.5 * size[0]), (y - centre[1]) / (0.5 * size[1])) < 1
    picture = np.full((side, side, 3), (0.8, 0.8, 0.82), np.float32)
    picture[skull] = (0.1, 0.08, 0.07) if haired else (0.7, 0.5, 0.4)
    picture[face] = (0.7, 0.5, 0.4)
    noise = np.random.default_rng(0).normal(0, 0.01, picture.shape)
    return (picture + noise).clip(0, 1).astype(np.float32), skull & ~face


@pytest.mark.parametrize("haired", [True, False])
def test_wall_is_what_is_neither_hair_nor_a_bald_skull(points: Tensor, haired: bool) -> None:
    at = (points[0, :, :2] / 512).numpy()
    picture, cap = head(at, haired=haired)
    hair, wall = surfaces_in_photo(picture, at)
    bright = picture.mean(2) > 0.75
    assert wall[cap].mean() < 0.02
    assert wall[bright & surroundings(at, len(picture))].mean() > 0.98
    assert hair.any() == haired and not (wall & hair).any()
    assert np.array_equal(hair, hair_in_photo(picture, at))
