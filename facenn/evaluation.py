"""How good an Imitator and a fit are: held-out error, gap to the engine, recovery of known parameters, likeness."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Rows, Vector
from facenn.dataset import Faces, batches
from facenn.engine.layout import LABELS
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.networks.recognition import REPORTED
from facenn.schema import ParameterSchema

PARTS = ("background", "skin", "brow", "eye", "nose", "lips", "ear", "neck", "hair", "cloth")
"""Where a gap is measured: the labels of the engine, those of the mouth as one."""
MOUTH = ("upper lip", "lower lip", "inner mouth")
PART_OF_LABEL = np.array([PARTS.index("lips" if label in MOUTH else label) for label in LABELS])


@dataclass(frozen=True)
class HeldOut:
    """How far the Imitator's pictures are from the engine's on faces it has not seen, means over faces.

    Attributes:
        l1: mean absolute error of RGB in [0, 1].
        psnr: peak signal-to-noise ratio in decibels.
        ssim: structural similarity, 1 is equal.
        faces: how many.
    """

    l1: float
    psnr: float
    ssim: float
    faces: int


class Pair(NamedTuple):
    """One vector, drawn by both.

    Attributes:
        engine: (3, SIDE, SIDE) the engine's picture, RGB in [0, 1].
        labels: (SIDE, SIDE) its label map, indices into ``facenn.engine.layout.LABELS``.
        imitated: (3, SIDE, SIDE) the Imitator's picture.
    """

    engine: Tensor
    labels: NDArray[np.uint8]
    imitated: Tensor


@dataclass(frozen=True)
class Gap:
    """How far the Imitator's pictures are from the engine's of the same vectors, to the eye and to the networks.

    Attributes:
        l1: mean absolute error of RGB in [0, 1], mean over faces.
        psnr: peak signal-to-noise ratio in decibels, mean over faces.
        ssim: structural similarity, 1 is equal, mean over faces.
        landmark_px: mean distance of the 478 landmarks in pixels of a 512x512 picture; None where no engine picture
            shows a face.
        sface_distance: mean cosine distance of SFace's embeddings, 0..2; None likewise.
        parts: per part of ``PARTS``, mean absolute error over its pixels in all faces; a part that never occurs is
            left out.
        faces: how many.
        seen: in how many of the engine's pictures a face was found; landmarks and embeddings are those of these.
    """

    l1: float
    psnr: float
    ssim: float
    landmark_px: float | None
    sface_distance: float | None
    parts: Mapping[str, float]
    faces: int
    seen: int


@dataclass(frozen=True)
class Recovery:
    """Whether a fit to engine pictures finds the parameters that they were drawn from.

    Attributes:
        slider_error: per slider, mean absolute error in [0, 1].
        guess_error: per slider, the error of always answering neutral: what nothing learned would score.
        choice_accuracy: per choice, share of faces with the right option.
        faces: how many.
    """

    slider_error: Mapping[str, float]
    guess_error: Mapping[str, float]
    choice_accuracy: Mapping[str, float]
    faces: int


@dataclass(frozen=True)
class Likeness:
    """How far apart recognition networks see two faces.

    Attributes:
        distances: by name of the network, of those that are ``REPORTED``; ``RECOGNISERS`` says in which metric, and
            which of the networks took part in the fit.
    """

    distances: Mapping[str, float]


@torch.no_grad()
def drawn_by(imitator: Imitator, parameters: Tensor, *, side: int) -> Tensor:
    """The Imitator's pictures of (B, P) parameters, in full precision; smaller ones are enlarged as a fit does.

    Returns:
        (B, 3, side, side) on the Imitator's device.
    """
    drawn: Tensor = imitator(parameters.to(next(imitator.parameters()).device))
    if drawn.shape[-1] != side:
        drawn = F.interpolate(drawn, (side, side), mode="bilinear", align_corners=False)
    return drawn


@torch.no_grad()
def held_out(imitator: Imitator, faces: Faces, rows: Rows, *, batch_size: int = 8) -> HeldOut:
    """Compare the Imitator's pictures with the renders of these rows; smaller ones are enlarged as a fit does."""
    found = []
    for parameters, pictures in batches(faces, (rows[k:k + batch_size] for k in range(0, len(rows), batch_size))):
        found += picture_errors(drawn_by(imitator, parameters, side=pictures.shape[-1]), pictures)
    l1, psnr, ssim = np.mean(found, 0).tolist()
    return HeldOut(l1, psnr, ssim, len(rows))


