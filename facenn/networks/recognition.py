"""The recognition networks: which there are, what each of them is for, and how it compares two faces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.networks.cropping import crop, similarity
from facenn.networks.facemesh import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    LEFT_MOUTH_CORNER,
    NOSE_BASE,
    NOSE_TIP,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    RIGHT_MOUTH_CORNER,
)
from facenn.networks.graph import Graph

Metric = Literal["cosine", "euclidean"]
Role = Literal["fit", "judge"]


@dataclass(frozen=True)
class Template:
    """Where a recognition network expects a face in its crop.

    Attributes:
        points: (x, y) in pixels of the crop.
        landmarks: for each point the landmarks whose mean falls on it.
    """

    points: tuple[tuple[float, float], ...]
    landmarks: tuple[tuple[int, ...], ...]

    def framed(self, *, scale: float, turn: float) -> "Template":
        """The same face in the crop, but larger by a factor, and turned clockwise by degrees about its middle."""
        points = np.array(self.points)
        middle, angle = points.mean(0), np.deg2rad(turn)
        turned = (points - middle) @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        return Template(tuple((float(x), float(y)) for x, y in middle + scale * turned), self.landmarks)


# OpenCV's FaceRecognizerSF::alignCrop
_ALIGN_CROP = Template(
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
    ((LEFT_EYE_OUTER, LEFT_EYE_INNER), (RIGHT_EYE_INNER, RIGHT_EYE_OUTER), (NOSE_TIP,), (LEFT_MOUTH_CORNER,),
     (RIGHT_MOUTH_CORNER,)))


def _face_chip(side: int = 150, padding: float = 0.25) -> Template:
    """The padded unit square of dlib's get_face_chip_details."""
    unit = ((0.8595674595992, 0.2134981538014), (0.6460604764104, 0.2289674387677),
            (0.1205750620789, 0.2137274526848), (0.3340850613712, 0.2290642403242),
            (0.4901123135679, 0.6277975316475))
    points = tuple(((x + padding) / (1 + 2 * padding) * side, (y + padding) / (1 + 2 * padding) * side)
                   for x, y in unit)
    return Template(points, ((RIGHT_EYE_OUTER,), (RIGHT_EYE_INNER,), (LEFT_EYE_OUTER,), (LEFT_EYE_INNER,),
                             (NOSE_BASE,)))


@dataclass(frozen=True)
class RecognitionNetwork:
    """A row of ``RECOGNISERS``.

    Attributes:
        title: what the network is called in texts.
        template: how its crop is cut.
        metric: what the distance of two of its embeddings is.
        role: ``fit`` when fits minimise its distance, by its cosine; ``judge`` when it takes no part in a fit.
        share: what it counts among the networks that fit, whose shares add up to 1.
        usual: its mean distances of two photos of one person, and of two people, over a 10 x 10 subset of LFW; None
            for a network whose distance is not reported.
        same_person: below which distance its authors speak of the same person; None when they do not say.
    """

    title: str
    template: Template
    metric: Metric
    role: Role
    share: float = 0.0
    usual: tuple[float, float] | None = None
    same_person: float | None = None


RECOGNISERS: Mapping[str, RecognitionNetwork] = {
    "sface": RecognitionNetwork("SFace", _ALIGN_CROP, "cosine", "fit", share=0.42, usual=(0.29, 0.87)),
    # SFace's framing in twice as many pixels; a tenth tighter or wider tells people apart as well
    "faceres": RecognitionNetwork(
        "FaceRes", Template(tuple((2 * x, 2 * y) for x, y in _ALIGN_CROP.points), _ALIGN_CROP.landmarks), "cosine",
        "fit", share=0.58),  # with these shares strangers are about as far apart to either network
    # its embeddings are not centred, so an angle says little about them
    "dlib": RecognitionNetwork("dlib", _face_chip(), "euclidean", "judge", usual=(0.43, 0.77), same_person=0.6),
}
"""The recognition networks by name, which is that of their file: another row is another network."""

FITTING = tuple(name for name, row in RECOGNISERS.items() if row.role == "fit")
JUDGE = next(name for name, row in RECOGNISERS.items() if row.role == "judge")
REPORTED = tuple(name for name, row in RECOGNISERS.items() if row.usual is not None)


@dataclass(frozen=True)
class Recognizer:
    """A network that maps a face to a point near those of the same person.

    Attributes:
        name: its key in ``RECOGNISERS``.
        network: from crops to embeddings.
        template: how a crop is cut.
        metric: what its distance is.
    """

    name: str
    network: Graph
    template: Template
    metric: Metric

    def chips(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """The crops of faces that are the network's input.

        Args:
            pictures: (B, 3, H, W) RGB in [0, 1]; B may be 1 for several faces of one picture.
            landmarks: (B, 478, 2 or 3) in pixels; no gradient goes through them.

        Returns:
            (B, 3, size, size), differentiable in the pictures.
        """
        fixed = landmarks.detach()[..., :2]
        seen = torch.stack([fixed[:, list(group)].mean(1) for group in self.template.landmarks], 1)
        expected = seen.new_tensor(self.template.points)[None]
        return crop(pictures, similarity(expected, seen), self.network.size)

    def embed(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """The network's embeddings of faces.

        Args:
            pictures: (B, 3, H, W) RGB in [0, 1].
            landmarks: (B, 478, 2 or 3) in pixels; no gradient goes through them.

        Returns:
            (B, E) embeddings, not normalised, differentiable in the pictures.
        """
        embeddings: Tensor = self.network(self.chips(pictures, landmarks))[0]
        return embeddings

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """How different two faces are to this network: 1 - cos for the metric ``cosine``, |a - b| for ``euclidean``.

        On studio photos the same person measures 0.06 and others 0.88 for SFace, 0.08 and 0.61 for FaceRes, 0.22 and
        0.85 for dlib.

        Args:
            first: (..., E) embeddings.
            second: (..., E) embeddings.

        Returns:
            (...) distances, unreduced.
        """
        if self.metric == "cosine":
            return 1 - F.cosine_similarity(first, second, dim=-1)
        length: Tensor = torch.linalg.vector_norm(first - second, dim=-1)
        return length


@dataclass(frozen=True)
class Ensemble:
    """Several recognition networks as one: a picture that deceives one of them seldom deceives the others.

    Attributes:
        members: networks whose metric is the cosine; one may stand here several times, with a crop of its own each.
        shares: what each counts; they add up to 1.
    """

    members: tuple[Recognizer, ...]
    shares: tuple[float, ...]

    def embed(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """Joint embeddings of faces, whose cosines are the means of the members' cosines, weighted by share.

        Args:
            pictures: (B, 3, H, W) RGB in [0, 1].
            landmarks: (B, 478, 2 or 3) in pixels; no gradient goes through them.

        Returns:
            (B, sum of E) embeddings of unit length, differentiable in the pictures.
        """
        return torch.cat([share**0.5 * F.normalize(member.embed(pictures, landmarks), dim=-1)
                          for member, share in zip(self.members, self.shares, strict=True)], -1)
