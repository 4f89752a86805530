"""Photo -> detected, upright, cropped face, or a clear refusal."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.errors import PhotoError
from facenn.networks.cropping import crop, grid, inverse, scale, similarity, transform_points
from facenn.networks.facemesh import CHIN, FOREHEAD, LANDMARKS, LEVEL, PUPILS, STABLE
from facenn.networks.landmarks import FaceFinder

TOLERANCE = 0.05  # of the distance between the pupils: residuals beyond it count ever less
ROUNDS = 8  # of reweighting; the map no longer moves after about five


@dataclass(frozen=True)
class AlignedFace:
    """A face as the engine would show it.

    Attributes:
        picture: (3, size, size) RGB in [0, 1]; what lay outside of the photo continues it, blurred.
        landmarks: (478, 3) in the picture's pixels.
        to_photo: (2, 3) map from the picture's pixels to the photo's.
        box: left, top, right, bottom in the photo's pixels.
        faces: how many the photo shows.
        eye_distance: between the pupils, in the photo's pixels.
        yaw: degrees, positive when the face looks to the picture's right.
        pitch: degrees, positive when it looks down; a rough estimate.
        roll: degrees, positive when it leans clockwise.
    """

    picture: Tensor
    landmarks: Tensor
    to_photo: Tensor
    box: tuple[float, float, float, float]
    faces: int
    eye_distance: float
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class _Face:
    """One face of a photo: (478, 3) landmarks in its pixels and its box."""

    points: Tensor
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@torch.no_grad()
def align(
    photo: Tensor,
    finder: FaceFinder,
    *,
    frame: Tensor,
    size: int = 512,
    face: int | None = None,
    min_eye_distance: float = 32.0,
    max_yaw: float = 35.0,
) -> AlignedFace:
    """The face of a photo, upright and where the engine would have it.

    Args:
        photo: (3, H, W) RGB in [0, 1], of any size.
        finder: finds faces and landmarks.
        frame: (478, 2 or 3) mean landmarks of the engine's pictures, in pixels at ``size``.
        size: side of the result in pixels.
        face: which face, counted from 1 from left to right; None takes the largest.
        min_eye_distance: least distance between the pupils, in pixels of the photo.
        max_yaw: how far the face may be turned to either side, in degrees.

    Raises:
        PhotoError: no face, no such face, one that is too small or turned too far.
    """
    faces = find_faces(photo, finder)
    chosen = _choose(faces, face)
    points = chosen.points
    yaw, pitch, roll = pose(points)
    if abs(yaw) > max_yaw:
        raise PhotoError(f"the face is turned too far to the {'right' if yaw > 0 else 'left'}: expected "
                         f"{max_yaw:.0f} degrees or less, measured {abs(yaw):.0f}")
    eye_distance = float((points[PUPILS[1], :2] - points[PUPILS[0], :2]).norm())
    if eye_distance < min_eye_distance:
        raise PhotoError(f"the face is too small: expected {min_eye_distance:.0f} pixels or more between the "
                         f"pupils, measured {eye_distance:.0f}")
    to_photo = framing(points, frame.to(points), eye_distance=eye_distance)
    landmarks = transform_points(points[None], inverse(to_photo[None]))[0]
    picture = continued_crop(photo, to_photo, size)
    return AlignedFace(picture, landmarks, to_photo, chosen.box, len(faces), eye_distance, yaw, pitch, roll)


def find_faces(photo: Tensor, finder: FaceFinder) -> list[_Face]:
    """Every face of a photo, from left to right.

    What the detector takes for a face but the landmark network does not is left out.

    Args:
        photo: (3, H, W) RGB in [0, 1].
        finder: finds faces and landmarks.
    """
    detections = finder.detect(photo)
    if not detections:
        return []
    points, presence = finder.landmarks(photo[None], finder.settle(photo, detections))
    faces = [
        _Face(p, (float(d.box[0]), float(d.box[1]), float(d.box[2]), float(d.box[3])))
        for d, p, there in zip(detections, points, presence.tolist(), strict=True) if there > 0.5
    ]
    return sorted(faces, key=lambda f: f.box[0] + f.box[2])


def _choose(faces: list[_Face], face: int | None) -> _Face:
    if not faces:
        raise PhotoError("expected a photo that shows an upright face, found none")
    if face is None:
        return max(faces, key=lambda f: f.area)
    if not 1 <= face <= len(faces):
        count = "1 face" if len(faces) == 1 else f"{len(faces)} faces, counted from left to right"
        raise PhotoError(f"expected the number of a face in the photo, got {face}: it shows {count}")
    return faces[face - 1]


def pose(points: Tensor) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a face in degrees, from the depth of its landmarks.

    Args:
        points: (478, 3) landmarks; depth grows away from the viewer.

    Returns:
        Yaw, positive to the picture's right; pitch, positive downwards; roll, positive clockwise.
    """
    left, right = zip(*LEVEL, strict=True)
    across = (points[list(right)] - points[list(left)]).sum(0)
    down = points[CHIN] - points[FOREHEAD]
    yaw = math.degrees(math.atan2(float(across[2]), float(across[:2].norm())))
    pitch = math.degrees(math.atan2(float(down[2]), float(down[:2].norm())))
    roll = math.degrees(math.atan2(float(across[1]), float(across[0])))
    return yaw, pitch, roll