def picture_errors(drawn: Tensor, pictures: Tensor) -> list[tuple[float, float, float]]:
    """Mean absolute error, PSNR and SSIM of each of (B, 3, R, R) drawn pictures; see ``HeldOut``."""
    from skimage.metrics import structural_similarity

    drawn, wanted = drawn.cpu(), pictures.cpu()
    l1 = (drawn - wanted).abs().flatten(1).mean(1).tolist()
    psnr = (-10 * (drawn - wanted).square().flatten(1).mean(1).clamp_min(1e-10).log10()).tolist()
    ssim = [float(structural_similarity(one, other, channel_axis=0, data_range=1.0))
            for one, other in zip(drawn.numpy(), wanted.numpy(), strict=True)]
    return list(zip(l1, psnr, ssim, strict=True))


def measure_gap(pairs: Iterable[Pair], frozen: Frozen) -> Gap:
    """Compare an Imitator with the engine, a face at a time.

    Args:
        pairs: at least one; none of them is kept.
        frozen: the networks, on the device of the pictures.
    """
    errors, apart = [], []
    sums, pixels = np.zeros(len(PARTS)), np.zeros(len(PARTS))
    for pair in pairs:
        errors += picture_errors(pair.imitated[None], pair.engine[None])
        parts = PART_OF_LABEL[pair.labels].ravel()
        error = (pair.imitated - pair.engine).abs().mean(0).flatten().double().cpu().numpy()
        sums += np.bincount(parts, error, len(PARTS))
        pixels += np.bincount(parts, minlength=len(PARTS))
        if (distances := _face_distances(pair, frozen)) is not None:
            apart.append(distances)
    l1, psnr, ssim = np.mean(errors, 0).tolist()
    landmark_px, sface = np.mean(apart, 0).tolist() if apart else (None, None)
    by_part = {part: float(sums[i] / pixels[i]) for i, part in enumerate(PARTS) if pixels[i]}
    return Gap(l1, psnr, ssim, landmark_px, sface, by_part, len(errors), len(apart))


@torch.no_grad()
def _face_distances(pair: Pair, frozen: Frozen) -> tuple[float, float] | None:
    """Landmarks and embeddings apart; None when the engine's picture shows no face.

    Landmarks are looked for where the face of the engine's picture is, in both: what the detector thinks of the
    Imitator's picture would be noise.
    """
    detected = frozen.finder.detect(pair.engine)
    if not detected:
        return None
    square = frozen.finder.settle(pair.engine, detected[:1])
    both = torch.stack([pair.engine, pair.imitated])
    points, _ = frozen.finder.landmarks(both, square.expand(2, -1, -1))
    sface = frozen.recognisers["sface"]
    engine, imitator = sface.embed(both, points)
    return float((points[0] - points[1])[:, :2].norm(dim=-1).mean()), float(sface.distance(engine, imitator))


def recovery(schema: ParameterSchema, found: Vector, true: Vector) -> Recovery:
    """How far fitted parameters are from those that the pictures were drawn from.

    Args:
        schema: what the parameters mean.
        found: (B, P) what fits to the pictures found.
        true: (B, P) their parameters.
    """
    names = [s.name for s in schema.sliders]
    error = np.abs(found - true)[:, : len(names)].mean(0)
    guess = np.abs(schema.neutral() - true)[:, : len(names)].mean(0)
    accuracy = {name: float((found[:, w].argmax(1) == true[:, w].argmax(1)).mean())
                for name, w in schema.slices.items()}
    return Recovery(dict(zip(names, error.tolist(), strict=True)), dict(zip(names, guess.tolist(), strict=True)),
                    accuracy, len(true))


@torch.no_grad()
def likeness(photo: Tensor, render: Tensor, frozen: Frozen, *, photo_landmarks: Tensor) -> Likeness | None:
    """How far apart recognition networks see a photo and a render; None when no face is found in the render.

    Args:
        photo: (3, SIDE, SIDE) aligned photo.
        render: (3, SIDE, SIDE) engine picture.
        frozen: the networks.
        photo_landmarks: (478, 3) points of the photo.
    """
    points = frozen.finder.find(render[None])
    if points is None:
        return None
    both = torch.stack([photo, render])
    landmarks = torch.cat([photo_landmarks[None], points])
    embeddings = {name: frozen.recognisers[name].embed(both, landmarks) for name in REPORTED}
    return Likeness({name: float(frozen.recognisers[name].distance(seen[:1], seen[1:]))
                     for name, seen in embeddings.items()})
