"""A world without engine and networks: what is seen of a face is a simple function of its parameters."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from torch import Tensor

from facenn.arrays import Floats, Vector
from facenn.fitting.engine.library import Library
from facenn.people import random_vector
from facenn.perception.cells import CELLS
from facenn.perception.observation import Observation
from facenn.perception.skin import SkinSpots
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema(
    "toy", 0,
    (*(Slider(f"shape.{i}", "Shape", f"Shape {i}") for i in range(4)),
     Slider("skin.tone", "Skin", "Tone", 0.3, two_sided=False, role="skin.tone"),
     Slider("hair.lightness", "Hair", "Lightness", 0.3, two_sided=False, role="hair.lightness"),
     Slider("iris.lightness", "Iris", "Lightness", 0.3, two_sided=False, role="iris")),
    (Choice("hair.style", "Hair", "Style", ("bald", "short", "long"), "bald", role="hair"),
     Choice("brow.style", "Brows", "Style", ("thin", "thick"), "thin")))


def _noise(seed: int, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@dataclass
class ToyObserver:
    """Draws and looks without a picture.

    Attributes:
        reference: (478, 2) landmarks of the neutral face.
        spots: of the skin.
        drawn: how many faces were looked at.
        viewed: numbers of the views, one after the other.
    """

    reference: Floats
    spots: SkinSpots
    drawn: int = 0
    viewed: list[int] = field(default_factory=list)
    directions: Floats = field(default_factory=lambda: _noise(1, (4, 128)))
    shifts: Floats = field(default_factory=lambda: _noise(2, (4, 478, 2)))
    gaze: Floats = field(default_factory=lambda: _noise(4, (128,)))

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        self.drawn += len(vectors)
        if self.viewed[-1:] != [view]:
            self.viewed.append(view)
        shape, tone, light, clear = vectors[:, :4] - 0.5, vectors[:, 4], vectors[:, 5], vectors[:, 6]
        hair, brow = vectors[:, SCHEMA.slices["hair.style"]], vectors[:, SCHEMA.slices["brow.style"]]
        embedding = np.roll(1 + shape @ self.directions + (clear[:, None] - 0.5) * self.gaze, view, axis=1)
        points = self.reference + 0.01 * np.einsum("bi,inj->bnj", shape, self.shifts)
        stripes = np.arange(len(self.spots)) % 7 == 0
        skin = (1 - 0.7 * tone)[:, None] * (1 - 0.5 * brow[:, 1:] * stripes)
        iris = np.repeat(0.1 + 0.3 * clear[:, None], 3, 1)
        cover = np.zeros((len(vectors), CELLS, CELLS))
        middle = int(self.reference[0, 0] * CELLS)
        for style, rows in ((1, 6), (2, 12)):  # hair covers a block around the face, down to a row
            cover[hair[:, style] > 0.5, :rows, middle - 4:middle + 5] = 1
        colour = np.repeat((light * (hair[:, 0] < 0.5))[:, None], 3, 1)
        return Observation(*(np.asarray(a, np.float32) for a in (
            embedding / np.linalg.norm(embedding, axis=1, keepdims=True), points,
            np.repeat(skin[..., None], 3, 2), iris, cover, colour)))

    def photo(self, vector: Vector, *, view: int = 0) -> Observation:
        """What is seen of one face that was not drawn for a fit."""
        seen = self.observe(vector[None], self.reference, view=view)
        self.drawn -= 1
        self.viewed.clear()
        return seen


@pytest.fixture
def observer(face_points: Tensor) -> ToyObserver:
    reference = (face_points[:, :2] / 512).numpy()
    return ToyObserver(reference, SkinSpots(reference))


@pytest.fixture
def library(observer: ToyObserver) -> Library:
    vectors = np.stack([random_vector(SCHEMA, 3, i) for i in range(200)])
    seen = observer.observe(vectors, observer.reference)
    observer.drawn = 0
    return Library(SCHEMA, vectors, seen, observer.reference)


@pytest.fixture
def planted() -> Vector:
    """(P,) somebody whom no library holds."""
    return SCHEMA.from_named({"shape.0": 0.7, "shape.1": 0.3, "shape.2": 0.6, "shape.3": 0.45, "skin.tone": 0.8,
                              "hair.lightness": 0.15, "iris.lightness": 0.2, "hair.style": "short",
                              "brow.style": "thick"})
