"""Whether the sliders of skin reach the colours of real people's faces."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facenn.alignment import find_faces
from facenn.engine.renderer import Engine
from facenn.images import read_image, to_tensor
from facenn.networks.frozen import Frozen
from facenn.schema import ParameterSchema

CHEEKS_AND_FOREHEAD = (50, 280, 151)  # landmarks
EVERY = 3  # people: a third of them is enough for all tones
REACHED = 25  # levels of 255 by which the nearest of a coarse grid of sliders may differ


def skin_colour(picture: Tensor, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3,) median colour of cheeks and forehead, 0..255."""
    half = max(3, int(0.05 * np.ptp(points[:, 0])))
    patches = []
    for x, y in points[list(CHEEKS_AND_FOREHEAD), :2].astype(int):
        patches.append(picture[:, y - half:y + half, x - half:x + half].reshape(3, -1).numpy())
    colour: NDArray[np.float32] = 255 * np.median(np.concatenate(patches, 1), 1)
    return colour


def test_tone_and_warmth_reach_the_skin_of_real_people(london: Path, small_engine: Engine, frozen: Frozen,
                                                       portrait: ParameterSchema) -> None:
    photos = []
    for path in sorted(london.glob("*_neutral.jpg"))[::EVERY]:
        picture = read_image(path)
        nearest = max(find_faces(picture, frozen.finder), key=lambda found: found.area)
        photos.append(skin_colour(picture, nearest.points.numpy()))
    neutral, drawn = portrait.to_named(portrait.neutral()), []
    for tone in np.linspace(0, 1, 9):
        for warmth in (0.0, 0.5, 1.0):
            vector = portrait.from_named(neutral | {"skin.tone": float(tone), "skin.warmth": warmth})
            picture = to_tensor(small_engine.draw(vector).picture)
            points = frozen.finder.find(picture[None])
            assert points is not None
            drawn.append(skin_colour(picture, points[0].numpy()))
    real, reach = np.stack(photos), np.stack(drawn)
    assert reach.mean(1).min() < real.mean(1).min() < real.mean(1).max() < reach.mean(1).max()
    assert np.linalg.norm(real[:, None] - reach[None], axis=-1).min(1).max() < REACHED
