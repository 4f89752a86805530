"""The residuals of a fit on the engine: how a drawn face differs from the photo's, as one vector of numbers."""

from dataclasses import dataclass

import numpy as np

from facenn.fitting.newton import Array, robust_loss
from facenn.fitting.sight import MESH, Floats, Layout, Sights
from facenn.fitting.target import CELLS, FACE_OVAL
from facenn.schema import ParameterSchema, Vector

EYES = (33, 263)  # outer corners

# Each weight is that of a mean square, so that the terms compare whatever the number of their entries.
IDENTITY = 1.0  # |difference of unit embeddings|^2 = 2 (1 - cosine)
LANDMARKS = 60.0  # in distances between the eyes; a typical error of 0.05 counts as much as 0.15 of identity
TONE = 20.0  # sRGB in [0, 1]; skin that is off by 0.1 counts 0.2
RELIEF = 8.0  # powers of e; brows of the wrong thickness differ by about 0.3 in a tenth of the spots
AROUND = 3.0  # sRGB in [0, 1]; weak: what is around a face may be hair, a hat or a wall
PRIOR = 0.015  # of what one person in the street differs from the next; less makes faces that nobody has

# Beyond these a difference counts ever less: highlights, shadows, glasses, what the engine has not got.
TONE_SCALE, RELIEF_SCALE, AROUND_SCALE = 0.3, 0.25, 0.5

STRANGE, TRIMMING_ROUNDS = 0.25, 3  # share of a library's people that is drawn broadly: nobody is like them
SHRINKAGE = 0.25  # share of the covariance that is taken for independent: a library is small beside its sliders


@dataclass(frozen=True)
class Population:
    """How the sliders of people vary together.

    Attributes:
        mean: (D,) of the sliders.
        whitening: (D, D) matrix that makes deviations from the mean independent, of variance 1.
    """

    mean: Array
    whitening: Array

    @classmethod
    def of(cls, values: Array) -> "Population":
        """The population of which (N, D) sliders were drawn, without the strangest; shrunk towards independence."""
        usual = cls._of_all(values)
        for _ in range(TRIMMING_ROUNDS):
            distance = np.square((values - usual.mean) @ usual.whitening.T).sum(1)
            usual = cls._of_all(values[distance <= np.quantile(distance, 1 - STRANGE)])
        return usual

    @classmethod
    def _of_all(cls, values: Array) -> "Population":
        covariance = np.cov(values, rowvar=False)
        spread = np.diag(np.diag(covariance) + 1e-4)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread
        return cls(values.mean(0), np.linalg.inv(np.linalg.cholesky(shrunk)))


@dataclass(frozen=True)
class Term:
    """A part of the residual vector.

    Attributes:
        name: of the loss it adds up to.
        where: its entries.
    """

    name: str
    where: slice


