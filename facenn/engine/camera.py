"""Where the camera and the studio lights stand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def _direction(x: float, y: float, z: float) -> NDArray[np.float64]:
    vector = np.array([x, y, z])
    normed: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return normed


KEY = _direction(-0.50, 0.55, 0.95)
LIGHT_DIRECTIONS = np.stack([KEY, _direction(0.85, 0.10, 0.75), _direction(0.6, 0.5, -0.75),
                             _direction(-0.8, 0.3, -0.6)]).astype(np.float32)
"""(4, 3) directions towards the key, the fill and two rim lights."""
LIGHT_COLOURS = np.array([[2.20, 2.12, 2.02], [0.80, 0.83, 0.88], [0.95, 0.97, 1.02], [0.60, 0.60, 0.62]],
                         np.float32)
"""(4, 3) linear RGB of the same lights."""


def perspective(half_tangent: float, near: float, far: float) -> NDArray[np.float64]:
    """(4, 4) projection of a square picture; ``half_tangent`` is the tangent of half the field of view."""
    matrix = np.zeros((4, 4))
    matrix[0, 0] = matrix[1, 1] = 1 / half_tangent
    matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def orthographic(half_side: float, near: float, far: float) -> NDArray[np.float64]:
    """(4, 4) parallel projection of a square."""
    matrix = np.diag([1 / half_side, 1 / half_side, -2 / (far - near), 1.0])
    matrix[2, 3] = -(far + near) / (far - near)
    return matrix


def look_at(eye: NDArray[np.float64], target: NDArray[np.float64],
            up: tuple[float, float, float] = (0, 1, 0)) -> NDArray[np.float64]:
    """(4, 4) rigid motion that puts the camera at the origin, looking along -z."""
    forward = _direction(*(target - eye))
    right = _direction(*np.cross(forward, up))
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(right, forward), -forward
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


@dataclass(frozen=True)
class Camera:
    """The picture's projection and the shadow map's.

    Attributes:
        view: (4, 4) world to clip space of the picture.
        light: (4, 4) world to clip space of the key light's shadow map.
        half_tangent: tangent of half the field of view.
    """

    view: Matrix
    light: Matrix
    half_tangent: float


def portrait_camera() -> Camera:
    """A long lens in front of the face: shoulders to hair, eyes a little above the middle."""
    target = np.array([0.0, 7.30, 0.6])
    eye = np.array([0.0, 7.35, 12.5])
    half_tangent = 1.33 / 11.3
    light = target + KEY * 9.2
    return Camera(view=(perspective(half_tangent, 2, 40) @ look_at(eye, target)).astype(np.float32),
                  light=(orthographic(2.3, 1, 16) @ look_at(light, target)).astype(np.float32),
                  half_tangent=half_tangent)
