import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from facenn.arrays import Floats, Vector
from facenn.engine.camera import STUDIO, Conditions
from facenn.engine.kernels import raster
from facenn.errors import ConfigError
from facenn.schema import ParameterSchema
from facenn.tangents.picture import LinearPicture, TangentEngine
from tests.tangents.conftest import levels

BLUR = 3  # pixels
OF_SHAPE = ("nose.width1", "nose.hump", "mouth.scale_horiz", "mouth.lowerlip_middle", "chin.width", "chin.prominent",
            "head.scale_horiz", "head.fat", "eyes.distance")
OF_LOOKS = ("skin.tone", "skin.warmth", "age.folds", "eyebrows.thickness", "eyebrows.colour", "hair.lightness",
            "hair.grey", "iris.lightness", "beard.jaw", "lips.colour")


def blurred(change: Floats) -> Floats:
    soft: Floats = gaussian_filter(change, (BLUR, BLUR, 0))
    return soft


def cosine(first: Floats, second: Floats) -> float:
    return float((first * second).sum() / np.sqrt(np.square(first).sum() * np.square(second).sum()))


@pytest.fixture
def without_shadows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gradients take as it is, and tangents do not."""
    monkeypatch.setattr(raster, "depth_map", lambda *_: None)


def test_drawn_picture_is_the_engines(drawer: TangentEngine, picture: LinearPicture, person: Vector) -> None:
    drawn = drawer.engine.draw(person)
    assert np.array_equal(picture.render.picture, drawn.picture)
    assert np.array_equal(picture.render.labels, drawn.labels)


def test_picture_remembers_what_was_seen_when_the_next_one_is_drawn(drawer: TangentEngine, person: Vector,
                                                                    portrait: ParameterSchema) -> None:
    gradient = np.ones((*drawer.engine.draw(person).labels.shape, 3), np.float32)
    first = drawer.draw(person)
    drawer.draw(portrait.neutral())
    late = first.pull_back(gradient)
    assert np.array_equal(late, drawer.draw(person).pull_back(gradient))
    assert np.array_equal(late, first.pull_back(gradient))


@pytest.mark.usefixtures("without_shadows")
@pytest.mark.parametrize("conditions", [STUDIO, Conditions(yaw=15, pitch=-5, roll=4)], ids=["straight", "turned"])
def test_gradient_is_the_transpose_of_the_tangents(drawer: TangentEngine, person: Vector, portrait: ParameterSchema,
                                                   conditions: Conditions) -> None:
    picture = drawer.draw(person, conditions)
    for name in OF_SHAPE + OF_LOOKS:
        k = portrait.columns.index(name)
        (tangent,) = picture.tangents([k])
        gradient = blurred(tangent)
        forward = float((tangent * gradient).sum())
        assert picture.pull_back(gradient)[k] == pytest.approx(forward, rel=0.08), name


@pytest.mark.parametrize("name", ["nose.width1", "nose.scale_depth", "mouth.depth", "chin.prominent", "chin.jowls",
                                  "head.fat", "skin.tone", "skin.warmth", "hair.lightness"])
def test_tangents_say_how_pictures_change_with_sliders(drawer: TangentEngine, picture: LinearPicture, person: Vector,
                                                       portrait: ParameterSchema, name: str) -> None:
    k = portrait.columns.index(name)
    low, high = person.copy(), person.copy()
    low[k], high[k] = low[k] - 0.05, high[k] + 0.05
    wide = high[k] - low[k]
    true = blurred((levels(drawer.engine, high) - levels(drawer.engine, low)) / wide)
    found = blurred(picture.tangents([k])[0])
    assert cosine(found, true) > 0.9
    assert 0.75 < np.linalg.norm(found) / np.linalg.norm(true) < 1.3


@pytest.mark.parametrize(("name", "step"), [("light.red", 0.1), ("light_pitch", 5.0), ("yaw", 2.0), ("contrast", 0.1)])
def test_tangents_say_how_pictures_change_with_conditions(drawer: TangentEngine, picture: LinearPicture, person: Vector,
                                                          name: str, step: float) -> None:
    below, above, wide = STUDIO.beside(name, step)
    low, high = (drawer.engine.draw(person, c).picture.astype(np.float32) / 255 for c in (below, above))
    true, found = blurred(np.asarray((high - low) / wide, np.float32)), blurred(picture.tangents([name])[0])
    assert cosine(found, true) > 0.95
    assert 0.8 < np.linalg.norm(found) / np.linalg.norm(true) < 1.3


def test_tangents_keep_the_order_of_their_columns_and_red_light_is_red(picture: LinearPicture) -> None:
    both = picture.tangents([3, "light.red"])
    assert np.array_equal(both[0], picture.tangents([3])[0])
    assert both[1, ..., 0].max() > 0.1
    assert np.abs(both[1, ..., 1:]).max() < 1e-6


def test_sliders_at_their_ends_have_tangents(drawer: TangentEngine, person: Vector, portrait: ParameterSchema) -> None:
    k = portrait.columns.index("skin.tone")
    for end, inside in ((0.0, 0.1), (1.0, 0.9)):
        vector, beside = person.copy(), person.copy()
        vector[k], beside[k] = end, inside
        true = (levels(drawer.engine, beside) - levels(drawer.engine, vector)) / np.float32(inside - end)
        assert cosine(blurred(drawer.draw(vector).tangents([k])[0]), blurred(true)) > 0.98


def test_unknown_condition_is_refused_in_one_line(picture: LinearPicture) -> None:
    for name in ("weather", "light.violet", "expression.envy", "background"):
        with pytest.raises(ConfigError, match="expected a condition that is a number") as refused:
            picture.tangents([name])
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)
