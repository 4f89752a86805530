import numpy as np
import pytest

from facenn.engine.characters import APPEARANCE, CHARACTERS, HAIRLINE_REACH, SHAPE, Look, character
from facenn.engine.hair.styles import HAIR_STYLES
from facenn.engine.head.asset import Head
from facenn.engine.layout import FIRST_ZONE, ZONES, Colour, Strength
from facenn.engine.skin.brows import BROW_STYLES
from facenn.errors import ConfigError
from facenn.schema import Slider

PORTRAIT = character("portrait")


def look(**changed: float | str) -> Look:
    """The neutral portrait's look with some values changed; ``__`` in a name stands for a dot."""
    named = PORTRAIT.schema.to_named(PORTRAIT.schema.neutral())
    return PORTRAIT.look(named | {name.replace("__", "."): value for name, value in changed.items()})


def differ(one: Look, other: Look) -> bool:
    return not (np.array_equal(one.colours, other.colours) and np.array_equal(one.strengths, other.strengths))


def test_classic_has_the_103_parameters_of_the_blog_post() -> None:
    schema = character("classic").schema
    assert (len(schema.sliders), schema.size) == (95, 103)
    assert [len(c.options) for c in schema.choices] == [8]


def test_portrait_adds_looks_to_the_shape_of_classic() -> None:
    schema = PORTRAIT.schema
    assert schema.sliders[:95] == character("classic").schema.sliders
    assert [s.name for s in schema.sliders[:95]] == [s.name for s in SHAPE]
    assert (len(schema.sliders), schema.version) == (144, 3)
    assert len(set(schema.columns)) == schema.size == 144 + 8 + 17
    assert [c.name for c in schema.choices] == ["eyebrows.style", "hair.style"]
    assert schema.choices[0].options == tuple(BROW_STYLES)
    assert schema.choices[1].options == tuple(HAIR_STYLES)


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_slider_says_what_it_does(name: str) -> None:
    schema = character(name).schema
    for slider in schema.sliders:
        assert slider.label, slider.name
        assert slider.tooltip, slider.name
        assert slider.tooltip != slider.label, slider.name
        assert not slider.tooltip.endswith("."), slider.name
    labels = [(s.group, s.label) for s in schema.sliders]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("slider", APPEARANCE, ids=lambda slider: slider.name)
def test_every_slider_changes_the_head_or_the_look(head: Head, slider: Slider) -> None:
    low, high = (look(**{slider.name: value}) for value in (0.0, 1.0))
    assert differ(low, high) != (slider.name in head.names)


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_random_face_has_a_valid_look(name: str) -> None:
    chosen = character(name)
    assert chosen.schema.character == name
    wide = [Strength.FLUSH, Strength.HAIRLINE, Strength.RECESSION]
    for seed in range(50):
        drawn = chosen.look(chosen.schema.to_named(chosen.schema.sample(np.random.default_rng(seed))))
        assert drawn.brow_style in BROW_STYLES
        assert drawn.hair_style in HAIR_STYLES
        assert drawn.colours.shape == (len(Colour), 3)
        assert ((drawn.colours >= 0) & (drawn.colours <= 1)).all()
        assert drawn.strengths.shape == (len(Strength),)
        moves = [Strength.BROW_GAP, Strength.BROW_LIFT, Strength.BROW_SLANT, Strength.BROW_ARCH, Strength.BROW_TAPER]
        assert (np.abs(drawn.strengths[moves]) <= 1).all()
        paint = np.delete(drawn.strengths, wide + moves)
        assert ((paint >= 0) & (paint <= 1)).all()
        assert 0 <= drawn.strengths[Strength.FLUSH] <= 2
        assert abs(drawn.strengths[Strength.HAIRLINE]) <= HAIRLINE_REACH
        assert abs(drawn.strengths[Strength.RECESSION]) <= 1


def test_classic_looks_as_the_bald_neutral_portrait_but_for_its_colours() -> None:
    classic = character("classic")
    drawn = classic.look(classic.schema.to_named(classic.schema.neutral()))
    assert drawn.hair_style == "bald"
    assert np.array_equal(drawn.strengths, look().strengths)


