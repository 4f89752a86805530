import numpy as np
import pytest

from facenn.engine.hair import CARD_COLUMNS, HAIR_STYLES, HairCards, HairStyle, grow, lash_texture, strand_texture
from facenn.engine.head import Head, Part

GROWN = {name: style for name, style in HAIR_STYLES.items() if style is not None}


def grown(head: Head, skin: Part, style: HairStyle, seed: int = 11) -> HairCards:
    ears = np.zeros(skin.positions_of.shape[0], bool)
    return grow(head, skin, ears, style, np.random.default_rng(seed))


@pytest.fixture(scope="module", params=GROWN)
def style(request: pytest.FixtureRequest) -> HairStyle:
    return GROWN[request.param]


@pytest.fixture(scope="module")
def cards(head: Head, skin: Part, style: HairStyle) -> HairCards:
    return grown(head, skin, style)


def test_cards_are_whole_ribbons_on_the_strand_texture(cards: HairCards, style: HairStyle) -> None:
    count = len(cards.uv)
    assert count % (2 * (style.segments + 1)) == 0
    assert len(cards.triangles) == count // (style.segments + 1) * style.segments
    assert set(np.unique(cards.triangles)) == set(range(count))
    assert ((cards.uv >= 0) & (cards.uv <= 1)).all()
    column = np.floor(cards.uv[cards.triangles][..., 0] * CARD_COLUMNS)
    assert (column == column[:, :1]).all()


def test_cards_hang_on_the_head_by_averages(cards: HairCards, head: Head) -> None:
    assert np.allclose(cards.positions_of.sum(1), 1)
    moved = np.array([0.1, -0.2, 0.3])
    difference = cards.positions_of @ (head.base + moved) - cards.positions_of @ head.base
    assert np.abs(difference - moved).max() < 1e-4


def test_cards_surround_the_skull_with_unit_normals(cards: HairCards, head: Head) -> None:
    positions = cards.positions_of @ head.base + cards.offset
    assert np.isfinite(positions).all()
    assert np.linalg.norm(cards.normals, axis=1) == pytest.approx(1, abs=1e-3)
    assert positions[:, 1].max() > 8.2
    assert np.abs(positions[:, 0]).max() < 2
    assert np.ptp(positions[:, 0]) > 1.2


def test_cards_leave_the_eyes_free(cards: HairCards, head: Head) -> None:
    positions = cards.positions_of @ head.base + cards.offset
    x, y, z = np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]
    assert not ((z > 0.9) & (x < 0.4) & (y > 7.0) & (y < 7.4)).any()


def test_cards_are_sorted_front_to_back(cards: HairCards, head: Head, style: HairStyle) -> None:
    positions = cards.positions_of @ head.base + cards.offset
    per_card = positions[cards.triangles].mean(1)[:, 2].reshape(-1, 2 * style.segments)
    assert (np.diff(per_card.max(1)) < 0.1).all()


def test_the_same_generator_grows_the_same_cards(head: Head, skin: Part) -> None:
    crop = GROWN["crop"]
    one, same, other = (grown(head, skin, crop, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.offset, same.offset)
    assert one.offset.shape != other.offset.shape or not np.array_equal(one.offset, other.offset)


def test_no_card_grows_on_the_ears(head: Head, skin: Part) -> None:
    sides = np.abs((skin.positions_of @ head.base)[:, 0]) > 0.3
    cards = grow(head, skin, sides, GROWN["crop"], np.random.default_rng(0))
    roots = (cards.positions_of @ head.base + cards.offset)[::2 * (GROWN["crop"].segments + 1)]
    assert np.abs(roots[:, 0]).max() < 0.42


def test_longer_styles_reach_lower(head: Head, skin: Part) -> None:
    lowest = {}
    for name in ("crop", "bob", "long"):
        cards = grown(head, skin, GROWN[name])
        lowest[name] = (cards.positions_of @ head.base + cards.offset)[:, 1].min()
    assert lowest["long"] < lowest["bob"] < lowest["crop"]


def test_strand_texture_has_see_through_borders_between_cards() -> None:
    texture = strand_texture(np.random.default_rng(3))
    assert texture.shape == (256, 48 * CARD_COLUMNS, 2)
    coverage = texture[..., 1].astype(float).reshape(256, CARD_COLUMNS, 48)
    assert coverage[:, :, [0, 47]].max() < 90
    assert (coverage[:100].mean((0, 2)) > coverage[-20:].mean((0, 2))).all()


def test_lash_texture_grows_from_the_top_and_is_longer_above_the_eye() -> None:
    texture = lash_texture(np.random.default_rng(1))
    assert texture.shape == (128, 1024, 2)
    upper, lower = texture[:, :512, 1], texture[:, 512:, 1]
    assert upper[:4, :500].min() > 200
    assert upper.astype(float).sum() > 3 * lower.astype(float).sum() > 0
    assert upper[-1].max() == 0
