import numpy as np
import pytest
from torch import Tensor

from facenn.arrays import Floats
from facenn.perception.skin import GRID, SkinSpots


@pytest.fixture(scope="module")
def reference(face_points: Tensor) -> Floats:
    return (face_points[:, :2] / 512).numpy()


@pytest.fixture(scope="module")
def spots(reference: Floats) -> SkinSpots:
    return SkinSpots(reference)


def test_spots_lie_on_a_grid_of_the_reference(spots: SkinSpots, reference: Floats) -> None:
    places = spots.places(reference[None])[0] * GRID - 0.5
    assert len(places) > 50
    assert places == pytest.approx(places.round(), abs=1e-3)


def test_spots_moves_with_the_landmarks(spots: SkinSpots, reference: Floats) -> None:
    moved = spots.places((2 * reference + 0.1)[None])
    assert moved == pytest.approx(2 * spots.places(reference[None]) + 0.1, abs=1e-5)


def test_tones_are_means(spots: SkinSpots) -> None:
    grey = np.full((2, len(spots), 3), 0.4, np.float32)
    assert spots.tones(grey) == pytest.approx(np.full((2, spots.patches, 3), 0.4))


def test_relief_ignores_how_light_all_of_the_skin_is(spots: SkinSpots) -> None:
    flat = np.full((1, len(spots), 3), 0.4, np.float32)
    assert spots.relief(flat) == pytest.approx(np.zeros((1, len(spots))), abs=1e-4)
    spotted = flat.copy()
    spotted[0, 10] = 0.1
    assert spots.relief(spotted)[0].argmin() == 10


def test_pull_back_is_the_derivative_of_tones_and_relief(spots: SkinSpots) -> None:
    chance = np.random.default_rng(0)
    skin, direction = (chance.uniform(0.2, 0.8, (len(spots), 3)).astype(np.float32) for _ in range(2))
    tones = chance.standard_normal((spots.patches, 3)).astype(np.float32)
    relief = chance.standard_normal(len(spots)).astype(np.float32)

    def function(colours: Floats) -> float:
        return float((spots.tones(colours[None])[0] * tones).sum() + (spots.relief(colours[None])[0] * relief).sum())

    step = np.float32(1e-3)
    change = (function(skin + step * direction) - function(skin - step * direction)) / 2e-3
    assert float((spots.pull_back(skin, tones, relief) * direction).sum()) == pytest.approx(change, rel=5e-3)
