from dataclasses import replace

import numpy as np
import pytest

from facenn.fitting.irises import with_clear_irises
from facenn.fitting.library import Library
from facenn.fitting.sight import Floats


def cleared(library: Library, *colours: tuple[float, float, float]) -> Floats:
    seen = replace(library.sights.take(list(range(len(colours)))), iris=np.array(colours, np.float32))
    return with_clear_irises(seen).iris


def test_with_clear_irises_makes_brown_and_blue_stronger(library: Library) -> None:
    brown, blue = cleared(library, (0.27, 0.22, 0.19), (0.21, 0.23, 0.25))
    assert brown[0] - brown[2] > 0.15
    assert blue[2] - blue[0] > 0.07


def test_dark_irises_are_brown_whatever_is_mirrored_in_them(library: Library) -> None:
    grey, bluish = cleared(library, (0.13, 0.13, 0.13), (0.12, 0.12, 0.13))
    for colour in (grey, bluish):
        assert colour[0] > 1.3 * colour[1] > 1.6 * colour[2]


def test_with_clear_irises_leaves_light_grey_and_everything_else(library: Library) -> None:
    photo = replace(library.sights.take([0]), iris=np.full((1, 3), 0.3, np.float32))
    clear = with_clear_irises(photo)
    assert clear.iris == pytest.approx(photo.iris)
    assert clear.skin is photo.skin and clear.embedding is photo.embedding
