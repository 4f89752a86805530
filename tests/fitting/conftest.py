"""A world without engine and networks: what is seen of a face is a simple function of its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.arrays import Array, Floats, Vector
from facenn.fitting.engine.observer import EngineObserver
from facenn.fitting.guess import Guess, Translator
from facenn.networks.facemesh import MESH
from facenn.people import random_vector
from facenn.perception.cells import CELLS
from facenn.perception.features import FeatureReader
from facenn.perception.observation import SIDE, Observation
from facenn.perception.skin import SkinSpots
from facenn.processes import Threads
from facenn.schema import Choice, ParameterSchema, Slider
from facenn.translating import mean_jacobian

SCHEMA = ParameterSchema(
    "toy", 0,
    (*(Slider(f"shape.{i}", "Shape", f"Shape {i}") for i in range(4)),
     Slider("skin.tone", "Skin", "Tone", 0.3, two_sided=False, role="skin.tone"),
     Slider("hair.lightness", "Hair", "Lightness", 0.3, two_sided=False, role="hair.lightness"),
     Slider("iris.lightness", "Iris", "Lightness", 0.3, two_sided=False, role="iris")),
    (Choice("hair.style", "Hair", "Style", ("bald", "short", "long"), "bald", role="hair"),
     Choice("brow.style", "Brows", "Style", ("thin", "thick"), "thin")))
SEXED = ParameterSchema("toy", 0, (*SCHEMA.sliders, Slider("sex", "Person", "Sex", role="sex")), SCHEMA.choices)
"""The same with people who are men or women, which shows."""
VIEWS = 3
STEP = 1e-3  # of differences


def _noise(seed: int, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@dataclass(frozen=True)
class ToyPicture:
    """Knows of what it is, and shows it to those who know the toy."""

    vector: Vector


@dataclass
class ToyObserver:
    """Draws and looks without a picture, as ``EngineObserver`` does.

    Attributes:
        reference: (478, 2) landmarks of the neutral face.
        spots: of the skin.
        schema: of the parameters.
        drawn: how many faces were drawn.
        viewed: numbers of the views in which gradients were asked for, one after the other.
    """

    reference: Floats
    spots: SkinSpots
    schema: ParameterSchema = SCHEMA
    drawn: int = 0
    viewed: list[int] = field(default_factory=list)
    directions: Floats = field(default_factory=lambda: _noise(1, (4, 128)))
    shifts: Floats = field(default_factory=lambda: _noise(2, (4, 478, 2)))
    gaze: Floats = field(default_factory=lambda: _noise(4, (128,)))
    manly: Floats = field(default_factory=lambda: _noise(5, (128,)))

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        shape, tone, light, clear = vectors[:, :4] - 0.5, vectors[:, 4], vectors[:, 5], vectors[:, 6]
        hair, brow = vectors[:, self.schema.slices["hair.style"]], vectors[:, self.schema.slices["brow.style"]]
        embedding = 1 + shape @ self.directions + (clear[:, None] - 0.5) * self.gaze
        if (sex := self.schema.slider_of("sex")) is not None:
            embedding = embedding + vectors[:, [sex]] * self.manly
        embedding = np.roll(embedding, view, axis=1)
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

    @property
    def observer(self) -> SimpleNamespace:
        """The networks: they see the parameters that ``photo_of`` wrote into a picture."""
        views = [SimpleNamespace(embed=lambda picture, points, view=view: torch.from_numpy(
            self.observe(self._of(picture), self.reference, view=view).embedding)) for view in range(VIEWS)]
        return SimpleNamespace(spots=self.spots, views=views, see_at=lambda picture, points, view=0: self.observe(
            self._of(picture), self.reference, view=view))

    def photo_of(self, vector: Vector) -> Tensor:
        """(1, 3, SIDE, SIDE) what only the toy recognises."""
        picture = torch.zeros(1, 3, SIDE, SIDE)
        picture[0, 0, 0, :len(vector)] = torch.from_numpy(vector)
        return picture

    def photo(self, vector: Vector, *, view: int = 0) -> Observation:
        """What is seen of one face that was not drawn for a fit."""
        return self.observe(vector[None], self.reference, view=view)

    def draw(self, vector: Vector) -> ToyPicture:
        self.drawn += 1
        return ToyPicture(self.schema.project(vector))

    def see(self, picture: ToyPicture, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        return self.observe(picture.vector[None], near, passes=passes, view=view)

    def look(self, picture: ToyPicture, points: Floats, threads: Threads, *, view: int) -> SimpleNamespace:
        return SimpleNamespace(embedding=self.photo(picture.vector, view=view).embedding, view=view)

    def see_repainted(self, picture: ToyPicture, vector: Vector, points: Floats, *, view: int = 0) -> Observation:
        return self.photo(vector, view=view)

    def hair(self, picture: ToyPicture) -> tuple[Floats, Floats]:
        seen = self.photo(picture.vector)
        return seen.cover[0], seen.hair[0]

    def repainted_irises(self, picture: ToyPicture, vector: Vector, points: Floats) -> Floats:
        colour: Floats = self.photo(vector).iris[0]
        return colour

    def repainted_hair(self, picture: ToyPicture, vector: Vector) -> Floats:
        colour: Floats = self.photo(vector).hair[0]
        return colour

    def pull_back(self, picture: ToyPicture, points: Floats, look: SimpleNamespace, threads: Threads, *,
                  embedding: Floats, skin: Floats) -> Array:
        self.viewed.append(look.view)
        return np.array([(changed.embedding[0] * embedding).sum() + (changed.skin[0] * skin).sum()
                         for changed in self._slopes(picture.vector, look.view)])

    def motion(self, picture: ToyPicture) -> Array:
        return np.stack([changed.points[0, :MESH] for changed in self._slopes(picture.vector, 0)]).astype(np.float64)

    def _slopes(self, vector: Vector, view: int) -> list[Observation]:
        """How what is seen changes with each slider."""
        found = []
        for k in range(len(self.schema.sliders)):
            low, high = vector.copy(), vector.copy()
            low[k], high[k] = low[k] - STEP, high[k] + STEP
            ends = self.observe(np.stack([low, high]), self.reference, view=view)
            found.append(Observation(*((getattr(ends, name)[[1]] - getattr(ends, name)[[0]]) / (2 * STEP)
                                       for name in ("embedding", "points", "skin", "iris", "cover", "hair"))))
        return found

    def _of(self, picture: Tensor) -> Vector:
        vector: Vector = picture[:, 0, 0, :self.schema.size].numpy()
        return vector


@dataclass
class ToyTranslator:
    """Says of everybody the same, dark hair, and how sure it is of their sex; see ``Translator``."""

    schema: ParameterSchema
    reader: FeatureReader
    jacobian: Mapping[str, Floats]
    man: float = 0.98

    def guess(self, seen: Observation, traits: Floats) -> Guess:
        options = {c.name: np.full(len(c.options), 1 / len(c.options), np.float32) for c in self.schema.choices}
        sliders = np.full(len(self.schema.sliders), 0.4, np.float32)
        sliders[self.schema.columns.index("hair.lightness")] = 0.25
        return Guess(sliders, options, self.man, 1.0)


def as_observers(*observers: ToyObserver) -> Sequence[EngineObserver]:
    return cast(Sequence[EngineObserver], observers)


def toy_translator(observer: ToyObserver, *, man: float = 0.98) -> Translator:
    """A Translator that knows how the toy's people differ in the mean, and nothing of one of them."""
    vectors = np.stack([random_vector(observer.schema, 3, i) for i in range(200)])
    reader = FeatureReader(observer.reference, observer.spots)
    features = reader.read(observer.observe(vectors, observer.reference), np.zeros((200, 2), np.float32))
    sliders = len(observer.schema.sliders)
    jacobian = {kind: mean_jacobian(features[kind], vectors)[:, :sliders] for kind in ("embedding", "tones", "relief")}
    return cast(Translator, ToyTranslator(observer.schema, reader, jacobian, man))


@pytest.fixture(scope="session")
def spots(face_points: Tensor) -> SkinSpots:
    return SkinSpots((face_points[:, :2] / 512).numpy())


@pytest.fixture
def observer(face_points: Tensor, spots: SkinSpots) -> ToyObserver:
    return ToyObserver((face_points[:, :2] / 512).numpy(), spots)


@pytest.fixture
def people() -> Vector:
    """(N, P) random people."""
    return np.stack([random_vector(SCHEMA, 3, i) for i in range(40)])


@pytest.fixture
def planted() -> Vector:
    """(P,) somebody."""
    return SCHEMA.from_named({"shape.0": 0.7, "shape.1": 0.3, "shape.2": 0.6, "shape.3": 0.45, "skin.tone": 0.8,
                              "hair.lightness": 0.15, "iris.lightness": 0.2, "hair.style": "short",
                              "brow.style": "thick"})