def test_skin_darkens_along_its_slider() -> None:
    tones = [look(skin__tone=t).colours[Colour.SKIN] for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (np.diff(tones, axis=0) < 0).all()


def test_warm_skin_is_redder_than_cool_skin() -> None:
    warm, cool = (look(skin__warmth=w).colours[Colour.SKIN] for w in (1, 0))
    assert warm[0] / warm[2] > cool[0] / cool[2]


def test_grey_hair_loses_its_colour_and_light_hair_gains_light() -> None:
    grey = look(hair__grey=1, hair__redness=1).colours[Colour.HAIR]
    assert np.ptp(grey) < 0.05
    black, blond = (look(hair__lightness=v).colours[Colour.HAIR].sum() for v in (0, 1))
    assert blond > 10 * black


def test_brows_turn_grey_later_than_hair() -> None:
    hair, brows = (look(hair__grey=1.0).colours[row] for row in (Colour.HAIR, Colour.BROW))
    assert (brows < 0.6 * hair).all()
    assert np.array_equal(*(look().colours[row] for row in (Colour.HAIR, Colour.BROW)))


@pytest.mark.parametrize(("name", "entry"), [
    ("eyebrows.gap", Strength.BROW_GAP), ("eyebrows.lift", Strength.BROW_LIFT), ("eyebrows.slant", Strength.BROW_SLANT),
    ("eyebrows.arch", Strength.BROW_ARCH), ("eyebrows.taper", Strength.BROW_TAPER)])
def test_brows_move_either_way(name: str, entry: int) -> None:
    assert [look(**{name: value}).strengths[entry] for value in (0.0, 0.5, 1.0)] == [-1, 0, 1]


def test_white_of_the_eye_dulls_and_reddens() -> None:
    bright, dull = (look(eyes__sclera=v).colours[Colour.SCLERA] for v in (0, 1))
    assert (dull < bright).all()
    assert dull[0] / dull[1] > bright[0] / bright[1]


@pytest.mark.parametrize(("name", "entry", "most"), [
    ("beard.stubble", Strength.STUBBLE, 1), ("beard.moustache", Strength.MOUSTACHE, 0.95),
    ("beard.chin", Strength.CHIN, 0.95), ("beard.jaw", Strength.JAW, 0.95)])
def test_beard_grows_part_by_part(name: str, entry: int, most: float) -> None:
    shaven, half, full = (look(**{name: value}).strengths for value in (0.0, 0.5, 1.0))
    assert (shaven[entry], half[entry], full[entry]) == pytest.approx((0, most * 0.5**1.5, most))
    assert np.flatnonzero(shaven != full).tolist() == [entry]


@pytest.mark.parametrize("zone", range(len(ZONES)))
def test_lines_have_one_slider_each(zone: int) -> None:
    name = next(s.name for s in APPEARANCE if s.name.split(".") in (["age", ZONES[zone]], ["eyes", ZONES[zone]]))
    none, deep = (look(**{name: value}).strengths for value in (0.0, 1.0))
    assert np.flatnonzero(none != deep).tolist() == [FIRST_ZONE + zone]
    assert deep[FIRST_ZONE + zone] == 1


def test_scalp_is_painted_under_all_hair_but_not_on_bald_heads() -> None:
    painted = {style: look(hair__style=style).strengths[Strength.SCALP] > 0 for style in HAIR_STYLES}
    assert not painted.pop("bald")
    assert all(painted.values())


def test_temples_recede_with_receding_hair_alone_and_are_round_where_it_is_tied_back() -> None:
    recession = {s: look(hair__style=s).strengths[Strength.RECESSION] for s in HAIR_STYLES}
    assert recession.pop("receding") == 1
    assert recession.pop("tied_back") < 0
    assert recession.pop("bun") < 0
    assert not any(recession.values())


def test_hairline_is_neutral_in_the_middle_and_rises_with_its_slider() -> None:
    low, neutral, high = (look(hair__hairline=v).strengths[Strength.HAIRLINE] for v in (0.0, 0.5, 1.0))
    assert (low, neutral, high) == pytest.approx((-HAIRLINE_REACH, 0, HAIRLINE_REACH))


def test_character_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="portrait, classic, got 'hero'"):
        character("hero")
