"""How good an Imitator and a fit are: held-out error, recovery of known parameters, likeness."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.dataset import Faces, Rows, batches
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.networks.landmarks import FaceFinder
from facenn.schema import ParameterSchema, Vector


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
    """How far apart two networks see two faces.

    Attributes:
        sface: cosine distance, 0..2; the fit minimises it.
        dlib: Euclidean distance; the judge, which takes no part in a fit. Its authors' same-person bound is 0.6.
    """

    sface: float
    dlib: float


@torch.no_grad()
def held_out(imitator: Imitator, faces: Faces, rows: Rows, *, batch_size: int = 8) -> HeldOut:
    """Compare the Imitator's pictures with the renders of these rows; smaller ones are enlarged as a fit does."""
    from skimage.metrics import structural_similarity

    l1, psnr, ssim = [], [], []
    device = next(imitator.parameters()).device
    for parameters, pictures in batches(faces, (rows[k:k + batch_size] for k in range(0, len(rows), batch_size))):
        drawn = imitator(parameters.to(device)).cpu()
        if drawn.shape != pictures.shape:
            drawn = F.interpolate(drawn, pictures.shape[2:], mode="bilinear", align_corners=False)
        l1 += (drawn - pictures).abs().flatten(1).mean(1).tolist()
        psnr += (-10 * (drawn - pictures).square().flatten(1).mean(1).clamp_min(1e-10).log10()).tolist()
        for one, other in zip(drawn.numpy(), pictures.numpy(), strict=True):
            ssim.append(float(structural_similarity(one, other, channel_axis=0, data_range=1.0)))
    return HeldOut(float(np.mean(l1)), float(np.mean(psnr)), float(np.mean(ssim)), len(rows))


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
    """How far apart both recognition networks see a photo and a render; None when no face is found in the render.

    Args:
        photo: (3, SIDE, SIDE) aligned photo.
        render: (3, SIDE, SIDE) engine picture.
        frozen: the networks.
        photo_landmarks: (478, 3) points of the photo.
    """
    points = find_landmarks(render[None], frozen.finder)
    if points is None:
        return None
    both = torch.stack([photo, render])
    landmarks = torch.cat([photo_landmarks[None], points])
    sface, dlib = (network.embed(both, landmarks) for network in (frozen.sface, frozen.dlib))
    return Likeness(float(frozen.sface.distance(sface[:1], sface[1:])),
                    float(frozen.dlib.distance(dlib[:1], dlib[1:])))


@torch.no_grad()
def find_landmarks(pictures: Tensor, finder: FaceFinder) -> Tensor | None:
    """(B, 478, 3) points of the best face in each of (B, 3, H, W) pictures; None when one shows no face."""
    squares = []
    for picture in pictures:
        faces = finder.detect(picture)
        if not faces:
            return None
        squares.append(finder.settle(picture, faces[:1])[0])
    return finder.landmarks(pictures, torch.stack(squares))[0]


