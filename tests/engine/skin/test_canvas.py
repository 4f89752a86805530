import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.layout import CANVAS_FRAME, ZONES, Canvas
from facenn.engine.skin.canvas import BEHIND, encoded, on_canvas, spot
from facenn.engine.skin.maps import SkinMaps

PAINT = ("BLUSH", "EYE_SHADOW", "LINER", "FRECKLES", "MOLES", "CIRCLES", "GROOVE")
MIRRORED = ("BLUSH", "EYE_SHADOW", "LINER", "CIRCLES")


@pytest.fixture(scope="module")
def face(maps: SkinMaps) -> NDArray[np.uint8]:
    return maps.canvas


@pytest.fixture(scope="module")
def blank() -> NDArray[np.uint8]:
    """(len(Canvas),) what stands where nothing is."""
    empty = np.zeros(len(Canvas), np.uint8)
    empty[[Canvas.LEAN_X, Canvas.LEAN_Y]] = 128
    return empty


def channel(face: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = face[..., Canvas[name]]
    return values


def place(face: NDArray[np.uint8], name: str) -> tuple[float, float]:
    """Mean |x| and y of what a channel holds, in decimetres."""
    weight = channel(face, name).astype(float)
    rows, columns = np.indices(weight.shape)
    x = np.abs(CANVAS_FRAME.left + (columns + 0.5) / CANVAS_FRAME.scale)
    y = CANVAS_FRAME.high - (rows + 0.5) / CANVAS_FRAME.scale
    return float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())


def test_canvas_covers_the_front_of_the_face(face: NDArray[np.uint8]) -> None:
    assert face.dtype == np.uint8
    assert face.shape == (*CANVAS_FRAME.shape, len(Canvas))


@pytest.mark.parametrize("name", PAINT)
def test_every_channel_holds_something_and_not_everywhere(face: NDArray[np.uint8], name: str) -> None:
    assert channel(face, name).max() > 100
    assert (channel(face, name) > 20).mean() < 0.25


@pytest.mark.parametrize(("name", "x", "y"), [("BLUSH", 0.46, 7.03), ("EYE_SHADOW", 0.31, 7.435),
                                              ("LINER", 0.32, 7.36), ("CIRCLES", 0.28, 7.26)])
def test_make_up_lies_where_it_is_worn(face: NDArray[np.uint8], name: str, x: float, y: float) -> None:
    assert place(face, name) == pytest.approx((x, y), abs=0.03)


@pytest.mark.parametrize("name", MIRRORED)
def test_make_up_is_the_same_on_both_sides(face: NDArray[np.uint8], name: str) -> None:
    values = channel(face, name).astype(int)
    assert np.abs(values - values[:, ::-1]).max() <= 1


def test_painted_is_zero_only_where_nothing_is(face: NDArray[np.uint8], blank: NDArray[np.uint8]) -> None:
    others = np.arange(len(Canvas)) != Canvas.PAINTED
    holds = (np.abs(face.astype(int) - blank)[..., others] > 1).any(-1)
    painted = channel(face, "PAINTED") > 0
    assert not (holds & ~painted).any()
    assert 0.2 < painted.mean() < 0.95  # it saves the reading of the rest
    assert painted.sum() < 1.3 * holds.sum()


def test_neighbours_of_what_is_painted_are_looked_up_too(face: NDArray[np.uint8], blank: NDArray[np.uint8]) -> None:
    """A lookup between pixels mixes four of them."""
    others = np.arange(len(Canvas)) != Canvas.PAINTED
    holds = (np.abs(face.astype(int) - blank)[..., others] > 1).any(-1)
    painted = channel(face, "PAINTED") > 0
    for shift in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)):
        assert not (np.roll(holds, shift, (0, 1))[2:-2, 2:-2] & ~painted[2:-2, 2:-2]).any()


def test_edges_are_blank_for_what_lies_outside_looks_up_the_edge(face: NDArray[np.uint8],
                                                                 blank: NDArray[np.uint8]) -> None:
    others = np.arange(len(Canvas)) != Canvas.PAINTED
    for edge in (face[0], face[-1], face[:, 0], face[:, -1]):
        assert (edge[:, others] == blank[others]).all()


def test_zones_are_those_of_the_lines_and_hold_grooves(face: NDArray[np.uint8]) -> None:
    zones = channel(face, "ZONE")
    assert set(np.unique(zones)) == set(range(len(ZONES) + 1))
    for zone in range(1, len(ZONES) + 1):
        assert channel(face, "GROOVE")[zones == zone].max() > 80
    assert channel(face, "GROOVE")[zones == 0].max() <= 2


def test_on_canvas_measures_from_the_lower_left_corner() -> None:
    frame = CANVAS_FRAME
    points = np.array([[frame.left, frame.low, 1], [frame.right, frame.high, 1], [0, 7.1, 1.5]])
    assert on_canvas(points) == pytest.approx(np.array([[0, 0], [1, 1], [0.5, 0.5]]), abs=1e-6)


def test_on_canvas_puts_what_is_behind_outside_on_its_own_side() -> None:
    behind = np.array([[-0.3, 7.1, BEHIND - 0.1], [0.3, 7.1, BEHIND - 0.1]])
    left, right = on_canvas(behind)
    assert left[0] < 0
    assert right[0] > 1


def test_encoded_keeps_shares_and_signs() -> None:
    assert encoded(np.array([-1.0, 0, 0.5, 1, 9]), signed=False).tolist() == [0, 0, 127, 255, 255]
    assert encoded(np.array([-9.0, -1, 0, 1]), signed=True).tolist() == [0, 1, 128, 255]


def test_spot_is_flatter_with_a_harder_edge_at_a_higher_power() -> None:
    x = np.array([0.0, 0.5, 1.0, 1.5])
    soft, hard = (spot(2 + 0.1 * x, 0 * x, 2, 0, 0.1, 1, power) for power in (1, 3))
    assert soft[0] == hard[0] == 1
    assert hard[1] > soft[1]
    assert hard[2] == pytest.approx(soft[2]) == pytest.approx(np.exp(-1))
    assert hard[3] < soft[3]
