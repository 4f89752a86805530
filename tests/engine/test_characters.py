import numpy as np
import pytest

from facenn.engine import shading
from facenn.engine.characters import CHARACTERS, character
from facenn.engine.hair import HAIR_STYLES
from facenn.engine.looks import BROW_STYLES, Look
from facenn.errors import ConfigError

PORTRAIT = character("portrait")


def look(**changed: float | str) -> Look:
    """The neutral portrait's look with some values changed; ``__`` in a name stands for a dot."""
    named = PORTRAIT.schema.to_named(PORTRAIT.schema.neutral())
    return PORTRAIT.look(named | {name.replace("__", "."): value for name, value in changed.items()})


def test_classic_has_the_103_parameters_of_the_blog_post() -> None:
    schema = character("classic").schema
    assert (len(schema.sliders), schema.size) == (95, 103)
    assert [len(c.options) for c in schema.choices] == [8]


def test_portrait_adds_looks_to_the_shape_of_classic() -> None:
    schema = PORTRAIT.schema
    assert schema.sliders[:95] == character("classic").schema.sliders
    assert len(set(schema.columns)) == schema.size == 132
    assert schema.choices[0].options == tuple(BROW_STYLES)
    assert schema.choices[1].options == tuple(HAIR_STYLES)


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_random_face_has_a_valid_look(name: str) -> None:
    chosen = character(name)
    assert chosen.schema.character == name
    for seed in range(50):
        drawn = chosen.look(chosen.schema.to_named(chosen.schema.sample(np.random.default_rng(seed))))
        assert drawn.brow_style in BROW_STYLES
        assert drawn.hair_style in HAIR_STYLES
        assert drawn.colours.shape == (7, 3)
        assert ((drawn.colours >= 0) & (drawn.colours <= 1)).all()
        assert drawn.strengths.shape == (10,)
        assert (drawn.strengths >= 0).all()
        paint = np.delete(drawn.strengths, shading.FLUSH_STRENGTH)
        assert (paint <= 1).all()


def test_skin_darkens_along_its_slider() -> None:
    tones = [look(skin__tone=t).colours[shading.TONE] for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (np.diff(tones, axis=0) < 0).all()


def test_warm_skin_is_redder_than_cool_skin() -> None:
    warm, cool = (look(skin__warmth=w).colours[shading.TONE] for w in (1, 0))
    assert warm[0] / warm[2] > cool[0] / cool[2]


def test_grey_hair_loses_its_colour_and_light_hair_gains_light() -> None:
    grey = look(hair__grey=1, hair__redness=1).colours[shading.HAIR_COLOUR]
    assert np.ptp(grey) < 0.05
    black, blond = (look(hair__lightness=v).colours[shading.HAIR_COLOUR].sum() for v in (0, 1))
    assert blond > 10 * black


@pytest.mark.parametrize(("style", "stubble", "full"), [("none", 0, 0), ("stubble", 1, 0), ("full", 0, 0.95)])
def test_beard_density_counts_for_the_chosen_beard_alone(style: str, stubble: float, full: float) -> None:
    strengths = look(beard__style=style, beard__density=1).strengths
    assert strengths[shading.STUBBLE_STRENGTH] == pytest.approx(stubble)
    assert strengths[shading.BEARD_STRENGTH] == pytest.approx(full)


def test_scalp_is_painted_under_all_hair_but_not_on_bald_heads() -> None:
    painted = {style: look(hair__style=style).strengths[shading.SCALP_STRENGTH] > 0 for style in HAIR_STYLES}
    assert not painted.pop("bald")
    assert all(painted.values())


def test_character_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="portrait, classic, got 'hero'"):
        character("hero")
