"""Where the camera and the studio lights stand, and what may be changed about them without changing the character."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facenn.engine.head.mesh import smoothstep
from facenn.engine.head.sliders import EXPRESSIONS
from facenn.engine.kernels.tables import Lights
from facenn.errors import ConfigError

Matrix = NDArray[np.float32]
Doubles = NDArray[np.float64]

TARGET = np.array([0.0, 7.30, 0.6])  # what the camera looks at, in decimetres
FACE = 1.3  # z of the face
FRAME = 1.33  # half the side of the picture at the face: shoulders to hair
PIVOT = np.array([0.0, 6.3, -0.1])  # the head turns about the top of the neck
SHOULDERS, JAW = 5.9, 6.5  # below the first nothing turns, above the second everything


@dataclass(frozen=True)
class Conditions:
    """How a face is photographed: what differs between two pictures of one person.

    Attributes:
        yaw: degrees by which the head turns to the picture's right, -30..30.
        pitch: degrees by which it looks down.
        roll: degrees by which it leans clockwise.
        expression: (name, 0..1) of ``facenn.engine.head.sliders.EXPRESSIONS``.
        light_yaw: degrees by which all lights move to the picture's right.
        light_pitch: degrees by which they move up.
        light: RGB factor of all lights.
        contrast: 1 in the studio, 0..2: how much stronger the key light is than the others.
        background: sRGB colour 0..1; None for the studio's wall.
        distance: metres from the camera to the face; the head keeps its size, its perspective changes.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    expression: tuple[tuple[str, float], ...] = ()
    light_yaw: float = 0.0
    light_pitch: float = 0.0
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    background: tuple[float, float, float] | None = None
    distance: float = 1.12

    def __post_init__(self) -> None:
        for name in ("yaw", "pitch", "roll"):
            if not -30 <= getattr(self, name) <= 30:
                raise ConfigError(f"condition {name}: expected -30 to 30 degrees, got {getattr(self, name)}")
        for name, share in self.expression:
            if name not in EXPRESSIONS or not 0 <= share <= 1:
                raise ConfigError(f"condition expression: expected 0 to 1 of {', '.join(EXPRESSIONS)}, "
                                  f"got {share} of {name!r}")
        for name in ("light", "background"):
            colour = getattr(self, name)
            most = 1 if name == "background" else 10
            if colour is not None and not (len(colour) == 3 and all(0 <= c <= most for c in colour)):
                raise ConfigError(f"condition {name}: expected three numbers from 0 to {most}, got {colour}")
        for name in ("light_yaw", "light_pitch"):
            if not -90 <= getattr(self, name) <= 90:
                raise ConfigError(f"condition {name}: expected -90 to 90 degrees, got {getattr(self, name)}")
        if not 0 <= self.contrast <= 2:
            raise ConfigError(f"condition contrast: expected 0 to 2, got {self.contrast}")
        if not 0.3 <= self.distance <= 10:
            raise ConfigError(f"condition distance: expected 0.3 to 10 metres, got {self.distance}")

    def beside(self, name: str, step: float) -> tuple["Conditions", "Conditions", float]:
        """The conditions with one of them a step below and above, as far as it may go, and how far these are apart.

        Args:
            name: of a condition that is a number, ``light.red``, ``light.green`` or ``light.blue``, or ``expression.``
                and the name of one.
            step: either way.

        Raises:
            ConfigError: no such condition.
        """
        group, _, part = name.partition(".")
        if group == "light" and part in CHANNELS:
            at = CHANNELS.index(part)
            low, high = max(self.light[at] - step, 0), self.light[at] + step
            red, green, blue = self.light
            ends = [replace(self, light=(value if at == 0 else red, value if at == 1 else green,
                                         value if at == 2 else blue)) for value in (low, high)]
            return ends[0], ends[1], high - low
        if group == "expression" and part in EXPRESSIONS:
            others = tuple(pair for pair in self.expression if pair[0] != part)
            value = dict(self.expression).get(part, 0.0)
            low, high = max(value - step, 0), min(value + step, 1)
            return (replace(self, expression=(*others, (part, low))),
                    replace(self, expression=(*others, (part, high))), high - low)
        if name not in NUMBERS:
            raise ConfigError(f"expected a condition that is a number, got {name!r}; there are {', '.join(NUMBERS)}, "
                              "light.red, light.green, light.blue and expression.smile, for example")
        value = getattr(self, name)
        return replace(self, **{name: value - step}), replace(self, **{name: value + step}), 2 * step


NUMBERS = ("yaw", "pitch", "roll", "light_yaw", "light_pitch", "contrast", "distance")
CHANNELS = ("red", "green", "blue")
STUDIO = Conditions()
"""Neutral face, soft light from the front, a portrait lens."""


def _direction(x: float, y: float, z: float) -> Doubles:
    vector = np.array([x, y, z])
    normed: Doubles = vector / np.linalg.norm(vector)
    return normed


