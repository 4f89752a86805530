from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from facenn.arrays import Bytes, Floats
from facenn.engine.camera import STUDIO, lights
from facenn.engine.kernels.resolve import LABELS_OF_MATERIALS, TONE_CURVE, resolve
from facenn.engine.kernels.tables import Hits, Mesh, Output, Palette, Textures
from facenn.engine.layout import (
    BROW_ACROSS_RANGE,
    BROW_ALONG_LOW,
    BROW_ALONG_RANGE,
    CANVAS_FRAME,
    FIRST_ZONE,
    HAIRLINE_RANGE,
    LABELS,
    ZONES,
    Attribute,
    Canvas,
    Colour,
    Material,
    Strength,
    Texture,
)
from facenn.engine.renderer import Render

SKIN, EYE, MOUTH, CLOTH, HAIR, LASH = Material

WALL = 77
TEXELS = 8
OTHER_SKIN = 6  # a triangle of skin elsewhere on the texture
AHEAD = (0.0, 0.0, 1.0)
LAMPS = lights(STUDIO)
BROW_PLACE = (0.5, (7.525 - CANVAS_FRAME.low) / CANVAS_FRAME.height)
"""Place on the face canvas in the middle of the brow map."""


def bare_skin() -> Bytes:
    texture = np.zeros((TEXELS, TEXELS, len(Texture)), np.uint8)
    texture[..., [Texture.MOTTLE, Texture.FLUSH, Texture.PORES_X, Texture.PORES_Y]] = 128
    texture[..., Texture.LABEL] = LABELS.index("skin")
    return texture


def bare_canvas() -> Bytes:
    face = np.zeros((4, 4, len(Canvas)), np.uint8)
    face[..., [Canvas.LEAN_X, Canvas.LEAN_Y]] = 128
    return face


def brow_of(*, hairs: float, along: float = 0.5, across: float = 0.0) -> Bytes:
    """A brow map that is the same everywhere, in its own units."""
    place = (hairs, (along - BROW_ALONG_LOW) / BROW_ALONG_RANGE, across / BROW_ACROSS_RANGE)
    return np.tile((255 * np.array(place)).round().astype(np.uint8), (4, 4, 1))


NO_BROW = brow_of(hairs=0, across=BROW_ACROSS_RANGE)


