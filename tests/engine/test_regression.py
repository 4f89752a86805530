"""A handful of faces as they were drawn when this file's neighbour was written, coarsely.

Means of 16 x 16 parts of the picture, and the pixels of each label: another processor's rounding changes neither by
half a level or a few pixels; another figure in a kernel does. Where a change of the drawing is meant, renew them:

    python -m tests.engine.test_regression
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.camera import STUDIO, Conditions
from facenn.engine.layout import LABELS
from facenn.engine.renderer import Engine, Render
from facenn.people import random_vector

STORED = Path(__file__).with_name("faces.npz")
SIDE, CELLS = 256, 16
COLOUR_TOLERANCE = 0.5  # levels of 255
LABEL_TOLERANCE = 6  # pixels
FACES: dict[str, tuple[int, str, Conditions]] = {
    "bald": (0, "bald", STUDIO),
    "long": (1, "long", STUDIO),
    "afro turned": (2, "afro", Conditions(yaw=20, pitch=-8)),
    "crop smiling": (3, "crop", Conditions(expression=(("smile", 1.0), ("jaw_open", 0.5)))),
    "bun in warm light": (4, "bun", Conditions(light_yaw=30, light=(1.0, 0.8, 0.6), contrast=1.5)),
    "buzz near": (5, "buzz", Conditions(distance=0.5, background=(0.1, 0.5, 0.3))),
}
"""Number of the person, hair style, and how the picture is taken."""


def draw(engine: Engine, name: str) -> Render:
    number, hair, conditions = FACES[name]
    schema = engine.schema
    named = schema.to_named(random_vector(schema, 12, number)) | {"hair.style": hair}
    return engine.draw(schema.from_named(named), conditions)


def coarse(render: Render) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(CELLS, CELLS, 3) mean colours and (labels,) pixels of each."""
    size = SIDE // CELLS
    cells = render.picture.reshape(CELLS, size, CELLS, size, 3).mean((1, 3))
    return cells.astype(np.float32), np.bincount(render.labels.ravel(), minlength=len(LABELS))


@pytest.mark.parametrize("name", FACES)
def test_face_is_drawn_as_before(small_engine: Engine, name: str) -> None:
    with np.load(STORED, allow_pickle=False) as stored:
        colours, counts = stored[f"{name} colours"].astype(np.float32), stored[f"{name} labels"]
    drawn_colours, drawn_counts = coarse(draw(small_engine, name))
    assert np.abs(drawn_colours - colours).max() < COLOUR_TOLERANCE
    assert np.abs(drawn_counts - counts).max() <= LABEL_TOLERANCE


def renew() -> None:
    """Write what is drawn now."""
    engine = Engine("portrait", side=SIDE)
    arrays: dict[str, NDArray[np.generic]] = {}
    for name in FACES:
        colours, counts = coarse(draw(engine, name))
        arrays |= {f"{name} colours": colours.astype(np.float16), f"{name} labels": counts.astype(np.int32)}
    np.savez_compressed(STORED, allow_pickle=False, **arrays)


if __name__ == "__main__":
    renew()
