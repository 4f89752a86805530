from dataclasses import replace

import numpy as np
import pytest

from facenn.engine.hair.growth import HairCards, grow
from facenn.engine.hair.strands import CARD_COLUMNS, lash_texture, strand_texture
from facenn.engine.hair.styles import HAIR_STYLES, HairStyle
from facenn.engine.head.asset import SKULL, Head, Part, azimuth_elevation, hairline

ORDER = ("bald", "buzz", "crop", "slick", "side_part", "fringe", "bob", "long", "tied_back", "curly", "afro",
         "receding", "swept", "bun", "tousled", "mop", "high_top")
GROWN = {name: style for name, style in HAIR_STYLES.items() if style is not None}


def grown(head: Head, skin: Part, style: HairStyle, seed: int = 11) -> HairCards:
    ears = np.zeros(skin.positions_of.shape[0], bool)
    return grow(head, skin, ears, style, np.random.default_rng(seed))


def points_of(head: Head, skin: Part, name: str) -> np.ndarray:
    """(3, N) vertices of a style's cards."""
    cards = grown(head, skin, GROWN[name])
    points: np.ndarray = (cards.positions_of @ head.base + cards.offset).T
    return points


@pytest.fixture(scope="module", params=GROWN)
def style(request: pytest.FixtureRequest) -> HairStyle:
    return GROWN[request.param]


@pytest.fixture(scope="module")
def cards(head: Head, skin: Part, style: HairStyle) -> HairCards:
    return grown(head, skin, style)


def test_hair_styles_come_in_the_order_of_the_editor() -> None:
    assert tuple(HAIR_STYLES) == ORDER
    assert [name for name, style in HAIR_STYLES.items() if style is None] == ["bald", "buzz"]
    assert [name for name, style in GROWN.items() if style.recession > 0] == ["receding"]


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


def test_cards_leave_the_face_free(cards: HairCards, head: Head) -> None:
    positions = (cards.positions_of @ head.base + cards.offset)[cards.triangles[cards.root_height >= 0]]
    x, y, z = np.abs(positions[..., 0]), positions[..., 1], positions[..., 2]
    assert not ((z > 0.9) & (x < 0.45) & (y > 6.3) & (y < 7.5)).any()


@pytest.mark.parametrize("name", ["slick", "side_part", "long", "tied_back", "bun"])
def test_hair_without_a_fringe_leaves_the_forehead_free(head: Head, skin: Part, name: str) -> None:
    cards = grown(head, skin, GROWN[name])
    positions = (cards.positions_of @ head.base + cards.offset)[cards.triangles[cards.root_height >= 0]]
    x, y, z = np.abs(positions[..., 0]), positions[..., 1], positions[..., 2]
    assert not ((z > 0.9) & (x < 0.3) & (y < 7.9)).any()


def test_triangles_are_sorted_front_to_back(cards: HairCards, head: Head) -> None:
    depth = (cards.positions_of @ head.base + cards.offset)[:, 2][cards.triangles].max(1)
    assert (np.diff(depth) < 1e-4).all()