def shade(kinds: Sequence[int], *, texture: Bytes | None = None, face: Bytes | None = None, brow: Bytes = NO_BROW,
          colours: Floats | None = None, strengths: Floats | None = None, light: float = 0.5,
          gaze: tuple[float, float, float] = AHEAD, sample_size: float = 1.0) -> Render:
    """Pixels of four samples that show triangles of these materials, -1 for the background, row by row.

    Gaze is the place of an eye's sample in its own frame, ``sample_size`` in decimetres.
    """
    triangles = np.arange(21, dtype=np.int32).reshape(7, 3)
    attributes = np.zeros((21, len(Attribute)), np.float32)
    attributes[:, [Attribute.U, Attribute.V]] = 0.5
    attributes[:, [Attribute.RED, Attribute.GREEN, Attribute.BLUE]] = light
    attributes[3 * OTHER_SKIN:, [Attribute.U, Attribute.V]] = 0.95
    attributes[:, [Attribute.NZ, Attribute.OPEN]] = 1
    attributes[:, [Attribute.FACE_X, Attribute.FACE_Y]] = BROW_PLACE
    attributes[3 * EYE:3 * EYE + 3, [Attribute.FACE_X, Attribute.FACE_Y, Attribute.V]] = gaze
    side = round(len(kinds) ** 0.5)
    hits, weights = np.array(kinds, np.int32).reshape(side, side), np.full((side, side), 1 / 3, np.float32)
    if colours is None:
        colours = np.full((len(Colour), 3), 0.2, np.float32)
    if strengths is None:
        strengths = strength()
    render = Render(np.zeros((side // 2, side // 2, 3), np.uint8), np.zeros((side // 2, side // 2), np.uint8))
    grey = np.full((4, 4, 2), 128, np.uint8)
    resolve(Hits(hits, weights, weights.copy()),
            Mesh(triangles, np.array([*Material, Material.SKIN], np.int32), attributes),
            Textures(bare_skin() if texture is None else texture, bare_canvas() if face is None else face, brow, grey,
                     grey),
            Palette(colours, strengths), LAMPS, np.float32(0.1), np.float32(sample_size), TONE_CURVE,
            LABELS_OF_MATERIALS, Output(np.full((side // 2, side // 2, 3), WALL, np.uint8), render.picture,
                                        render.labels))
    return render


def colour_of(render: Render) -> list[int]:
    return [int(level) for level in render.picture[0, 0]]


def label_of(render: Render) -> str:
    return LABELS[int(render.labels[0, 0])]


def tone(light: float) -> float:
    return float(TONE_CURVE[int(light * 512)])


def strength(**entries: float) -> Floats:
    """Strengths of the look by the names of ``Strength``; 0 where not named."""
    strengths = np.zeros(len(Strength), np.float32)
    for name, value in entries.items():
        strengths[Strength[name]] = value
    return strengths


def test_tone_curve_rises_from_black_towards_white() -> None:
    assert len(TONE_CURVE) == 4096
    assert TONE_CURVE[0] == pytest.approx(0, abs=12)
    assert 245 < TONE_CURVE[-1] <= 255
    assert (np.diff(TONE_CURVE) >= 0).all()


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
    texture[..., Texture.LABEL] = LABELS.index(label)
    assert label_of(shade([SKIN] * 4, texture=texture)) == label


def test_label_is_not_averaged_over_a_seam_of_the_texture() -> None:
    texture = bare_skin()
    texture[..., Texture.LABEL] = LABELS.index("neck")  # what lies between the two places
    texture[TEXELS // 2 - 1:TEXELS // 2 + 1, TEXELS // 2 - 1:TEXELS // 2 + 1, Texture.LABEL] = LABELS.index("nose")
    texture[0, -1, Texture.LABEL] = LABELS.index("ear")
    assert label_of(shade([SKIN] * 4, texture=texture)) == "nose"
    assert label_of(shade([OTHER_SKIN] * 4, texture=texture)) == "ear"
    assert label_of(shade([SKIN, OTHER_SKIN, OTHER_SKIN, OTHER_SKIN], texture=texture)) == "nose"


def test_brows_are_labelled_where_they_cover_the_skin() -> None:
    dense, sparse = (strength(BROW_DENSITY=d, BROW_DEPTH=d, BROW_THICKNESS=0.5, BROW_LENGTH=0.5) for d in (1, 0))
    hairs = brow_of(hairs=0.5)
    assert label_of(shade([SKIN] * 4, brow=hairs, strengths=dense)) == "brow"
    assert label_of(shade([SKIN] * 4, brow=hairs, strengths=sparse)) == "skin"
    assert label_of(shade([SKIN, SKIN, SKIN, CLOTH], brow=hairs, strengths=dense)) == "brow"
    assert label_of(shade([SKIN] * 4, strengths=dense)) == "skin"


@pytest.mark.parametrize(("name", "place"), [("BROW_THICKNESS", brow_of(hairs=1, across=1.0)),
                                             ("BROW_LENGTH", brow_of(hairs=1, along=0.8))])
def test_brow_reaches_as_far_as_its_slider_says(name: str, place: Bytes) -> None:
    full = dict.fromkeys(("BROW_DENSITY", "BROW_DEPTH", "BROW_THICKNESS", "BROW_LENGTH"), 1.0)
    assert label_of(shade([SKIN] * 4, brow=place, strengths=strength(**full))) == "brow"
    assert label_of(shade([SKIN] * 4, brow=place, strengths=strength(**full | {name: 0.0}))) == "skin"


def test_brow_hides_the_skin_and_darkens_with_its_depth() -> None:
    colours, hairs = np.full((len(Colour), 3), 0.5, np.float32), brow_of(hairs=1)
    colours[Colour.BROW] = 0.1
    levels = [colour_of(shade([SKIN] * 4, brow=brow, colours=colours,
                              strengths=strength(BROW_DENSITY=1, BROW_DEPTH=depth, BROW_THICKNESS=1, BROW_LENGTH=1)))[0]
              for brow, depth in ((NO_BROW, 0), (hairs, 0), (hairs, 0.5), (hairs, 1))]
    assert levels == sorted(levels, reverse=True)
    assert levels[3] < 0.5 * levels[0]


def test_thin_beards_show_the_skin_between_their_hairs() -> None:
    colours, texture = contrasting(), bare_skin()
    texture[..., Texture.CHIN] = 255

    def light(strand: int, density: float) -> float:
        texture[..., Texture.STRANDS] = strand
        return colour_of(shade([SKIN] * 4, texture=texture, colours=colours,
                               strengths=strength(CHIN=density)))[0]

    apart = [light(0, density) - light(255, density) for density in (0.0, 0.3, 1.0)]
    assert apart[1] > 2 * max(abs(apart[0]), abs(apart[2]))
    assert light(128, 0.3) < 0.75 * light(128, 0.0)


@pytest.mark.parametrize(("where", "entry", "dark"), [
    ("CHIN", "CHIN", 0.5), ("SCALP", "SCALP", 0.5), ("CHIN", "STUBBLE", 0.85)])
def test_short_white_hair_is_light_and_short_dark_hair_dark(where: str, entry: str, dark: float) -> None:
    """What the light of fair hair passes on reaches its depth, that of dark hair does not."""
    texture, levels = bare_skin(), {}
    texture[..., Texture[where]] = 255
    for hair in (0.02, 0.45):
        colours = np.full((len(Colour), 3), 0.3, np.float32)
        colours[Colour.HAIR] = hair
        levels[hair] = colour_of(shade([SKIN] * 4, texture=texture, colours=colours,
                                       strengths=strength(**{entry: 1.0})))[1]
    skin = colour_of(shade([SKIN] * 4, colours=np.full((len(Colour), 3), 0.3, np.float32)))[1]
    assert levels[0.02] < dark * skin
    assert levels[0.45] > 0.85 * skin


def test_shorn_scalps_shine_less_than_bare_ones() -> None:
    scalp = bare_skin()
    scalp[..., Texture.SCALP] = scalp[..., Texture.GLOSS] = 255
    colours = np.full((len(Colour), 3), 0.0, np.float32)  # what is seen is the shine alone
    bare, shorn = (colour_of(shade([SKIN] * 4, texture=scalp, colours=colours,
                                   strengths=strength(OIL=1, SCALP=hairy)))[1] for hairy in (0.0, 0.9))
    assert 0 < shorn < bare


def test_scalp_is_hair_only_where_hair_is_painted_on_it() -> None:
    scalp = bare_skin()
    scalp[..., [Texture.SCALP, Texture.RECEDED]] = 255
    assert label_of(shade([SKIN] * 4, texture=scalp, strengths=strength(SCALP=0.9))) == "hair"
    assert label_of(shade([SKIN] * 4, texture=scalp)) == "skin"
    assert label_of(shade([SKIN] * 4, strengths=strength(SCALP=0.9))) == "skin"
    scalp[..., Texture.LABEL] = LABELS.index("ear")
    assert label_of(shade([SKIN] * 4, texture=scalp, strengths=strength(SCALP=0.9))) == "ear"


def degrees(above: float) -> int:
    """A texel this far above the hairline."""
    return round(128 + 127 * above / HAIRLINE_RANGE)


@pytest.mark.parametrize(("hairline", "expected"), [(-8, "hair"), (0, "hair"), (8, "skin")])
def test_hairline_moves_by_degrees(hairline: float, expected: str) -> None:
    texture = bare_skin()
    texture[..., Texture.SCALP] = degrees(4)
    strengths = strength(SCALP=0.9, HAIRLINE=hairline)
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strengths)) == expected


def test_receding_hair_has_a_hairline_of_its_own() -> None:
    texture = bare_skin()
    texture[..., Texture.SCALP], texture[..., Texture.RECEDED] = degrees(10), degrees(-10)
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strength(SCALP=0.9))) == "hair"
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strength(SCALP=0.9, RECESSION=1))) == "skin"


