"""The residuals of a fit on the engine: how a drawn face differs from the photo's, as one vector of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facenn.fitting.face import CELLS
from facenn.fitting.hair import surroundings
from facenn.fitting.newton import Array, robust_loss
from facenn.fitting.population import Population
from facenn.fitting.sight import Floats, Layout, Sights
from facenn.networks.cropping import procrustes
from facenn.networks.facemesh import JAW_ANGLES, JAW_EDGES, MESH, MOUTH_CORNERS, NOSE_TIP, OUTER_EYE_CORNERS
from facenn.schema import ParameterSchema, Vector

# FaceMesh, which has learnt from photos, sees the lower corners of the engine's jaws inside of their outline, by so
# many distances between the eyes: in the mean of 31 drawn heads whose outline is clear there, with deviations of 0.02.
# In a photo it sees them where they are. An Imitator may draw another head, so its fits know nothing of this.
JAW = {**dict.fromkeys(JAW_ANGLES, 0.043), **dict.fromkeys(JAW_EDGES, 0.073)}
CENTRE = (*MOUTH_CORNERS, NOSE_TIP)

# Each weight is that of a mean square, so that the terms compare whatever the number of their entries.
IDENTITY = 2.4  # |difference of unit embeddings|^2 = 2 (1 - cosine): 1 for SFace and 1.4 for FaceRes
LANDMARKS = 60.0  # in distances between the eyes; a typical error of 0.05 counts 0.15
TONE = 20.0  # sRGB in [0, 1]; skin that is off by 0.1 counts 0.2
RELIEF = 8.0  # powers of e; brows of the wrong thickness differ by about 0.3 in a tenth of the spots
IRIS = 12.0  # sRGB in [0, 1]; brown eyes and light ones differ by about 0.1, which counts 0.1
COVER = 1.0  # shares of cells around the face that hair covers: short hair and long differ in one of four
HAIR = 12.0  # sRGB in [0, 1]; black hair and brown differ by about 0.1
PRIOR = 0.006  # of what one person of that sex and age differs from the next; more keeps faces from being alike

# Beyond these a difference counts ever less: highlights, shadows, glasses, what the engine has not got.
TONE_SCALE, RELIEF_SCALE = 0.3, 0.8

ENOUGH = 0.04  # of the surroundings: hair that covers less has no colour that one could tell


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
        self._points = as_if_drawn(photo.points[:, :MESH])  # without irises: they say where a person looks
        self._tones, self._relief = layout.tones(photo.skin), layout.relief(photo.skin)
        self._region = surroundings(photo.points[0], CELLS)
        sizes = {"identity": photo.embedding.shape[1], "landmark": 2 * MESH, "tone": 3 * layout.patches,
                 "relief": len(layout), "iris": 3,
                 "cover": int(self._region.sum()), "hair": 3, "prior": len(population.mean)}
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
        points = np.sqrt(LANDMARKS / MESH) * (procrustes(drawn.points[:, :MESH], self._points[0])
                                            - self._points) / _eye_distance(photo.points)
        tone = self._tone_weight() * (self._layout.tones(drawn.skin) - self._tones)
        relief = self._relief_weight() * (self._layout.relief(drawn.skin) - self._relief)
        iris = np.sqrt(IRIS / 3) * (drawn.iris - photo.iris)
        cover = np.sqrt(COVER / self._region.sum()) * (drawn.cover - photo.cover)[:, self._region]
        hair = np.sqrt(HAIR / 3 * self._haired(drawn) * self._haired(photo))[:, None] * (drawn.hair - photo.hair)
        usual = self._population
        prior = np.sqrt(PRIOR / len(usual.mean)) * (values - usual.mean) @ usual.whitening.T
        parts = (identity, points, tone, relief, iris, cover, hair, prior)
        return np.concatenate([p.reshape(count, -1) for p in parts], 1).astype(np.float64)

    def losses(self, residuals: Array) -> dict[str, float]:
        """Each term's share of the loss of residuals (R,), and their total."""
        terms = {t.name: float(robust_loss(residuals[t.where], self.scales[t.where])) for t in self.terms}
        return {"total": sum(terms.values()), **terms}

    def counted(self, names: Sequence[str] | None) -> Array:
        """(R,) 1 for the residuals of the terms of these names, or of all for None, 0 for the others."""
        counted = np.zeros(self.terms[-1].where.stop)
        for term in self.terms:
            counted[term.where] = names is None or term.name in names
        return counted

    def only(self, residuals: Array, name: str) -> Array:
        """(B,) one term's loss of residuals (B, R)."""
        where = next(t.where for t in self.terms if t.name == name)
        return robust_loss(residuals[:, where], self.scales[where])

    def _tone_weight(self) -> float:
        return float(np.sqrt(TONE / (3 * self._layout.patches)))

    def _relief_weight(self) -> float:
        return float(np.sqrt(RELIEF / len(self._layout)))

    def _haired(self, seen: Sights) -> Floats:
        """(B,) 1 for people with enough hair to tell its colour, down to 0 for the bald."""
        haired: Floats = np.minimum(seen.cover[:, self._region].mean(1) / ENOUGH, 1)
        return haired

    def _scales(self) -> Array:
        scales = np.full(self.terms[-1].where.stop, np.inf)
        where = {t.name: t.where for t in self.terms}
        scales[where["tone"]] = TONE_SCALE * self._tone_weight()
        scales[where["relief"]] = RELIEF_SCALE * self._relief_weight()
        return scales


def as_if_drawn(points: Floats) -> Floats:
    """(B, N, 2) landmarks of photos as FaceMesh would see them if the engine had drawn the same heads."""
    moved, where = points.copy(), list(JAW)
    out = points[:, where] - points[:, CENTRE].mean(1, keepdims=True)
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    moved[:, where] -= _eye_distance(points)[:, None, None] * np.array(list(JAW.values()), np.float32)[:, None] * out
    return moved


def _eye_distance(points: Floats) -> Floats:
    """(B, N, 2) landmarks -> (B,)."""
    left, right = OUTER_EYE_CORNERS
    distance: Floats = np.linalg.norm(points[:, right] - points[:, left], axis=-1)
    return distance


def sliders_of(vectors: Vector, schema: ParameterSchema) -> Array:
    """(..., P) parameters -> (..., D) their sliders."""
    sliders: Array = vectors[..., :len(schema.sliders)].astype(np.float64)
    return sliders
