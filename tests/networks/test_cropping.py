"""Similarities and the squares that they cut."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.networks.cropping import (
    crop,
    inverse,
    mirrored,
    points_in_polygon,
    procrustes,
    sample_at,
    scale,
    similarity,
    transform_points,
    turned_square,
)

POINTS = torch.tensor([[10.0, 20.0], [50.0, 22.0], [30.0, 40.0], [15.0, 60.0], [47.0, 58.0]])


def turn(degrees: float, *, factor: float = 1.0, x: float = 0.0, y: float = 0.0) -> Tensor:
    c, s = factor * math.cos(math.radians(degrees)), factor * math.sin(math.radians(degrees))
    return torch.tensor([[[c, -s, x], [s, c, y]]])


def waves(height: int, width: int) -> Tensor:
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([(xs / 9).sin(), (ys / 7).cos(), ((xs + ys) / 11).sin()])[None] / 2 + 0.5


def test_similarity_recovers_planted_maps_of_a_batch() -> None:
    planted = torch.cat([turn(25, factor=1.7, x=-3, y=9), turn(-80, factor=0.4, x=100, y=5)])
    found = similarity(POINTS[None], transform_points(POINTS.expand(2, -1, -1), planted))
    assert (found - planted).abs().max() < 1e-4


def test_similarity_ignores_points_without_weight() -> None:
    target = transform_points(POINTS[None], turn(10, x=4))
    target[0, 2] += 50
    found = similarity(POINTS[None], target, weights=torch.tensor([[1.0, 1, 0, 1, 1]]))
    assert (found - turn(10, x=4)).abs().max() < 1e-4


def test_inverse_brings_points_back() -> None:
    there = turn(33, factor=2.5, x=7, y=-2)
    assert (transform_points(transform_points(POINTS[None], there), inverse(there)) - POINTS).abs().max() < 1e-4


def test_transformed_depth_scales_with_the_picture() -> None:
    points = torch.tensor([[[1.0, 2.0, 5.0]]])
    assert transform_points(points, turn(90, factor=3))[0, 0].round(decimals=4).tolist() == [-6, 3, 15]


def test_procrustes_undoes_a_similarity() -> None:
    points = np.random.default_rng(0).random((20, 2)).astype(np.float32)
    rotation = 1.3 * np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    turned = np.stack([points @ rotation.T + 0.2, points])
    assert procrustes(turned, points) == pytest.approx(np.stack([points, points]), abs=1e-5)


def test_turned_square_puts_the_middle_of_the_crop_on_the_centre() -> None:
    centre, downwards = torch.tensor([[40.0, 60.0]]), torch.tensor([[0.0, 2.0]])
    square = turned_square(centre, downwards, torch.tensor([32.0]), size=64)
    assert transform_points(torch.tensor([[[32.0, 32.0]]]), square)[0, 0].tolist() == [40, 60]
    assert transform_points(torch.tensor([[[64.0, 32.0]]]), square)[0, 0].tolist() == [40, 76]
    assert scale(square).tolist() == [0.5]


def test_crop_with_the_identity_is_the_picture() -> None:
    picture = waves(32, 32)
    assert (crop(picture, turn(0), 32) - picture).abs().max() < 1e-5


def test_crop_of_a_mirrored_square_is_the_mirrored_crop() -> None:
    picture, square = waves(64, 80), turn(15, factor=0.8, x=20, y=5)
    seen = crop(picture, mirrored(square, size=48), 48)
    assert (seen.flip(-1) - crop(picture, square, 48)).abs().max() < 1e-4


def test_crop_repeats_the_edge_beyond_the_picture() -> None:
    picture = torch.zeros(1, 3, 8, 8)
    picture[..., :, 0] = 1
    assert bool((crop(picture, turn(0, x=-8), 8) == 1).all())


def test_crop_averages_what_it_shrinks() -> None:
    checks = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float().expand(1, 3, -1, -1)
    assert (crop(checks, turn(0, factor=4), 16) - 0.5).abs().max() < 1e-5


def test_crop_does_not_depend_on_the_others_of_its_batch() -> None:
    squares = torch.cat([turn(5, factor=0.7, x=3), turn(-9, factor=3.3, y=2), turn(40, factor=1.4, x=30)])
    together = crop(waves(90, 70), squares, 20)
    alone = torch.cat([crop(waves(90, 70), square[None], 20) for square in squares])
    assert (together - alone).abs().max() < 1e-6


def test_crop_gradient_is_right_in_the_picture_and_the_map() -> None:
    picture = waves(6, 6).double().requires_grad_()
    squares = torch.cat([turn(20, factor=0.9, x=1, y=0.5), turn(3, factor=1.6, x=0.3)]).double()
    squares.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, s: crop(p.expand(2, -1, -1, -1), s, 3), (picture, squares))


def test_points_in_polygon_are_those_inside_of_a_hollow_shape() -> None:
    horseshoe = torch.tensor([[[0.0, 0], [6, 0], [6, 6], [4, 6], [4, 2], [2, 2], [2, 6], [0, 6]]])
    points = torch.tensor([[1.0, 4], [3, 4], [5, 4], [3, 1], [7, 1], [-1, 1]])
    shapes = torch.cat([horseshoe, horseshoe + 100])
    assert points_in_polygon(points, shapes).tolist() == [[True, False, True, True, False, False], [False] * 6]


def test_sample_at_the_middles_of_pixels_is_their_colours() -> None:
    picture = waves(8, 8)
    middles = torch.tensor([[[2.5, 4.5], [7.5, 0.5]]]) / 8
    expected = torch.stack([picture[0, :, 4, 2], picture[0, :, 0, 7]])
    assert torch.allclose(sample_at(picture, middles)[0], expected, atol=1e-5)
    outside = sample_at(picture, torch.tensor([[[-0.5, 0.0625]]]))
    assert torch.allclose(outside[0, 0], picture[0, :, 0, 0], atol=1e-5)