@pytest.mark.parametrize(("recession", "expected"), [(-0.3, "hair"), (0, "skin"), (0.3, "skin")])
def test_rounder_temples_have_a_lower_hairline(recession: float, expected: str) -> None:
    texture = bare_skin()
    texture[..., Texture.SCALP], texture[..., Texture.RECEDED] = degrees(-4), degrees(-24)
    strengths = strength(SCALP=0.9, RECESSION=recession)
    assert label_of(shade([SKIN] * 4, texture=texture, strengths=strengths)) == expected


def test_painted_hair_follows_rounder_temples() -> None:
    texture = bare_skin()
    texture[..., Texture.SCALP], texture[..., Texture.RECEDED] = degrees(-4), degrees(-24)
    bare, haired = (colour_of(shade([SKIN] * 4, texture=texture, strengths=strength(SCALP=1, RECESSION=r)))
                    for r in (0, -0.5))
    assert all(h < 0.8 * b for h, b in zip(haired, bare, strict=True))


@pytest.mark.parametrize("kind", [SKIN, EYE, MOUTH, CLOTH])
def test_more_light_makes_every_material_brighter(kind: int) -> None:
    dim, bright = (shade([kind] * 4, light=light) for light in (0.3, 0.6))
    assert all(b > d for b, d in zip(colour_of(bright), colour_of(dim), strict=True))


