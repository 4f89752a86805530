import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.arrays import Floats
from facenn.networks.facemesh import IRISES
from facenn.perception.irises import cleared, iris_colour, iris_places

SIDE = 256


def clear(*colours: tuple[float, float, float]) -> Floats:
    return cleared(np.array(colours, np.float32))


def test_cleared_makes_brown_and_blue_stronger() -> None:
    brown, blue = clear((0.27, 0.22, 0.19), (0.21, 0.23, 0.25))
    assert brown[0] - brown[2] > 0.15
    assert blue[2] - blue[0] > 0.07


def test_dark_irises_are_brown_whatever_is_mirrored_in_them() -> None:
    for colour in clear((0.13, 0.13, 0.13), (0.12, 0.12, 0.13)):
        assert colour[0] > 1.3 * colour[1] > 1.6 * colour[2]


def test_cleared_leaves_light_grey() -> None:
    assert clear((0.3, 0.3, 0.3)) == pytest.approx(np.full((1, 3), 0.3))


def test_iris_colour_ignores_lamps_and_pupils_and_follows_the_picture() -> None:
    brown = torch.tensor([0.3, 0.2, 0.1])
    points = torch.zeros(1, 478, 2)
    for (middle, *border), x in zip(IRISES, (0.25, 0.75), strict=True):
        points[:, middle] = torch.tensor([x, 0.5])
        points[:, border] = points[:, [middle]] + torch.tensor([[0.2, 0], [0, 0.2], [-0.2, 0], [0, -0.2]])
    picture = brown[None, :, None, None].repeat(1, 1, SIDE, SIDE)
    places = (iris_places(points)[0] * SIDE).long()
    for k, light in [(k, 1.0) for k in range(4)] + [(k, 0.0) for k in range(31, 36)]:
        x, y = places[k].tolist()
        picture[..., y - 1:y + 2, x - 1:x + 2] = light
    picture.requires_grad_()
    colour = iris_colour(picture, points)
    assert colour.detach().numpy() == pytest.approx(brown[None].numpy())
    torch.autograd.backward(colour.sum())
    assert picture.grad is not None
    assert picture.grad.sum() == pytest.approx(3, rel=1e-4)


def test_iris_places_lie_within_the_irises(face_points: Tensor) -> None:
    reference = (face_points[:, :2] / 512).numpy()
    places = iris_places(torch.from_numpy(reference[None]))[0].reshape(2, -1, 2).numpy()
    for spots, (middle, *border) in zip(places, IRISES, strict=True):
        radius = np.linalg.norm(reference[border] - reference[middle], axis=1).mean()
        assert np.linalg.norm(spots - reference[middle], axis=1).max() < 0.8 * radius
