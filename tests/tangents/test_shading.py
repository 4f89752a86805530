"""The differentiable materials are the engine's: whoever changes one has to change the other."""

import numpy as np
import pytest
import torch

from facenn.arrays import Bytes, Floats, Vector
from facenn.engine.kernels import resolve
from facenn.people import random_vector
from facenn.schema import ParameterSchema
from facenn.tangents.picture import LinearPicture, TangentEngine
from facenn.tangents.shading import DARKEST, tone_curve, view_directions
from tests.tangents.conftest import levels

PEOPLE = 6
CLOSE, CLOSEST = 4, 1  # levels of 255: in the worst pixel, where the engine's table of the curve is coarse; in the mean
SWITCHES = ("hair.hairline", "eyes.lashes")  # sliders of looks that decide what is seen, too


def apart(repainted: Floats, drawn: Bytes) -> Floats:
    """(S, S) levels between a picture of parts and one of bytes."""
    levels_apart: Floats = np.abs(255 * repainted - drawn).max(-1)
    return levels_apart


@pytest.mark.parametrize("seed", range(PEOPLE))
def test_shaded_picture_is_the_engines(drawer: TangentEngine, portrait: ParameterSchema, seed: int) -> None:
    picture = drawer.draw(random_vector(portrait, 3, seed))
    found = apart(picture.repainted(picture.vector), picture.render.picture)
    assert found.max() < CLOSE
    assert found.mean() < CLOSEST


def test_shaded_picture_of_the_classic_character_is_the_engines(classic_drawer: TangentEngine) -> None:
    schema = classic_drawer.engine.schema
    for seed in range(2):
        picture = classic_drawer.draw(random_vector(schema, 3, seed))
        found = apart(picture.repainted(picture.vector), picture.render.picture)
        assert found.max() < CLOSE
        assert found.mean() < CLOSEST


@pytest.mark.parametrize("seed", range(PEOPLE))
def test_repainted_picture_is_that_of_the_other_look(drawer: TangentEngine, picture: LinearPicture, person: Vector,
                                                     portrait: ParameterSchema, seed: int) -> None:
    chance = np.random.default_rng(seed)
    looks = [k for k in drawer.engine.colouring if portrait.sliders[k].name not in SWITCHES]
    other = person.copy()
    other[looks] = chance.random(len(looks))
    styles = portrait.slices["eyebrows.style"]
    other[styles] = np.eye(styles.stop - styles.start)[chance.integers(styles.stop - styles.start)]
    drawn = drawer.engine.draw(other).picture
    assert np.abs(drawn.astype(int) - picture.render.picture).mean() > 3
    found = apart(picture.repainted(other), drawn)
    assert found.max() < CLOSE
    assert found.mean() < CLOSEST


def test_every_slider_of_looks_that_is_seen_has_a_slope(drawer: TangentEngine, picture: LinearPicture, person: Vector,
                                                        portrait: ParameterSchema) -> None:
    noise = np.random.default_rng(0).standard_normal((*picture.render.labels.shape, 3)).astype(np.float32)
    slopes, seen, blind = picture.pull_back(noise), [], []
    for k in drawer.engine.colouring:
        low, high = person.copy(), person.copy()
        low[k], high[k] = 0, 1
        if not np.array_equal(drawer.engine.draw(low).picture, drawer.engine.draw(high).picture):
            seen.append(portrait.sliders[k].name)
            if slopes[k] == 0:
                blind.append(portrait.sliders[k].name)
    assert blind == []
    assert len(seen) == len(drawer.engine.colouring) > 40


@pytest.mark.parametrize("name", ["eyebrows.lift", "eyebrows.gap", "eyebrows.arch", "eyebrows.slant", "skin.freckles",
                                  "skin.gloss", "eyes.lashes", "iris.size", "hair.hairline", "cheek.blush"])
def test_slope_of_what_a_slider_of_looks_does_is_downhill(drawer: TangentEngine, picture: LinearPicture, person: Vector,
                                                          portrait: ParameterSchema, name: str) -> None:
    k = portrait.columns.index(name)
    low, high = person.copy(), person.copy()
    low[k], high[k] = 0.4, 0.6
    change = (levels(drawer.engine, high) - levels(drawer.engine, low)) / np.float32(0.2)
    share = picture.pull_back(change)[k] / float(np.square(change).sum())
    assert 0.1 < share < 2  # 1 where the change is linear and uncovers nothing


def test_tone_curve_is_the_engines() -> None:
    light = torch.linspace(0.1, 3, 200)
    at = (light * float(resolve.LEVELS_PER_LIGHT)).int().clamp(max=int(resolve.LAST_LEVEL))
    assert tone_curve(light).numpy() * 255 == pytest.approx(resolve.TONE_CURVE[at.numpy()], abs=1)
    assert float(tone_curve(torch.zeros(1))) == float(tone_curve(torch.full((1,), DARKEST)))


def test_view_directions_look_from_pixels_to_the_camera() -> None:
    views = view_directions(torch.tensor([0, 27, 28, 35, 36]), 8, 0.1)
    assert views.square().sum(0).numpy() == pytest.approx(1)
    assert views[2].min() > 0.98
    assert views[0, 0] > 0 > views[1, 0]  # a pixel at the upper left sees the camera to its right, below it
    assert (views[:2, 1:].sum(1)).numpy() == pytest.approx(0, abs=1e-6)  # the four in the middle, around the axis
