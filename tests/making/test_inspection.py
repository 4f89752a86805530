from collections.abc import Callable

import numpy as np
import pytest

from facenn.engine.characters import character
from facenn.engine.renderer import Engine
from facenn.making.inspection import STOPS, VISIBLE, grey_change, strips, visibility
from facenn.schema import Slider

PORTRAIT = character("portrait").schema


def test_grey_change_counts_levels_whatever_the_channel() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    red = black.copy()
    red[..., 0] = 30
    assert grey_change(black, black) == 0
    assert grey_change(black, red) == grey_change(red, black) == pytest.approx(10)
    assert grey_change(black, np.full_like(black, 255)) == 255


@pytest.mark.parametrize("slider", PORTRAIT.sliders, ids=lambda slider: slider.name)
def test_every_slider_visibly_changes_the_picture(small_engine: Engine, slider: Slider) -> None:
    assert visibility(small_engine, slider) >= VISIBLE


def test_strips_show_every_parameter_once_in_editor_order(make_engine: Callable[[str, int], Engine]) -> None:
    engine = make_engine("classic", 32)
    found = list(strips(engine))
    assert sorted(s.name for s in found) == sorted(
        [*(s.name for s in engine.schema.sliders), *(c.name for c in engine.schema.choices)])
    assert tuple(dict.fromkeys(s.group for s in found)) == engine.schema.groups
    neutral = engine.draw(engine.schema.neutral()).picture
    for strip in found:
        assert len(strip.pictures) == len(strip.values)
        assert (strip.visibility is None) == (strip.name == "eyebrows.style")
        if strip.visibility is not None:
            assert strip.values == ("0", "0.5", "1")
            assert np.array_equal(strip.pictures[STOPS.index(0.5)], neutral)  # shapes are two-sided