def test_lips_of_dark_skin_are_hardly_redder_than_it() -> None:
    def green_left(light: float) -> float:
        """How much of the green of skin of a tone is left on lips, beside how much of the red."""
        colours = np.full((len(Colour), 3), light, np.float32)
        texture = bare_skin()
        skin = colour_of(shade([SKIN] * 4, texture=texture, colours=colours))
        texture[..., Texture.LIPS] = 255
        lips = colour_of(shade([SKIN] * 4, texture=texture, colours=colours))
        return (lips[1] / skin[1]) / (lips[0] / skin[0])

    assert green_left(0.03) > 0.92
    assert green_left(0.3) < 0.88


@pytest.mark.parametrize(("kind", "row"), [(SKIN, Colour.SKIN), (CLOTH, Colour.CLOTH),
                                           (HAIR, Colour.HAIR), (LASH, Colour.HAIR)])
def test_material_takes_its_colour_from_its_row_alone(kind: int, row: int) -> None:
    plain = np.full((len(Colour), 3), 0.2, np.float32)
    for changed in range(len(Colour)):
        colours = plain.copy()
        colours[changed, 0] = 0.6
        differs = colour_of(shade([kind] * 4, colours=colours)) != colour_of(shade([kind] * 4, colours=plain))
        assert differs == (changed == row)


def looking(angle: float) -> tuple[float, float, float]:
    """A place on the eye, this many radians outwards from its axis."""
    return float(np.sin(angle)), 0.0, float(np.cos(angle))


@pytest.mark.parametrize(("angle", "rows"), [
    (0.0, set()), (0.22, {Colour.IRIS_OUTER, Colour.IRIS_INNER}), (0.372, {Colour.IRIS_OUTER}),
    (0.8, {Colour.SCLERA}),
])
def test_eye_has_pupil_iris_and_white_by_the_angle_from_its_own_axis(angle: float, rows: set[int]) -> None:
    plain = np.full((len(Colour), 3), 0.2, np.float32)
    known = colour_of(shade([EYE] * 4, colours=plain, gaze=looking(angle), strengths=strength(IRIS_SIZE=0.5)))
    found = set()
    for row in range(len(Colour)):
        colours = plain.copy()
        colours[row] = 0.9
        drawn = shade([EYE] * 4, colours=colours, gaze=looking(angle), strengths=strength(IRIS_SIZE=0.5))
        found |= {row} if colour_of(drawn) != known else set()
    assert found == rows
    assert (max(known) < 40) == (angle == 0)


def test_larger_iris_reaches_further_over_the_white() -> None:
    colours = np.full((len(Colour), 3), 0.05, np.float32)
    colours[Colour.SCLERA] = 0.5
    small, large = (colour_of(shade([EYE] * 4, colours=colours, gaze=looking(0.42), strengths=strength(IRIS_SIZE=s)))
                    for s in (0, 1))
    assert max(large) < 0.7 * min(small)


@pytest.mark.parametrize("kind", [EYE, MOUTH])
def test_lid_and_lip_shade_what_lies_below_them(kind: int) -> None:
    side = 16
    column = shade([SKIN] * (2 * side) + [kind] * ((side - 2) * side), gaze=looking(0.8), sample_size=0.01)
    levels = column.picture[1:, 0].mean(-1)
    assert (np.diff(levels[:-1]) >= 0).all()
    assert levels[0] < 0.8 * levels[-2]


