"""The hair styles as data: where the strands of each go, how long they are, and how they stand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facenn.arrays import Floating
from facenn.engine.hair.strands import CURLY, STRAIGHT
from facenn.engine.head.mesh import smoothstep, unit

Flow = Callable[[Floating], Floating]
Length = Callable[[Floating, Floating], Floating]

CROWN = np.array([0, 8.20, -0.40])
TIE = (0, 7.6, -0.8)
BUN, BUN_RADIUS, BUN_DEPTH = (0, 8.50, 0.0), 0.14, 0.14


@dataclass(frozen=True)
class HairStyle:
    """How the cards of a style grow; lengths in decimetres, angles in degrees.

    Attributes:
        cards: how many are tried.
        length: of each card, from the unsigned azimuth and the elevation of its root.
        flow: wanted direction at points on the head.
        width: of a card.
        lift: distance of the outermost layer from the skin, on top of the head; less at the sides.
        segments: of a card.
        stand: how much a card leaves the scalp along the normal at its root, 0..1.
        hug: how strongly a card is held at its layer's distance from the skin, 0..1.
        gravity: downward pull per decimetre.
        jitter: randomness of the direction.
        pull: how strongly the flow bends a card on its way, 0..1.
        spread: randomness of the length, as a share.
        curl: radius of the curls.
        turns: curls along a card.
        columns: of the strand texture, [first, last).
        fray: share of a card along which it breaks up into strands.
        cut: height at which hanging hair ends.
        curtain: azimuth inside of which nothing hangs over the face.
        bangs: share of the cards above the forehead that become a fringe.
        covers_ears: True when the hair lies on the ears, False when it passes behind them.
        recession: of the temples, in units of ``facenn.engine.head.asset.recession``; below 0 they are rounder.
        groomed: how evenly the cards lie, 0..1: finer at the hairline, their roots below others.
        azimuths: between which the roots lie.
        heights: above the hairline between which the roots lie.
        layers: other hair of the same head, with the same hairline; they have no layers of their own.
    """

    cards: int
    length: Length
    flow: Flow
    width: float
    lift: float
    segments: int
    stand: float = 0.0
    hug: float = 0.0
    gravity: float = 0.0
    jitter: float = 0.1
    pull: float = 0.3
    spread: float = 0.2
    curl: float = 0.0
    turns: float = 0.0
    columns: tuple[int, int] = STRAIGHT
    fray: float = 0.45
    cut: float = 0.0
    curtain: float = 0.0
    bangs: float = 0.0
    covers_ears: bool = False
    recession: float = 0.0
    groomed: float = 0.0
    azimuths: tuple[float, float] = (0, 180)
    heights: tuple[float, float] = (-90, 180)
    layers: "tuple[HairStyle, ...]" = ()


def fringe_length(azimuth: Floating, elevation: Floating) -> Floating:
    """Length of a card that falls from its root to just above the brows, and beside the face to the ears."""
    end = np.interp(azimuth, [0, 40, 55, 68, 90, 180], [11, 9, 2, -7, -6, -25])
    return np.maximum(np.deg2rad(elevation - end) * 1.0, 0.14)


def _short(top: float, sides: float, *, between: tuple[float, float] = (8, 40)) -> Length:
    """Longer on top than at the sides; between two elevations one passes into the other."""
    def length(azimuth: Floating, elevation: Floating) -> Floating:
        upper: Floating = smoothstep(*between, elevation)
        return sides + (top - sides) * upper

    return length


def _even(value: float) -> Length:
    return lambda azimuth, elevation: np.full(len(azimuth), value)


def _over_ears(azimuth: Floating, elevation: Floating) -> Floating:
    """A fringe, and long sides."""
    return 0.8 * fringe_length(azimuth, elevation) + 0.35 * smoothstep(45, 70, azimuth)


def _upswept(lean: float) -> Flow:
    """Up and a little aside above the forehead, down and back at the sides."""
    def flow(points: Floating) -> Floating:
        high: Floating = smoothstep(7.6, 8.0, points[:, 1])
        direction = np.empty_like(points)
        direction[:, 0] = lean * high + 0.25 * np.sign(points[:, 0]) * high
        direction[:, 1] = 1.0 * high - 0.8 * (1 - high)
        direction[:, 2] = -0.15 * high - 0.5 * (1 - high)
        return unit(direction)

    return flow


def _back(points: Floating) -> Floating:
    direction = np.zeros_like(points)
    direction[:, 1] = 0.25 - 0.9 * smoothstep(0.2, -0.6, points[:, 2])
    direction[:, 2] = -1
    return unit(direction)


def _towards(target: tuple[float, float, float]) -> Flow:
    return lambda points: unit(np.array(target) - points)


def _everywhere(direction: tuple[float, float, float]) -> Flow:
    return lambda points: np.broadcast_to(np.array(direction, float), points.shape)


def _over_a_shoulder(points: Floating) -> Floating:
    """Down behind the head, and to the left of the neck."""
    target = np.stack([np.interp(points[:, 1], [6.0, 7.0, 7.6], [0.95, 0.75, 0.2]), points[:, 1] - 0.5,
                       np.interp(points[:, 1], [6.0, 6.7, 7.6], [0.25, -0.2, -1.0])], 1)
    return unit(target - points)


def _from_crown(points: Floating) -> Floating:
    return unit((points - CROWN) * [1, 0.6, 1])


def _forward(points: Floating) -> Floating:
    """From the crown to the forehead, down at the sides."""
    high = smoothstep(7.5, 7.95, points[:, 1])
    direction = np.empty_like(points)
    direction[:, 0] = 0.12 * high + 0.1 * np.sign(points[:, 0])
    direction[:, 1] = -0.35 - 0.65 * (1 - high)
    direction[:, 2] = 1.0 * high + 0.15
    return unit(direction)


def _across_forehead(parting: float) -> Flow:
    """From a parting across the forehead and over the ears to the tie."""
    to_tie = _towards(TIE)

    def flow(points: Floating) -> Floating:
        across, front = points[:, 0] - parting, smoothstep(-0.1, 0.7, points[:, 2])[:, None]
        outer = smoothstep(0.35, 0.75, np.abs(points[:, 0]))
        aside = np.empty_like(points)
        aside[:, 0] = np.where(across < 0, -1, 1) * (1 - 0.9 * outer)
        aside[:, 1] = np.where(across * parting < 0, -0.7, -0.3) * (1 - outer) - 0.3 * outer
        aside[:, 2] = -0.25 - 0.75 * outer
        return unit(unit(aside) * front + to_tie(points) * (1 - front))

    return flow


def _round_bun(points: Floating) -> Floating:
    """To a bun on top of the head, then around it as seen from the front; the further to the front, the narrower."""
    x, y, z = (points - BUN).T
    distance = np.hypot(x, y)
    radius = np.sqrt(np.maximum(1 - np.square(z / BUN_DEPTH), 0.05)) * BUN_RADIUS
    turn = np.where(z > 0, 1, -1) * smoothstep(0.2, 0, distance - radius)
    outwards = np.clip((radius - distance) / 0.1, -1.5, 1.5)
    direction = np.stack([outwards * x + turn * y, outwards * y - turn * x, -z * (distance > radius)], 1)
    return unit(direction / distance[:, None])


def _from_parting(parting: float, *, rise: float, back: float) -> Flow:
    """Away from a parting; ``rise`` lifts it off the forehead before it falls."""
    def flow(points: Floating) -> Floating:
        across, front = points[:, 0] - parting, smoothstep(0.2, 1.0, points[:, 2])
        direction = np.empty_like(points)
        outer = smoothstep(0.25, 0.62, np.abs(points[:, 0]))
        direction[:, 0] = np.where(across < 0, -1, 1) * (1 - 0.75 * outer)
        direction[:, 1] = rise * front * (1 - outer) - 1.0 * outer
        direction[:, 2] = -back * front - 0.25 * (1 - front)
        return unit(direction)

    return flow


_LOOSE = HairStyle(  # strands that have come loose in front of the ears
    16, _even(0.6), _everywhere((0, -1, 0)), width=0.04, lift=0.03, segments=7, stand=0.15, gravity=2.5, jitter=0.10,
    pull=0.2, spread=0.6, fray=0.2, curl=0.03, turns=1.3, azimuths=(60, 92), heights=(-4, 14))
_UNDER = HairStyle(  # where other hair parts
    320, _even(0.5), _back, width=0.16, lift=0.02, segments=7, stand=0.03, hug=1.0, jitter=0.05, pull=0.5,
    heights=(3, 90))
_TAIL = HairStyle(  # behind the neck
    60, _even(2.4), _over_a_shoulder, width=0.16, lift=0.10, segments=7, stand=0.2, hug=0.0, gravity=1.2, jitter=0.05,
    pull=0.5, spread=0.25, curl=0.03, turns=1.0, fray=0.3, azimuths=(150, 180), heights=(2, 60))


def _hairline_of(flow: Flow, *, segments: int) -> HairStyle:
    """Soft short hair along the hairline."""
    return HairStyle(800, _even(0.42), flow, width=0.035, lift=0.04, segments=segments, stand=0.05, hug=1.0,
                     jitter=0.10, pull=0.5, spread=0.5, azimuths=(0, 100), heights=(-8, 13))


def _fill(segments: int) -> HairStyle:
    """On the crown, where the wall could be seen between the head and hair that stands off it."""
    return HairStyle(160, _even(0.45), _back, width=0.18, lift=0.09, segments=segments, stand=0.03, hug=1.0,
                     jitter=0.05, pull=0.5, heights=(36, 180))


HAIR_STYLES: dict[str, HairStyle | None] = {
    "bald": None,
    "buzz": None,  # painted on the scalp
    "crop": HairStyle(
        900, _short(0.30, 0.09), _upswept(0.25), width=0.12, lift=0.05, segments=4, stand=0.45, jitter=0.16,
        spread=0.3),
    "slick": HairStyle(
        760, _short(0.95, 0.5), _back, width=0.13, lift=0.13, segments=6, stand=0.08, hug=0.9, jitter=0.02, pull=0.5),
    "side_part": HairStyle(
        840, _short(0.62, 0.22), _from_parting(-0.28, rise=0.45, back=0.15), width=0.14, lift=0.16, segments=6,
        stand=0.12, hug=0.8, gravity=0.3, jitter=0.05, pull=0.4),
    "fringe": HairStyle(
        800, fringe_length, _from_crown, width=0.13, lift=0.13, segments=6, stand=0.1, hug=0.8, gravity=0.5,
        jitter=0.06, spread=0.1, fray=0.16),
    "bob": HairStyle(
        720, _even(2.0), _from_parting(0.0, rise=-0.1, back=0.25), width=0.19, lift=0.13, segments=9, hug=0.8,
        gravity=3.0, jitter=0.03, curl=0.015, turns=1.0, fray=0.2, cut=6.42, curtain=66, bangs=0.75, covers_ears=True,
        layers=(_fill(9),)),
    "long": HairStyle(
        640, _even(2.9), _from_parting(-0.06, rise=0.0, back=0.3), width=0.21, lift=0.11, segments=10, hug=0.8,
        gravity=3.0, jitter=0.03, curl=0.025, turns=1.2, fray=0.15, cut=5.8, curtain=66, covers_ears=True,
        layers=(_fill(10),)),
    "tied_back": HairStyle(
        1000, _even(1.1), _towards((0, 7.9, -0.8)), width=0.11, lift=0.11, segments=7, stand=0.06, hug=1.0,
        jitter=0.012, pull=0.6, recession=-0.3, groomed=1.0,
        layers=(_hairline_of(_towards((0, 7.75, -0.7)), segments=7), _LOOSE, _TAIL)),
    "curly": HairStyle(
        640, _short(0.50, 0.60), _from_parting(-0.12, rise=0.5, back=0.0), width=0.11, lift=0.16, segments=9,
        stand=0.45, gravity=1.6, jitter=0.2, curl=0.055, turns=2.4, columns=CURLY, curtain=60, covers_ears=True),
    "afro": HairStyle(
        800, _short(0.26, 0.20), _from_crown, width=0.15, lift=0.10, segments=6, stand=0.95, jitter=0.2, pull=0.02,
        curl=0.05, turns=1.6, columns=CURLY),
    "receding": HairStyle(
        800, _short(0.20, 0.08), _upswept(0.15), width=0.11, lift=0.04, segments=4, stand=0.35, jitter=0.16,
        spread=0.3, recession=1.0),
    "swept": HairStyle(
        1100, _even(1.35), _across_forehead(0.28), width=0.14, lift=0.17, segments=7, stand=0.06, hug=1.0, gravity=0.2,
        jitter=0.02, pull=0.7, layers=(_UNDER, _LOOSE)),
    "bun": HairStyle(
        1000, _even(1.0), _towards(BUN), width=0.11, lift=0.14, segments=9, stand=0.08, hug=0.9, jitter=0.03,
        pull=0.6, recession=-0.3, groomed=1.0, layers=(
            _hairline_of(_towards(BUN), segments=9),
            HairStyle(  # the bun
                280, _even(1.6), _round_bun, width=0.11, lift=0.1, segments=9, stand=0.5, jitter=0.08, pull=0.8,
                fray=0.08, spread=0.3, curl=0.02, turns=1.0, heights=(50, 110)),
            HairStyle(  # curls that hang loose beside the face
                28, _even(0.9), _everywhere((0, -1, 0)), width=0.06, lift=0.05, segments=9, stand=0.3, gravity=2.4,
                jitter=0.1, pull=0.3, spread=0.5, fray=0.2, curl=0.035, turns=2.2, columns=CURLY, azimuths=(66, 96),
                heights=(0, 14)))),
    "tousled": HairStyle(
        1000, _short(0.34, 0.10), _forward, width=0.12, lift=0.08, segments=7, stand=0.3, gravity=0.3, jitter=0.13,
        pull=0.45, spread=0.4, fray=0.5, layers=(_UNDER,)),
    "mop": HairStyle(
        900, _over_ears, _from_crown, width=0.15, lift=0.2, segments=8, stand=0.1, hug=0.7, gravity=0.5, jitter=0.06,
        spread=0.1, fray=0.3, covers_ears=True),
    "high_top": HairStyle(
        800, _short(0.34, 0.04, between=(34, 52)), _everywhere((0, 1, 0.1)), width=0.11, lift=0.05, segments=6,
        stand=0.8, jitter=0.12, pull=0.1, curl=0.035, turns=1.6, columns=CURLY),
}
