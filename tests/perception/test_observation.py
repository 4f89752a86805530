import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.arrays import Floats
from facenn.networks.facemesh import FOREHEAD
from facenn.networks.frozen import Frozen
from facenn.perception.cells import CELLS
from facenn.perception.observation import SIDE, Observation, Observer, joined
from facenn.perception.skin import SkinSpots


@pytest.fixture(scope="module")
def reference(face_points: Tensor) -> Floats:
    return (face_points[:, :2] / 512).numpy()


@pytest.fixture(scope="module")
def spots(reference: Floats) -> SkinSpots:
    return SkinSpots(reference)


@pytest.fixture(scope="module")
def observer(frozen: Frozen, spots: SkinSpots) -> Observer:
    return Observer(frozen.finder, frozen.views, spots)


@pytest.fixture(scope="module")
def photo(astronaut: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(astronaut[None], 512 // SIDE)


def test_observer_sees_the_same_wherever_it_looks_first(observer: Observer, photo: Tensor, face_points: Tensor) -> None:
    points = face_points[None] / 2
    near, beside = (observer.see(photo, start, passes=2) for start in (points, points + 4))
    assert near.points == pytest.approx(beside.points, abs=0.01)
    assert float((near.embedding * beside.embedding).sum()) > 0.95


def test_observer_knows_the_hair_that_they_are_told_of(observer: Observer, photo: Tensor, face_points: Tensor) -> None:
    hair = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    hair[:, :, : SIDE // 2] = True
    seen = observer.see_at(photo, face_points[None] / 2, hair=hair)
    assert seen.cover[0, :, 0].min() == 1
    assert seen.cover[0, :, -1].max() == 0
    assert np.linalg.norm(seen.embedding) == pytest.approx(1)


def test_observer_sees_brown_irises_and_brown_hair_in_a_photo(observer: Observer, photo: Tensor, face_points: Tensor
                                                               ) -> None:
    seen = observer.see_at(photo, face_points[None] / 2)
    for colour in (seen.iris[0], seen.hair[0]):
        assert colour[0] > colour[1] > colour[2]
        assert colour.max() < 0.45
    above, beside = ((face_points[FOREHEAD, [1, 0]] / 512 * CELLS).int() - torch.tensor([1, 0])).tolist()
    assert seen.cover[0, above, beside] > 0.8
    assert seen.cover[0, above + 4, beside] < 0.2


def test_joined_is_undone_by_take(observer: Observer, photo: Tensor, face_points: Tensor) -> None:
    one = observer.see_at(photo, face_points[None] / 2)
    darker = observer.see_at(photo / 2, face_points[None] / 2)
    both: Observation = joined([one, darker])
    assert len(both) == 2
    assert np.array_equal(both.take([1]).skin, darker.skin)