KEY = _direction(-0.14, 0.55, 1.0)
DIRECTIONS = np.stack([KEY, _direction(0.32, -0.05, 1.0), _direction(0.7, 0.4, -0.6), _direction(-0.8, 0.3, -0.6)])
"""(4, 3) directions towards the key, the fill and two rim lights."""
COLOURS = np.array([[2.30, 2.28, 2.25], [0.55, 0.56, 0.57], [0.18, 0.18, 0.19], [0.15, 0.15, 0.16]])
"""(4, 3) linear RGB of the same lights."""
AMBIENT = 0.95  # light from all around, relative to the first studio


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


def perspective(half_tangent: float, near: float, far: float) -> Doubles:
    """(4, 4) projection of a square picture; ``half_tangent`` is the tangent of half the field of view."""
    matrix = np.zeros((4, 4))
    matrix[0, 0] = matrix[1, 1] = 1 / half_tangent
    matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def orthographic(half_side: float, near: float, far: float) -> Doubles:
    """(4, 4) parallel projection of a square."""
    matrix = np.diag([1 / half_side, 1 / half_side, -2 / (far - near), 1.0])
    matrix[2, 3] = -(far + near) / (far - near)
    return matrix


def look_at(eye: Doubles, target: Doubles, up: tuple[float, float, float] = (0, 1, 0)) -> Doubles:
    """(4, 4) rigid motion that puts the camera at the origin, looking along -z."""
    forward = _direction(*(target - eye))
    right = _direction(*np.cross(forward, up))
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(right, forward), -forward
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def rotation(yaw: float, pitch: float, roll: float) -> Doubles:
    """(3, 3) turn by degrees: to the picture's right, then down, then clockwise as the viewer sees it."""
    y, p, r = np.deg2rad([yaw, pitch, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turn: Doubles = about_z @ about_x @ about_y
    return turn


def lights(conditions: Conditions) -> Lights:
    """The lamps under the conditions; a contrast other than 1 keeps the light on the front of the face."""
    directions = DIRECTIONS @ rotation(conditions.light_yaw, -conditions.light_pitch, 0).T
    share = conditions.contrast - 1
    weights = np.array([1 + 0.55 * share, *[1 - 0.9 * share if share > 0 else 1 + 0.9 * share] * 3])
    around = 1 - 0.8 * share if share > 0 else 1 - 1.6 * share
    factor = np.array(conditions.light)
    return Lights(directions.astype(np.float32), (COLOURS * weights[:, None] * factor).astype(np.float32),
                  (AMBIENT * around * factor).astype(np.float32))


def camera(conditions: Conditions, lamps: Lights) -> Camera:
    """A long lens in front of the face: shoulders to hair, eyes a little above the middle; the key light looks on."""
    away = 10 * conditions.distance
    half_tangent = FRAME / away
    eye = np.array([0.0, 7.35, FACE + away])
    lamp = TARGET + lamps.directions[0].astype(np.float64) * 9.2
    return Camera(view=(perspective(half_tangent, 0.2 * away, away + 30) @ look_at(eye, TARGET)).astype(np.float32),
                  light=(orthographic(2.3, 1, 16) @ look_at(lamp, TARGET)).astype(np.float32),
                  half_tangent=half_tangent)


def studio_wall(side: int) -> NDArray[np.uint8]:
    """(side, side, 3) the studio's plain grey wall, brighter behind the head."""
    across, down = np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2)
    fade = smoothstep(0, 0.75, np.hypot(across - 0.5, (down - 0.45) * 0.9))[..., None]
    wall = np.array([0.74, 0.75, 0.76]) * (1 - fade) + np.array([0.58, 0.59, 0.60]) * fade
    return np.ascontiguousarray((wall * 255).astype(np.uint8))


@dataclass(frozen=True)
class TurnedBack:
    """Undoes the turn of a head for vectors at its vertices; called on (N, 3) gradients of positions.

    Attributes:
        axis: (3,) of the turn; None for a head that looks straight on.
        angles: (N, 1) by which each vertex was turned.
    """

    axis: Doubles | None
    angles: Doubles

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 3) vectors as they were before the turn."""
        if self.axis is None:
            return vectors
        return _about(self.axis, vectors.astype(np.float64), -self.angles).astype(np.float32)


def turned(positions: NDArray[np.float32], normals: NDArray[np.float32], conditions: Conditions) -> TurnedBack:
    """Turn the head and bend the neck, in place.

    Args:
        positions: (N, 3) decimetres.
        normals: (N, 3).
        conditions: of the picture.

    Returns:
        What undoes the turn, as if the angle of a vertex did not depend on its height.
    """
    turn = rotation(conditions.yaw, conditions.pitch, conditions.roll)
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    if angle < 1e-6:
        return TurnedBack(None, np.zeros((len(positions), 1)))
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    axis = skew / np.linalg.norm(skew)
    share = (angle * smoothstep(SHOULDERS, JAW, positions[:, 1]))[:, None]
    for vectors, origin in ((positions, PIVOT), (normals, np.zeros(3))):
        vectors[:] = _about(axis, vectors - origin, share) + origin
    return TurnedBack(axis, share)


def _about(axis: Doubles, arms: Doubles, angles: Doubles) -> Doubles:
    """(N, 3) vectors turned about an axis by (N, 1) angles."""
    across, along = np.cross(axis, arms), axis * (arms @ axis)[:, None]
    there: Doubles = along + (arms - along) * np.cos(angles) + across * np.sin(angles)
    return there
