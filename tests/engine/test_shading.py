import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine import shading
from facenn.engine.camera import LIGHT_COLOURS, LIGHT_DIRECTIONS
from facenn.engine.looks import LABELS
from facenn.engine.rasterizer import (
    ATTRIBUTES,
    BLUE,
    CLOTH,
    EYE,
    GREEN,
    HAIR,
    LASH,
    MOUTH,
    NZ,
    OPEN,
    RED,
    SKIN,
    U,
    V,
)
from facenn.engine.renderer import Render
from facenn.engine.shading import resolve

WALL = 77
TEXELS = 8


def bare_skin() -> NDArray[np.uint8]:
    texture = np.zeros((TEXELS, TEXELS, 16), np.uint8)
    texture[..., [shading.MOTTLE, shading.FLUSH]] = 128
    texture[..., shading.LABEL] = LABELS.index("skin")
    return texture


def shade(kinds: list[int], *, texture: NDArray[np.uint8] | None = None, colours: NDArray[np.float32] | None = None,
          strengths: NDArray[np.float32] | None = None, light: float = 0.5) -> Render:
    """One pixel whose four samples show triangles of these materials, -1 for the background."""
    triangles = np.arange(18, dtype=np.int32).reshape(6, 3)
    attributes = np.zeros((18, ATTRIBUTES), np.float32)
    attributes[:, [U, V]], attributes[:, [RED, GREEN, BLUE]] = 0.5, light
    attributes[:, [NZ, OPEN]] = 1
    hits = np.array(kinds, np.int32).reshape(2, 2)
    weights = np.full((2, 2), 1 / 3, np.float32)
    if colours is None:
        colours = np.full((7, 3), 0.2, np.float32)
    if strengths is None:
        strengths = np.zeros(10, np.float32)
    render = Render(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    resolve(hits, weights, weights.copy(), triangles, np.arange(6, dtype=np.int32), attributes,
            bare_skin() if texture is None else texture, np.full((4, 4, 2), 128, np.uint8), colours, strengths,
            LIGHT_DIRECTIONS, LIGHT_COLOURS, shading.TONE_CURVE, shading.LABEL_OF_MATERIAL, np.float32(0.1),
            np.full((1, 1, 3), WALL, np.uint8), render.picture, render.labels)
    return render


def colour_of(render: Render) -> list[int]:
    return [int(level) for level in render.picture[0, 0]]


def label_of(render: Render) -> str:
    return LABELS[render.labels[0, 0]]


def tone(light: float) -> float:
    return float(shading.TONE_CURVE[int(light * 512)])


def strength(entry: int, value: float) -> NDArray[np.float32]:
    strengths = np.zeros(10, np.float32)
    strengths[entry] = value
    return strengths


def test_tone_curve_rises_from_black_towards_white() -> None:
    assert len(shading.TONE_CURVE) == 4096
    assert shading.TONE_CURVE[0] == pytest.approx(0, abs=12)
    assert 245 < shading.TONE_CURVE[-1] <= 255
    assert (np.diff(shading.TONE_CURVE) >= 0).all()


def test_pixel_without_a_hit_is_background() -> None:
    render = shade([-1] * 4)
    assert colour_of(render) == [WALL] * 3
    assert label_of(render) == "background"


def test_teeth_have_their_known_colour() -> None:
    render = shade([MOUTH] * 4, light=0.5)
    assert colour_of(render) == [int(tone(0.5 * c)) for c in (0.66, 0.60, 0.52)]
    assert label_of(render) == "inner mouth"


def test_pixel_at_an_edge_averages_its_samples() -> None:
    assert colour_of(shade([MOUTH, MOUTH, -1, -1]))[0] == int((tone(0.33) + WALL) / 2)
    assert colour_of(shade([MOUTH, -1, -1, -1]))[0] == int((tone(0.33) + 3 * WALL) / 4)


@pytest.mark.parametrize(("kind", "label"), [(SKIN, "skin"), (EYE, "eye"), (MOUTH, "inner mouth"), (CLOTH, "cloth"),
                                             (HAIR, "hair"), (LASH, "eye")])
def test_every_material_has_its_label(kind: int, label: str) -> None:
    assert label_of(shade([kind] * 4)) == label


@pytest.mark.parametrize(("kinds", "label"), [
    ([CLOTH, HAIR, CLOTH, HAIR], "cloth"),  # a tie goes to the first sample
    ([CLOTH, HAIR, HAIR, HAIR], "hair"),
    ([-1, HAIR, EYE, EYE], "eye"),
    ([EYE, -1, -1, LASH], "eye"),
    ([-1, HAIR, EYE, CLOTH], "background"),
])
def test_label_is_what_most_samples_show(kinds: list[int], label: str) -> None:
    assert label_of(shade(kinds)) == label


@pytest.mark.parametrize("label", ["nose", "upper lip", "lower lip", "ear", "neck"])
def test_skin_reads_its_label_from_the_texture(label: str) -> None:
    texture = bare_skin()
    texture[..., shading.LABEL] = LABELS.index(label)
    assert label_of(shade([SKIN] * 4, texture=texture)) == label


def test_brows_are_labelled_where_they_are_strong_enough_to_be_seen() -> None:
    texture = bare_skin()
    texture[..., shading.BROW] = 200
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strength(shading.BROW_STRENGTH, 1))) == "brow"
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strength(shading.BROW_STRENGTH, 0.2))) == "skin"


