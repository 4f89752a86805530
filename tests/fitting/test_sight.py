import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.fitting.face import CELLS
from facenn.fitting.sight import GRID, SIDE, Eyes, Floats, Layout, Sights, iris_colour, iris_places, joined
from facenn.networks.facemesh import FOREHEAD, IRISES
from facenn.networks.frozen import Frozen


@pytest.fixture(scope="module")
def reference(face_points: Tensor) -> Floats:
    return (face_points[:, :2] / 512).numpy()


@pytest.fixture(scope="module")
def layout(reference: Floats) -> Layout:
    return Layout(reference)


@pytest.fixture(scope="module")
def eyes(frozen: Frozen, layout: Layout) -> Eyes:
    return Eyes(frozen.finder, frozen.views, layout)


@pytest.fixture(scope="module")
def photo(astronaut: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(astronaut[None], 512 // SIDE)


def test_layout_has_its_spots_on_a_grid_of_the_reference(layout: Layout, reference: Floats) -> None:
    places = layout.places(reference[None])[0] * GRID - 0.5
    assert len(places) > 50
    assert places == pytest.approx(places.round(), abs=1e-3)


def test_layout_moves_with_the_landmarks(layout: Layout, reference: Floats) -> None:
    moved = layout.places((2 * reference + 0.1)[None])
    assert moved == pytest.approx(2 * layout.places(reference[None]) + 0.1, abs=1e-5)


def test_tones_are_means(layout: Layout) -> None:
    grey = np.full((2, len(layout), 3), 0.4, np.float32)
    assert layout.tones(grey) == pytest.approx(np.full((2, layout.patches, 3), 0.4))


def test_relief_ignores_how_light_all_of_the_skin_is(layout: Layout) -> None:
    flat = np.full((1, len(layout), 3), 0.4, np.float32)
    assert layout.relief(flat) == pytest.approx(np.zeros((1, len(layout))), abs=1e-4)
    spotted = flat.copy()
    spotted[0, 10] = 0.1
    assert layout.relief(spotted)[0].argmin() == 10


def test_eyes_see_the_same_wherever_they_look_first(eyes: Eyes, photo: Tensor, face_points: Tensor) -> None:
    points = face_points[None] / 2
    near, beside = (eyes.see(photo, start, passes=2) for start in (points, points + 4))
    assert near.points == pytest.approx(beside.points, abs=0.01)
    assert float((near.embedding * beside.embedding).sum()) > 0.95


def test_eyes_know_the_hair_that_they_are_told_of(eyes: Eyes, photo: Tensor, face_points: Tensor) -> None:
    hair = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    hair[:, :, : SIDE // 2] = True
    seen = eyes.see_at(photo, face_points[None] / 2, hair=hair)
    assert seen.cover[0, :, 0].min() == 1
    assert seen.cover[0, :, -1].max() == 0
    assert np.linalg.norm(seen.embedding) == pytest.approx(1)


def test_eyes_see_brown_irises_and_brown_hair_in_a_photo(eyes: Eyes, photo: Tensor, face_points: Tensor) -> None:
    seen = eyes.see_at(photo, face_points[None] / 2)
    for colour in (seen.iris[0], seen.hair[0]):
        assert colour[0] > colour[1] > colour[2]
        assert colour.max() < 0.45
    above, beside = ((face_points[FOREHEAD, [1, 0]] / 512 * CELLS).int() - torch.tensor([1, 0])).tolist()
    assert seen.cover[0, above, beside] > 0.8
    assert seen.cover[0, above + 4, beside] < 0.2


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


def test_iris_places_lie_within_the_irises(reference: Floats) -> None:
    places = iris_places(torch.from_numpy(reference[None]))[0].reshape(2, -1, 2).numpy()
    for spots, (middle, *border) in zip(places, IRISES, strict=True):
        radius = np.linalg.norm(reference[border] - reference[middle], axis=1).mean()
        assert np.linalg.norm(spots - reference[middle], axis=1).max() < 0.8 * radius


def test_joined_is_undone_by_take(eyes: Eyes, photo: Tensor, face_points: Tensor) -> None:
    one = eyes.see_at(photo, face_points[None] / 2)
    darker = eyes.see_at(photo / 2, face_points[None] / 2)
    both: Sights = joined([one, darker])
    assert len(both) == 2
    assert np.array_equal(both.take([1]).skin, darker.skin)