def test_lashes_shade_the_ball_below_them() -> None:
    kinds = [SKIN] * 8 + [EYE] * 8
    bare, fringed = (shade(kinds, gaze=looking(0.8), sample_size=0.005, strengths=strength(LASHES=s)).picture[1]
                     for s in (0, 1))
    assert fringed.mean() < 0.8 * bare.mean()


ON_TEXTURE = [
    ("LIPS", "LIPSTICK"), ("LIPS", "LIP_TONE"), ("LIPS", "LIP_GLOSS"), ("FLUSH", "FLUSH"),
    ("MOTTLE", "MOTTLE"), ("PORES_X", "PORES"), ("PORES_Y", "PORES"),
    *product(("JAW", "CHIN", "MOUSTACHE"), ["STUBBLE"]), ("JAW", "JAW"), ("CHIN", "CHIN"),
    ("MOUSTACHE", "MOUSTACHE"), ("SCALP", "SCALP"),
]
ON_CANVAS = [("BLUSH", "BLUSH"), ("EYE_SHADOW", "EYE_SHADOW"), ("LINER", "LINER"),
             ("LINER", "LASHES"), ("FRECKLES", "FRECKLES"), ("MOLES", "MOLES"),
             ("CIRCLES", "CIRCLES")]


def contrasting() -> Floats:
    """Pale skin, everything else dark."""
    colours = np.full((len(Colour), 3), 0.05, np.float32)
    colours[Colour.SKIN] = 0.5
    return colours


@pytest.mark.parametrize(("channel", "entry"), ON_TEXTURE)
def test_paint_shows_only_where_its_channel_of_the_texture_is_painted(channel: str, entry: str) -> None:
    painted, colours = bare_skin(), contrasting()
    painted[..., Texture[channel]] = 255
    with_paint, without = (colour_of(shade([SKIN] * 4, texture=painted, colours=colours, strengths=strengths))
                           for strengths in (strength(**{entry: 1.0}), strength()))
    assert with_paint != without
    assert colour_of(shade([SKIN] * 4, colours=colours, strengths=strength(**{entry: 1.0}))) == \
        colour_of(shade([SKIN] * 4, colours=colours))


@pytest.mark.parametrize(("channel", "entry"), ON_CANVAS)
def test_paint_shows_only_where_its_channel_of_the_canvas_is_painted(channel: str, entry: str) -> None:
    painted, colours = bare_canvas(), contrasting()
    painted[..., [Canvas[channel], Canvas.PAINTED]] = 255
    with_paint, without = (colour_of(shade([SKIN] * 4, face=painted, colours=colours, strengths=strengths))
                           for strengths in (strength(**{entry: 1.0}), strength()))
    assert with_paint != without
    assert colour_of(shade([SKIN] * 4, colours=colours, strengths=strength(**{entry: 1.0}))) == \
        colour_of(shade([SKIN] * 4, colours=colours))


@pytest.mark.parametrize("zone", range(len(ZONES)))
def test_lines_of_a_zone_deepen_with_the_strength_of_that_zone_alone(zone: int) -> None:
    face = bare_canvas()
    face[..., [Canvas.GROOVE, Canvas.PAINTED]] = 255
    face[..., Canvas.ZONE] = zone + 1
    smooth = colour_of(shade([SKIN] * 4, face=face))
    for other in range(len(ZONES)):
        strengths = strength()
        strengths[FIRST_ZONE + other] = 1
        lined = colour_of(shade([SKIN] * 4, face=face, strengths=strengths))
        assert (lined[0] < smooth[0]) == (lined != smooth) == (other == zone)


def test_relief_is_lit_from_above() -> None:
    """What leans up is brighter than what leans down: the key light stands above the face."""
    levels = []
    for lean in (0, 128, 255):
        face = bare_canvas()
        face[..., Canvas.LEAN_Y], face[..., Canvas.ZONE], face[..., Canvas.PAINTED] = lean, 1, 255
        strengths = strength()
        strengths[FIRST_ZONE] = 0.5
        levels.append(colour_of(shade([SKIN] * 4, face=face, strengths=strengths))[1])
    assert levels[0] < levels[1] < levels[2]


def test_unlit_cloth_is_dark_and_very_bright_light_stays_white() -> None:
    assert max(colour_of(shade([CLOTH] * 4, light=0))) <= tone(0)
    assert max(colour_of(shade([MOUTH] * 4, light=100))) == int(TONE_CURVE[-1])