def test_the_scalp_is_hair_only_where_hair_is_painted_on_it() -> None:
    texture = bare_skin()
    texture[..., shading.LABEL] = LABELS.index("hair")
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strength(shading.SCALP_STRENGTH, 0.9))) == "hair"
    assert label_of(shade([SKIN] * 4, texture=texture)) == "skin"


@pytest.mark.parametrize("kind", [SKIN, EYE, MOUTH, CLOTH])
def test_more_light_makes_every_material_brighter(kind: int) -> None:
    dim, bright = (shade([kind] * 4, light=light) for light in (0.3, 0.6))
    assert all(b > d for b, d in zip(colour_of(bright), colour_of(dim), strict=True))


@pytest.mark.parametrize(("kind", "row"), [(SKIN, shading.TONE), (CLOTH, shading.CLOTH_COLOUR),
                                           (HAIR, shading.HAIR_COLOUR)])
def test_material_takes_its_colour_from_its_row_alone(kind: int, row: int) -> None:
    plain = np.full((7, 3), 0.2, np.float32)
    for changed in range(7):
        colours = plain.copy()
        colours[changed, 0] = 0.4
        differs = colour_of(shade([kind] * 4, colours=colours)) != colour_of(shade([kind] * 4, colours=plain))
        assert differs == (changed == row)


@pytest.mark.parametrize(("channel", "entry"), [
    (shading.LIPS, shading.LIP_STRENGTH), (shading.BLUSH, shading.BLUSH_STRENGTH),
    (shading.EYE_SHADOW, shading.SHADOW_STRENGTH), (shading.LINER, shading.LINER_STRENGTH),
    (shading.FRECKLES, shading.FRECKLE_STRENGTH), (shading.BEARD, shading.STUBBLE_STRENGTH),
    (shading.BEARD, shading.BEARD_STRENGTH), (shading.SCALP, shading.SCALP_STRENGTH),
    (shading.BROW, shading.BROW_STRENGTH), (shading.FLUSH, shading.FLUSH_STRENGTH),
])
def test_paint_shows_only_where_its_channel_is_painted(channel: int, entry: int) -> None:
    painted, colours = bare_skin(), np.full((7, 3), 0.5, np.float32)
    painted[..., channel] = 255
    colours[1:] = 0.05
    without = shade([SKIN] * 4, texture=painted, colours=colours)
    assert colour_of(shade([SKIN] * 4, texture=painted, colours=colours, strengths=strength(entry, 1))) != \
        colour_of(without)
    assert colour_of(shade([SKIN] * 4, colours=colours, strengths=strength(entry, 1))) == \
        colour_of(shade([SKIN] * 4, colours=colours))


def test_unlit_skin_without_gloss_is_dark_and_very_bright_light_stays_white() -> None:
    assert max(colour_of(shade([CLOTH] * 4, light=0))) <= tone(0)
    assert max(colour_of(shade([MOUTH] * 4, light=100))) == int(shading.TONE_CURVE[-1])
