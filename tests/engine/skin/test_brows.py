import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.layout import BROW_ACROSS_RANGE, BROW_ALONG_LOW, BROW_ALONG_RANGE, BROW_FRAME, Brow
from facenn.engine.skin.brows import BROW_STYLES, brow_map
from facenn.engine.skin.maps import SkinMaps

Maps = dict[str, NDArray[np.uint8]]


@pytest.fixture(scope="module")
def drawn(maps: SkinMaps) -> Maps:
    return {name: maps.brows(name) for name in BROW_STYLES}


def columns_at(x: float) -> list[int]:
    """The columns at a distance from the middle of the face, left and right."""
    return [round((side * x - BROW_FRAME.left) * BROW_FRAME.scale - 0.5) for side in (-1, 1)]


@pytest.mark.parametrize("name", BROW_STYLES)
def test_brow_map_covers_its_place_on_the_face(drawn: Maps, name: str) -> None:
    assert drawn[name].shape == (*BROW_FRAME.shape, len(Brow))
    assert drawn[name].dtype == np.uint8


@pytest.mark.parametrize("name", BROW_STYLES)
def test_hairs_grow_on_both_sides_and_not_at_the_edges(drawn: Maps, name: str) -> None:
    hairs, middle = drawn[name][..., Brow.HAIRS], drawn[name].shape[1] // 2
    left, right = ((half > 100).sum() for half in (hairs[:, :middle], hairs[:, middle:]))
    assert left == pytest.approx(right, rel=0.1)
    assert 300 < left < 40000
    for edge in (hairs[0], hairs[-1], hairs[:, 0], hairs[:, -1]):
        assert not edge.any()
    assert not hairs[:, slice(*columns_at(0.02))].any()


@pytest.mark.parametrize("name", BROW_STYLES)
def test_along_goes_from_0_at_the_inner_end_to_1_at_the_tail(drawn: Maps, name: str) -> None:
    inner, _, outer = BROW_STYLES[name].across
    for x, expected in ((inner, 0), ((inner + outer) / 2, 0.5), (outer, 1)):
        for column in columns_at(x):
            along = drawn[name][:, column, Brow.ALONG] / 255 * BROW_ALONG_RANGE + BROW_ALONG_LOW
            assert along == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", BROW_STYLES)
def test_across_is_zero_on_the_middle_line_and_one_at_half_the_thickness(drawn: Maps, name: str) -> None:
    style = BROW_STYLES[name]
    for x, y, thickness in list(zip(style.across, style.height, style.thickness, strict=True))[:2]:
        for column in columns_at(x):
            across = drawn[name][:, column, Brow.ACROSS] / 255 * BROW_ACROSS_RANGE
            middle = across.argmin()
            assert BROW_FRAME.high - (middle + 0.5) / BROW_FRAME.scale == pytest.approx(y, abs=0.006)
            assert across[middle] < 0.25
            away = round(thickness / 2 * BROW_FRAME.scale)
            assert across[[middle - away, middle + away]] == pytest.approx(1, abs=0.3)
            assert (np.diff(across[: middle + 1]) <= 0).all()


@pytest.mark.parametrize("name", BROW_STYLES)
def test_hairs_lie_along_the_middle_line(drawn: Maps, name: str) -> None:
    weight, across = drawn[name][..., Brow.HAIRS].astype(float), drawn[name][..., Brow.ACROSS] / 255 * BROW_ACROSS_RANGE
    assert (weight * across).sum() / weight.sum() < 1.6
    assert weight[across > 3.9].sum() < 0.2 * weight.sum()


def test_every_style_is_its_own(drawn: Maps) -> None:
    names = list(drawn)
    for i, one in enumerate(names):
        for other in names[i + 1:]:
            assert (drawn[one][..., Brow.ACROSS] != drawn[other][..., Brow.ACROSS]).mean() > 0.05


def test_bushy_brows_have_most_hair_and_thin_ones_least(drawn: Maps) -> None:
    cover = {name: float(brows[..., Brow.HAIRS].mean()) for name, brows in drawn.items()}
    assert max(cover, key=lambda name: cover[name]) == "bushy"
    assert min(cover, key=lambda name: cover[name]) == "thin"


def test_short_brows_end_first(drawn: Maps) -> None:
    ends = {name: int(np.flatnonzero((brows[..., Brow.HAIRS] > 100).any(0)).max()) for name, brows in drawn.items()}
    assert min(ends, key=lambda name: ends[name]) == "short"


def test_brow_map_is_a_function_of_style_and_generator(drawn: Maps) -> None:
    style = BROW_STYLES["thin"]
    again, other = (brow_map(style, np.random.default_rng(seed)) for seed in (list(BROW_STYLES).index("thin"), 99))
    assert np.array_equal(drawn["thin"], again)
    assert not np.array_equal(drawn["thin"][..., Brow.HAIRS], other[..., Brow.HAIRS])
    assert np.array_equal(drawn["thin"][..., Brow.ACROSS], other[..., Brow.ACROSS])