def test_occlusion_is_a_share_and_darkens_roots(cards: HairCards, style: HairStyle) -> None:
    assert (cards.occlusion >= 0).all()
    assert (cards.occlusion <= 1).all()
    along = cards.occlusion.reshape(-1, style.segments + 1, 2).mean((0, 2))
    assert along[0] < 0.95 * along[style.segments // 2]


def test_root_height_is_one_number_per_card_down_to_the_lowest_hairline(cards: HairCards, style: HairStyle) -> None:
    assert cards.root_height.shape == (len(cards.triangles),)
    card = cards.triangles[:, 0] // (2 * (style.segments + 1))
    lowest, highest = np.full(card.max() + 1, np.inf), np.full(card.max() + 1, -np.inf)
    np.minimum.at(lowest, card, cards.root_height)
    np.maximum.at(highest, card, cards.root_height)
    assert np.array_equal(lowest, highest)
    assert -12 < cards.root_height.min() < -6
    assert cards.root_height.max() > 40


def test_a_higher_hairline_leaves_fewer_cards_whose_roots_start_higher(head: Head, skin: Part) -> None:
    cards = grown(head, skin, GROWN["crop"])
    roots = (cards.positions_of @ head.base + cards.offset)[::2 * (GROWN["crop"].segments + 1)]
    counts, lowest = [], []
    for offset in (-8, 0, 8):
        shown = cards.triangles[cards.root_height >= offset]
        card = np.unique(shown // (2 * (GROWN["crop"].segments + 1)))
        front = roots[card][np.abs(roots[card, 0]) < 0.25]
        counts.append(len(shown))
        lowest.append(front[front[:, 2] > 0.8, 1].min())
    assert counts[0] > counts[1] > counts[2] > 0
    assert lowest[0] < lowest[1] - 0.05 < lowest[2] - 0.1


def test_receding_hair_leaves_the_temples_bare(head: Head, skin: Part) -> None:
    def at_the_temples(name: str) -> int:
        cards = grown(head, skin, GROWN[name])
        roots = (cards.positions_of @ head.base + cards.offset)[::2 * (GROWN[name].segments + 1)]
        shown = np.unique(cards.triangles[cards.root_height >= 0] // (2 * (GROWN[name].segments + 1)))
        azimuth, elevation = azimuth_elevation(roots[shown] - SKULL)
        return int(((azimuth > 25) & (azimuth < 45) & (elevation < hairline(azimuth) + 12)).sum())

    assert at_the_temples("receding") == 0
    assert at_the_temples("crop") > 10


def test_cards_behind_the_head_are_not_grown(head: Head, skin: Part) -> None:
    cards = grown(head, skin, GROWN["crop"])
    positions = cards.positions_of @ head.base + cards.offset
    hidden = (positions[:, 2] < -0.3) & (np.abs(positions[:, 0]) < 0.4) & (positions[:, 1] < 7.8)
    assert not hidden.any()


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
    lowest = {name: points_of(head, skin, name)[1].min() for name in ("crop", "bob", "long")}
    assert lowest["long"] < lowest["bob"] < lowest["crop"]


def test_strand_texture_has_see_through_borders_between_cards() -> None:
    texture = strand_texture(np.random.default_rng(3))
    assert texture.shape == (256, 48 * CARD_COLUMNS, 2)
    coverage = texture[..., 1].astype(float).reshape(256, CARD_COLUMNS, 48)
    assert coverage[:, :, [0, 47]].max() < 90
    assert coverage[20:100, :4, 18:30].mean() > 240
    assert (coverage[:100].mean((0, 2)) > coverage[-20:].mean((0, 2))).all()


def test_lash_texture_grows_from_the_top_and_is_longer_above_the_eye() -> None:
    texture = lash_texture(np.random.default_rng(1))
    assert texture.shape == (128, 1024, 2)
    upper, lower = texture[:, :512, 1], texture[:, 512:, 1]
    assert upper[:4, :500].min() > 200
    assert upper.astype(float).sum() > 3 * lower.astype(float).sum() > 0
    assert upper[-1].max() == 0


def test_a_tail_falls_beside_the_neck_where_hair_is_tied_back(head: Head, skin: Part) -> None:
    def beside_the_neck(name: str) -> int:
        x, y, _ = points_of(head, skin, name)
        return int(((np.abs(x) > 0.55) & (y > 6) & (y < 6.6)).sum())

    assert beside_the_neck("tied_back") > 50
    assert beside_the_neck("slick") == 0


def test_swept_hair_crosses_the_forehead_to_one_side(head: Head, skin: Part) -> None:
    def lowest_in_front(name: str) -> list[float]:
        x, y, z = points_of(head, skin, name)
        return [y[(z > 0.8) & (side * x > 0.3) & (side * x < 0.55)].min() for side in (-1, 1)]

    crossed, free = lowest_in_front("swept")
    assert crossed < free - 0.1
    assert crossed < lowest_in_front("tied_back")[0]


def test_a_bun_stands_on_top_and_curls_hang_beside_the_face(head: Head, skin: Part) -> None:
    (x, y, _), tied = points_of(head, skin, "bun"), points_of(head, skin, "tied_back")
    top = y > tied[1].max() + 0.04
    assert top.sum() > 500
    assert np.abs(x[top]).mean() < 0.2
    assert ((np.abs(x) > 0.6) & (y > 6.5) & (y < 6.9)).sum() > 40


def test_tousled_hair_falls_into_the_forehead_and_a_mop_over_the_ears(head: Head, skin: Part) -> None:
    def in_front(name: str) -> float:
        x, y, z = points_of(head, skin, name)
        return float(y[(np.abs(x) < 0.3) & (z > 0.8)].min())

    assert in_front("mop") < in_front("tousled") < in_front("crop") - 0.05
    (x, y, _), crop = points_of(head, skin, "mop"), points_of(head, skin, "crop")
    assert y[np.abs(x) > 0.85].min() < crop[1][np.abs(crop[0]) > 0.85].min() - 0.1


def test_a_high_top_is_long_on_top_alone(head: Head, skin: Part) -> None:
    (x, y, _), afro = points_of(head, skin, "high_top"), points_of(head, skin, "afro")
    assert y.max() > 8.6
    assert np.abs(x[y < 7.8]).max() < np.abs(afro[0][afro[1] < 7.8]).max() - 0.05


def test_layers_grow_beside_the_style_that_has_them(head: Head, skin: Part) -> None:
    style = GROWN["tied_back"]
    alone, layer = (grown(head, skin, replace(s, layers=())) for s in (style, style.layers[0]))
    both = grown(head, skin, replace(style, layers=style.layers[:1]))
    assert len(both.uv) == pytest.approx(len(alone.uv) + len(layer.uv), rel=0.02)
    assert set(np.unique(both.triangles)) == set(range(len(both.uv)))


def test_roots_stay_between_the_azimuths_and_heights_of_a_layer(head: Head, skin: Part) -> None:
    style = replace(GROWN["crop"], azimuths=(20, 60), heights=(-5, 15))
    cards = grown(head, skin, style)
    roots = (cards.positions_of @ head.base + cards.offset)[::2 * (style.segments + 1)]
    azimuth, _ = azimuth_elevation(roots - SKULL)
    assert azimuth.min() > 15
    assert azimuth.max() < 65
    assert -9 < cards.root_height.min() < cards.root_height.max() < 22  # a triangle reaches beyond its middle


def test_groomed_hair_is_finer_at_the_hairline_and_shows_no_ends_above_it(head: Head, skin: Part) -> None:
    style = replace(GROWN["tied_back"], layers=())

    def ribbons(groomed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Openness, and the widths of the ends of the cards at the hairline and above it."""
        cards = grown(head, skin, replace(style, groomed=groomed))
        points = (cards.positions_of @ head.base + cards.offset).reshape(-1, style.segments + 1, 2, 3)
        width = np.linalg.norm(points[:, :, 1] - points[:, :, 0], axis=-1)
        height = np.zeros(len(points))
        height[cards.triangles[:, 0] // (2 * (style.segments + 1))] = cards.root_height
        return cards.occlusion, width[np.abs(height) < 2], width[height > 8]

    (open_, line, above), (even, fine, hidden) = ribbons(0.0), ribbons(1.0)
    assert even.std() < open_.std()
    assert fine[:, 3].mean() < 0.7 * line[:, 3].mean()
    assert hidden[:, 3].mean() == pytest.approx(above[:, 3].mean(), rel=0.1)
    assert hidden[:, [0, -1]].mean() < 0.4 * above[:, [0, -1]].mean()


@pytest.mark.parametrize("offset", [-8, 0, 8])
def test_soft_hair_follows_the_hairline(head: Head, skin: Part, offset: float) -> None:
    style = GROWN["tied_back"].layers[0]
    cards = grown(head, skin, replace(style, recession=GROWN["tied_back"].recession))
    shown = cards.root_height[cards.root_height >= offset]
    assert (shown < offset + 3).sum() > 20 * 2 * style.segments