class Comparison:
    """Compares drawn faces with one photo.

    Args:
        photo: what is seen in the photo, B = 1.
        layout: of the spots of the skin.
        population: towards which the sliders are pulled.
    """

    def __init__(self, photo: Sights, layout: Layout, population: Population) -> None:
        self._photo, self._layout, self._population = photo, layout, population
        self._tones, self._relief = layout.tones(photo.skin), layout.relief(photo.skin)
        self._region, self._wall = surroundings(photo.points[0]), wall_colour(photo)
        sizes = {"identity": photo.embedding.shape[1], "landmark": 2 * MESH, "tone": 3 * layout.patches,
                 "relief": len(layout), "around": 3 * int((self._region > 0).sum()), "prior": len(population.mean)}
        ends = np.cumsum(list(sizes.values()))
        self.terms = tuple(Term(name, slice(int(end) - size, int(end)))
                           for (name, size), end in zip(sizes.items(), ends, strict=True))
        self.scales = self._scales()

    def residuals(self, drawn: Sights, values: Array) -> Array:
        """(B, R) weighted differences of B drawn faces, whose squares add up to the loss but for its bends.

        Args:
            drawn: what is seen of them.
            values: (B, D) their sliders.
        """
        photo, count = self._photo, len(drawn)
        identity = np.sqrt(IDENTITY) * (drawn.embedding - photo.embedding)
        points = np.sqrt(LANDMARKS / MESH) * (superimposed(drawn.points[:, :MESH], photo.points[0, :MESH])
                                              - photo.points[:, :MESH]) / _eye_distance(photo.points[0])
        tone = self._tone_weight() * (self._layout.tones(drawn.skin) - self._tones)
        relief = self._relief_weight() * (self._layout.relief(drawn.skin) - self._relief)
        seen = drawn.around + drawn.background[..., None] * self._wall - photo.around
        inside = self._region > 0
        around = self._around_weights()[:, None] * seen[:, inside]
        usual = self._population
        prior = np.sqrt(PRIOR / len(usual.mean)) * (values - usual.mean) @ usual.whitening.T
        parts = (identity, points, tone, relief, around, prior)
        return np.concatenate([p.reshape(count, -1) for p in parts], 1).astype(np.float64)

    def losses(self, residuals: Array) -> dict[str, float]:
        """Each term's share of the loss of residuals (R,), and their total."""
        terms = {t.name: float(robust_loss(residuals[t.where], self.scales[t.where])) for t in self.terms}
        return {"total": sum(terms.values()), **terms}

    def only(self, residuals: Array, name: str) -> Array:
        """(B,) one term's loss of residuals (B, R)."""
        where = next(t.where for t in self.terms if t.name == name)
        return robust_loss(residuals[:, where], self.scales[where])

    def _tone_weight(self) -> float:
        return float(np.sqrt(TONE / (3 * self._layout.patches)))

    def _relief_weight(self) -> float:
        return float(np.sqrt(RELIEF / len(self._layout)))

    def _around_weights(self) -> Floats:
        weights = self._region[self._region > 0]
        around: Floats = np.sqrt(AROUND * weights / (3 * weights.sum()))
        return around

    def _scales(self) -> Array:
        scales = np.full(self.terms[-1].where.stop, np.inf)
        where = {t.name: t.where for t in self.terms}
        scales[where["tone"]] = TONE_SCALE * self._tone_weight()
        scales[where["relief"]] = RELIEF_SCALE * self._relief_weight()
        scales[where["around"]] = AROUND_SCALE * np.repeat(self._around_weights(), 3)
        return scales


def _eye_distance(points: Floats) -> float:
    return float(np.linalg.norm(points[EYES[1]] - points[EYES[0]]))


def superimposed(points: Floats, onto: Floats) -> Floats:
    """Points (B, N, 2) after the similarity, one for each B, that brings them closest to others (N, 2)."""
    centre, goal = points.mean(1, keepdims=True), onto.mean(0)
    a, b = points - centre, onto - goal
    a, b = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    turn = (a.conj() * b).sum(1) / (np.abs(a) ** 2).sum(1)  # a complex number turns and scales
    there = turn[:, None] * a
    moved: Floats = np.stack([there.real, there.imag], -1).astype(np.float32) + goal
    return moved


def surroundings(points: Floats) -> Floats:
    """(CELLS, CELLS) 1 where hair may be: around the face, above the chin; 0 elsewhere.

    Args:
        points: (478, 2) landmarks, as parts of the picture's side.
    """
    x, y = _centres()
    low, high = points[list(FACE_OVAL)].min(0), points[list(FACE_OVAL)].max(0)
    size, centre = high - low, (low + high) / 2
    near = (np.abs(x - centre[0]) < 0.85 * size[0]) & (y > low[1] - 0.45 * size[1]) & (y < high[1])
    # an oval a little larger than the face, whose lower half is left out: jaw, neck and collar are no hair
    face = np.hypot((x - centre[0]) / (0.52 * size[0]), (y - centre[1]) / (0.5 * size[1])) < 1
    neck = (np.abs(x - centre[0]) < 0.4 * size[0]) & (y > centre[1])
    region: Floats = (near & ~face & ~neck).astype(np.float32)
    return region


def wall_colour(photo: Sights) -> Floats:
    """(3,) what is behind the person: the median colour left, right and above the head."""
    x, y = _centres()
    points = photo.points[0]
    low, high = points[list(FACE_OVAL)].min(0), points[list(FACE_OVAL)].max(0)
    size, centre = high - low, (low + high) / 2
    away = (np.abs(x - centre[0]) > 0.95 * size[0]) & (y < centre[1])
    cells = photo.around[0][away] if away.any() else photo.around[0][:1].reshape(-1, 3)
    wall: Floats = np.median(cells, 0).astype(np.float32)
    return wall


def _centres() -> tuple[Floats, Floats]:
    at = ((np.arange(CELLS) + 0.5) / CELLS).astype(np.float32)
    x, y = np.meshgrid(at, at)
    return x, y


def sliders_of(vectors: Vector, schema: ParameterSchema) -> Array:
    """(..., P) parameters -> (..., D) their sliders."""
    sliders: Array = vectors[..., :len(schema.sliders)].astype(np.float64)
    return sliders
