"""The residuals of a fit on the engine: how drawn faces differ from a photo's, as one vector of numbers each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facenn.arrays import Array, Floats
from facenn.fitting.engine.least_squares import robust_loss
from facenn.fitting.prior import Population
from facenn.networks.cropping import procrustes
from facenn.networks.facemesh import JAW_ANGLES, JAW_EDGES, MESH, MOUTH_CORNERS, NOSE_TIP, OUTER_EYE_CORNERS
from facenn.perception.cells import CELLS
from facenn.perception.hair import surroundings
from facenn.perception.observation import Observation
from facenn.perception.skin import SkinSpots

# FaceMesh, which has learnt from photos, sees the lower corners of the engine's jaws inside of their outline, by so
# many distances between the eyes: in the mean of 31 drawn heads whose outline is clear there, with deviations of 0.02.
# In a photo it sees them where they are. An Imitator may draw another head, so its fits know nothing of this.
JAW = {**dict.fromkeys(JAW_ANGLES, 0.043), **dict.fromkeys(JAW_EDGES, 0.073)}
CENTRE = (*MOUTH_CORNERS, NOSE_TIP)

# Beyond these a difference counts ever less: highlights, shadows, glasses, what the engine has not got.
TONE_SCALE, RELIEF_SCALE = 0.3, 0.8

LEARNED = {"identity": "embedding", "tone": "tones", "relief": "relief"}
"""Terms whose Jacobian begins as the mean of many faces, and the features that they compare."""
NUDGE = 0.01  # of a slider: over which landmarks move in proportion

ENOUGH = 0.04  # of the surroundings: hair that covers less has no colour that one could tell


@dataclass(frozen=True)
class Weights:
    """How much each term counts: weights of mean squares, so that terms compare whatever the number of their entries.

    Attributes:
        identity: of |difference of unit embeddings|^2 = 2 (1 - cosine): 2.4 is 1 for SFace and 1.4 for FaceRes.
        landmark: in distances between the eyes; a typical error of 0.05 counts 0.15 at 60.
        tone: of skin, sRGB in [0, 1]; skin that is off by 0.1 counts 0.2 at 20.
        relief: of skin, powers of e; brows of the wrong thickness differ by about 0.3 in a tenth of the spots.
        iris: sRGB in [0, 1]; brown irises and light ones differ by about 0.1, which counts 0.1 at 12.
        cover: shares of cells around the face that hair covers: short hair and long differ in one of four.
        hair: sRGB in [0, 1]; black hair and brown differ by about 0.1.
        prior: of what one person of a sex and age differs from the next; more keeps faces from being alike.
    """

    identity: float = 2.4
    landmark: float = 60.0
    tone: float = 20.0
    relief: float = 8.0
    iris: float = 12.0
    cover: float = 1.0
    hair: float = 12.0
    prior: float = 0.006


class Residuals:
    """Compares drawn faces with one photo.

    Args:
        photo: what is seen in the photo, B = 1.
        spots: of the skin.
        population: towards which the sliders are pulled.
        weights: of the terms.

    Attributes:
        terms: where each term has its entries, by name.
        scales: (R,) from which on an entry counts ever less, see ``robust_loss``.
    """

    def __init__(self, photo: Observation, spots: SkinSpots, population: Population, weights: Weights) -> None:
        self._photo, self._spots, self._population = photo, spots, population
        self._weights = weights
        self._points = as_if_drawn(photo.points[:, :MESH])
        self._tones, self._relief = spots.tones(photo.skin), spots.relief(photo.skin)
        self._region = surroundings(photo.points[0], CELLS)
        parts = self._parts(photo, population.mean[None])
        ends = np.cumsum([part.shape[1] for part in parts.values()])
        self.terms = {name: slice(int(end) - part.shape[1], int(end))
                      for (name, part), end in zip(parts.items(), ends, strict=True)}
        self.scales = np.full(int(ends[-1]), np.inf)
        # A term that does not count has no scale, either.
        self.scales[self.terms["tone"]] = TONE_SCALE * self._tone_weight() or np.inf
        self.scales[self.terms["relief"]] = RELIEF_SCALE * self._relief_weight() or np.inf

    def of(self, drawn: Observation, values: Array) -> Array:
        """(B, R) weighted differences of B drawn faces, whose squares add up to the loss but for its bends.

        Args:
            drawn: what is seen of them.
            values: (B, D) their sliders.
        """
        return np.concatenate([*self._parts(drawn, values).values()], 1).astype(np.float64)

    def losses(self, residuals: Array) -> dict[str, float]:
        """Each term's share of the loss of residuals (R,), and their total."""
        terms = {name: float(robust_loss(residuals[where], self.scales[where])) for name, where in self.terms.items()}
        return {"total": sum(terms.values()), **terms}

    def slopes(self, weighted: Array, seen: Observation) -> tuple[Floats, Floats]:
        """Half the derivative of the loss by what the recognition networks and the skin say of one drawn face.

        Args:
            weighted: (R,) residuals times their robust weights.
            seen: of the face, B = 1.

        Returns:
            (E,) derivative by the embedding, (T, 3) by the colours of the spots.
        """
        tones = self._tone_weight() * weighted[self.terms["tone"]].reshape(-1, 3)
        relief = self._relief_weight() * weighted[self.terms["relief"]]
        embedding = np.sqrt(self._weights.identity) * weighted[self.terms["identity"]]
        return (embedding.astype(np.float32),
                self._spots.pull_back(seen.skin[0], tones.astype(np.float32), relief.astype(np.float32)))

    def guessed(self, mean: Mapping[str, Floats]) -> Array:
        """(R', D) Jacobian of the terms ``LEARNED``, in their order, from the (F, D) mean Jacobian of each feature."""
        scales = {"identity": np.sqrt(self._weights.identity), "tone": self._tone_weight(),
                  "relief": self._relief_weight()}
        return np.concatenate([scales[term] * mean[kind] for term, kind in LEARNED.items()]).astype(np.float64)

    def of_landmarks(self, seen: Observation, motion: Array) -> Array:
        """(R'', D) Jacobian of the term of landmarks, from (D, 468, 2) how each slider moves them."""
        points = seen.points[:, :MESH]
        moved = procrustes((points + NUDGE * motion).astype(np.float32), self._points[0])
        slopes = (moved - procrustes(points, self._points[0])) / NUDGE
        scale = np.sqrt(self._weights.landmark / MESH) / _eye_distance(self._photo.points)
        jacobian: Array = (scale * slopes).reshape(len(motion), -1).T.astype(np.float64)
        return jacobian

    def of_prior(self) -> Array:
        """(D, D) Jacobian of the term of the prior."""
        jacobian: Array = np.sqrt(self._weights.prior / len(self._population.mean)) * self._population.whitening
        return jacobian

    def hair(self, cover: Floats, colour: Floats) -> float:
        """Loss of the terms of hair alone, for a drawn face of which nothing else is known.

        Args:
            cover: (CELLS, CELLS) of its hair.
            colour: (3,) of its hair.
        """
        seen = replace(self._photo, cover=cover[None], hair=colour[None])
        found = self._parts(seen, self._population.mean[None])
        return float(np.square(found["cover"]).sum() + np.square(found["hair"]).sum())

    def iris(self, colour: Floats) -> Array:
        """(3,) residuals of the irises' colour (3,)."""
        apart: Array = np.sqrt(self._weights.iris / 3) * (colour - self._photo.iris[0]).astype(np.float64)
        return apart

    def hair_colour(self, colour: Floats) -> Array:
        """(3,) residuals of the hair's colour (3,), as if there were plenty in the drawing."""
        apart: Array = np.sqrt(self._weights.hair / 3 * float(self._haired(self._photo)[0])) * (
            colour - self._photo.hair[0]).astype(np.float64)
        return apart

    def _parts(self, drawn: Observation, values: Array) -> dict[str, Array]:
        """(B, r) of each term: the one place that says which terms there are, and in which order."""
        photo, weights, usual = self._photo, self._weights, self._population
        shares = {
            "identity": np.sqrt(weights.identity) * (drawn.embedding - photo.embedding),
            "landmark": np.sqrt(weights.landmark / MESH) * (procrustes(drawn.points[:, :MESH], self._points[0])
                                                            - self._points) / _eye_distance(photo.points),
            "tone": self._tone_weight() * (self._spots.tones(drawn.skin) - self._tones),
            "relief": self._relief_weight() * (self._spots.relief(drawn.skin) - self._relief),
            "iris": np.sqrt(weights.iris / 3) * (drawn.iris - photo.iris),
            "cover": np.sqrt(weights.cover / self._region.sum()) * (drawn.cover - photo.cover)[:, self._region],
            "hair": np.sqrt(weights.hair / 3 * self._haired(drawn) * self._haired(photo))[:, None] * (
                drawn.hair - photo.hair),
            "prior": np.sqrt(weights.prior / len(usual.mean)) * (values - usual.mean) @ usual.whitening.T}
        return {name: share.reshape(len(drawn), -1) for name, share in shares.items()}

    def _tone_weight(self) -> float:
        return float(np.sqrt(self._weights.tone / (3 * self._spots.patches)))

    def _relief_weight(self) -> float:
        return float(np.sqrt(self._weights.relief / len(self._spots)))

    def _haired(self, seen: Observation) -> Floats:
        """(B,) 1 for people with enough hair to tell its colour, down to 0 for the bald."""
        haired: Floats = np.minimum(seen.cover[:, self._region].mean(1) / ENOUGH, 1)
        return haired


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