def framing(points: Tensor, frame: Tensor, *, eye_distance: float) -> Tensor:
    """The upright square that shows a face where the frame has its own.

    A similarity through the stable landmarks; those that fit badly, such as the corners of a wide smile,
    count less: w = 1 / (1 + (r / TOLERANCE)^2), r in distances between the pupils.

    Args:
        points: (478, 2 or 3) landmarks in the photo.
        frame: (478, 2 or 3) landmarks of the engine's neutral picture.
        eye_distance: between the pupils, in the photo's pixels.

    Returns:
        (2, 3) map from the frame's pixels to the photo's.
    """
    if len(points) != LANDMARKS or len(frame) != LANDMARKS:
        raise PhotoError(f"expected {LANDMARKS} landmarks each, got {len(points)} in the photo and "
                         f"{len(frame)} in the frame")
    source, target = frame[None, list(STABLE), :2], points[None, list(STABLE), :2]
    weights = torch.ones_like(source[..., 0])
    for _ in range(ROUNDS):
        to_photo = similarity(source, target, weights=weights)
        residual = (transform_points(source, to_photo) - target).norm(dim=-1) / eye_distance
        weights = 1 / (1 + (residual / TOLERANCE) ** 2)
    return to_photo[0]


def continued_crop(photo: Tensor, to_photo: Tensor, size: int) -> Tensor:
    """A square of a photo; beyond its border the photo's edge goes on, the more blurred the farther out.

    Args:
        photo: (3, H, W) RGB in [0, 1].
        to_photo: (2, 3) map from the square's pixels to the photo's.
        size: side of the square in pixels.

    Returns:
        (3, size, size) RGB in [0, 1].
    """
    picture = crop(photo[None], to_photo[None], size)
    where = grid(to_photo[None].to(photo), size)
    extent = where.new_tensor([photo.shape[2], photo.shape[1]])
    beyond = torch.maximum(-where, where - extent).amax(-1).clamp_min(0) / scale(to_photo[None])
    if not bool(beyond.any()):
        return picture[0]
    reach = size // 16
    share = (2 * beyond / reach).clamp_max(1)[:, None]
    return (picture * (1 - share) + _blurred(picture, reach) * share)[0]


def _blurred(picture: Tensor, reach: int) -> Tensor:
    """Three box blurs, which come close to a Gaussian of standard deviation ``reach``."""
    for _ in range(3):
        padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
        picture = F.avg_pool2d(F.avg_pool2d(padded, (2 * reach + 1, 1), 1), (1, 2 * reach + 1), 1)
    return picture
