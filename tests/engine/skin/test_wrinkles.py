import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.layout import ZONES
from facenn.engine.skin.wrinkles import relief

LEFT, BOTTOM, SCALE = -0.8, 6.0, 200
SHAPE = (round(2.2 * SCALE), round(1.6 * SCALE))
Relief = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]

WHERE = {"folds": (6.6, 7.05), "forehead": (7.55, 8.05), "corners": (7.15, 7.5), "frown": (7.35, 7.7),
         "mouth": (6.4, 6.95), "bags": (7.1, 7.35), "neck": (6.0, 6.35), "crease": (7.3, 7.5)}
"""y in decimetres between which the middle of each zone lies."""


def drawn(seed: int = 4) -> Relief:
    return relief(LEFT, BOTTOM, SHAPE, SCALE, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def lines() -> Relief:
    return drawn()


def zone_of(lines: Relief, name: str) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = lines[3] == ZONES.index(name) + 1
    return mask


def test_relief_has_the_size_asked_for_and_known_ranges(lines: Relief) -> None:
    lean_x, lean_y, depth, zones = lines
    assert lean_x.shape == lean_y.shape == depth.shape == zones.shape == SHAPE
    assert max(np.abs(lean_x).max(), np.abs(lean_y).max()) < 1
    assert 0.8 < depth.max() <= 1.0
    assert depth.min() == 0


def test_all_zones_are_present_and_nothing_else(lines: Relief) -> None:
    assert set(np.unique(lines[3])) == set(range(len(ZONES) + 1))
    for name in ZONES:
        assert zone_of(lines, name).sum() > 200, name


@pytest.mark.parametrize("name", ZONES)
def test_zone_lies_where_its_lines_are(lines: Relief, name: str) -> None:
    rows = np.nonzero(zone_of(lines, name))[0]
    low, high = WHERE[name]
    assert low < 6.0 + (SHAPE[0] - rows.mean()) / SCALE < high


@pytest.mark.parametrize("name", ZONES)
def test_zone_covers_both_sides_alike(lines: Relief, name: str) -> None:
    mask, middle = zone_of(lines, name), SHAPE[1] // 2
    left, right = mask[:, :middle], mask[:, middle:][:, ::-1]
    assert left.sum() == pytest.approx(right.sum(), rel=0.12)
    assert (left & right).sum() > 0.6 * (left | right).sum()  # lines wander, each side in its own way


def test_there_is_no_relief_outside_of_the_zones(lines: Relief) -> None:
    lean_x, lean_y, depth, zones = lines
    outside = zones == 0
    assert outside.mean() > 0.2
    assert depth[outside].max() <= 0.004
    assert depth[~outside].min() > 0.004
    assert np.abs(lean_x[outside]).max() < 0.05
    assert np.abs(lean_y[outside]).max() < 0.05


def test_walls_of_a_groove_lean_towards_its_middle(lines: Relief) -> None:
    """Across a line of the forehead: above it the skin faces down, below it up."""
    _, lean_y, depth, zones = lines
    column = SHAPE[1] // 2 + round(0.2 * SCALE)
    band = np.flatnonzero(zones[:, column] == ZONES.index("forehead") + 1)
    deepest = band[depth[band, column].argmax()]
    assert lean_y[deepest - 3, column] < -0.05
    assert lean_y[deepest + 3, column] > 0.05


def test_relief_is_a_function_of_its_generator(lines: Relief) -> None:
    again = drawn()
    for k in range(4):
        assert np.array_equal(np.asarray(lines[k]), np.asarray(again[k]))
    assert not np.array_equal(lines[2], drawn(5)[2])
