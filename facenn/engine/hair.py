"""Hair styles as cards grown on the neutral head and carried along by the sliders."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from facenn.engine.drawing import stroke
from facenn.engine.head import SKULL, Head, Part, azimuth_elevation, hairline
from facenn.engine.mesh import smoothstep, unit

Floats = NDArray[np.floating]
Flow = Callable[[Floats], Floats]
Length = Callable[[Floats, Floats, np.random.Generator], Floats]

CARD_COLUMNS = 4  # kinds of card side by side in the strand texture


def strand_texture(generator: np.random.Generator, card: int = 48, height: int = 256) -> NDArray[np.uint8]:
    """(height, CARD_COLUMNS * card, 2) brightness and coverage of strands, root at the top.

    Few thick strands per card: texture finer than the pixels of a picture turns into grain.
    """
    fine = 6  # horizontal oversampling while drawing
    shape = (height * 2, card * CARD_COLUMNS * fine)
    coverage, brightness = np.zeros(shape, np.float32), np.full(shape, 0.45, np.float32)
    width = card * fine
    taper = 1 - (np.arange(23) / 23) ** 3
    for column, count in enumerate((15, 11, 8, 13)):
        for _ in range(count):
            x = (column + 0.5 + 0.40 * np.clip(generator.standard_normal() * 0.6, -1, 1)) * width
            least, more = (0.72, 0.28) if generator.random() < 0.8 else (0.4, 0.4)
            length = 2 * height * (least + more * generator.random())
            drift, phase = generator.standard_normal() * width * 0.06, generator.random() * 6.28
            wave = generator.random() * width * 0.04
            y = np.linspace(0, length, 24)
            along = y / height / 2
            path = np.stack([x + drift * along**2 + wave * np.sin(along * 7 + phase), y], 1)
            bright = 0.25 + 0.6 * generator.random()
            radius = np.maximum(fine * (1.6 + 2.2 * generator.random()) * taper, 1) / 2
            stroke(coverage, path, radius, 1.0, 1.0)
            stroke(brightness, path, radius, bright, 1.0)
    coverage, brightness = (t.reshape(height, 2, card * CARD_COLUMNS, fine).mean((1, 3))
                            for t in (coverage, brightness))
    texture = np.dstack([gaussian_filter(brightness, 0.7), coverage]).clip(0, 1) * 255
    return np.ascontiguousarray(texture.astype(np.uint8))


def lash_texture(generator: np.random.Generator, height: int = 128, width: int = 1024) -> NDArray[np.uint8]:
    """(height, width, 2) upper lashes in the left half, lower ones in the right; root at the top row."""
    coverage = np.zeros((height, width), np.float32)
    along = np.arange(9) / 8
    for start, count, size, thick in ((0, 100, 0.50, 2.6), (522, 30, 0.18, 1.0)):
        radius = np.where(np.arange(8) < 3, thick, np.where(np.arange(8) < 6, 1.8, 1)) / 2
        for _ in range(count):
            x = generator.random() * 490
            length = height * (size + 0.35 * generator.random() * size)
            lean = (x / 490 - 0.25) * 60 * size + generator.standard_normal() * 8
            stroke(coverage, np.stack([start + x + lean * along**1.5, length * along], 1), radius, 1.0, 1.0)
    coverage[:8, :500] = 0.92
    alpha = (coverage * 255).astype(np.uint8)
    return np.ascontiguousarray(np.dstack([alpha, alpha]))


def _flow_back(points: Floats) -> Floats:
    direction = np.zeros_like(points)
    direction[:, 1] = 0.25 - 0.9 * smoothstep(0.2, -0.6, points[:, 2])
    direction[:, 2] = -1
    return unit(direction)


def _flow_from_crown(points: Floats) -> Floats:
    return unit((points - [0, 8.30, -0.10]) * [1, 0.6, 1])


def _flow_from_parting(parting: float, forward: float) -> Flow:
    def flow(points: Floats) -> Floats:
        direction = np.empty_like(points)
        direction[:, 0] = np.tanh((points[:, 0] - parting) * 6)
        direction[:, 1] = -0.5 - 0.3 * smoothstep(0.2, 0.7, np.abs(points[:, 0]))
        z = points[:, 2]
        direction[:, 2] = forward * smoothstep(-0.2, 1.0, z) - 0.5 * smoothstep(0.6, -0.6, z)
        return unit(direction)

    return flow


@dataclass(frozen=True)
class HairStyle:
    """How the cards of a style grow; lengths in decimetres, angles in degrees.

    Attributes:
        cards: how many are tried.
        length: of each card, from the azimuth and elevation of its root.
        flow: preferred direction at points on the head.
        stand: how much a card leaves the scalp along the normal at its root, 0..1.
        gravity: downward pull per step.
        width: of a card.
        lift: distance of the outermost layer from the skin.
        segments: of a card.
        jitter: randomness of the direction.
        pull: how strongly the flow bends a card on its way.
        follows: True when the flow is read again at every step, not only at the root.
        parted: True when cards fall from a parting along the face.
        bangs: share of the cards above the forehead that become a fringe.
    """

    cards: int
    length: Length
    flow: Flow
    stand: float
    gravity: float
    width: float
    lift: float
    segments: int
    jitter: float
    pull: float = 0.15
    follows: bool = False
    parted: bool = False
    bangs: float = 0.0


HAIR_STYLES: dict[str, HairStyle | None] = {
    "bald": None,
    "buzz": None,  # painted on the scalp
    "crop": HairStyle(
        1200, lambda a, e, g: np.where(e > 25, 0.36, 0.20) * (0.7 + 0.6 * g.random(len(a))), _flow_from_crown,
        stand=0.30, gravity=0.10, width=0.10, lift=0.05, segments=4, jitter=0.2),
    "slick": HairStyle(
        1000, lambda a, e, g: np.where(np.abs(a) > 95, 0.45, 0.95) * (0.75 + 0.4 * g.random(len(a))),
        _flow_back,
        stand=0.22, gravity=0.06, width=0.12, lift=0.10, segments=6, jitter=0.06, pull=0.35, follows=True),
    "side_part": HairStyle(
        1100, lambda a, e, g: np.where(e > 20, 0.62, 0.30) * (0.7 + 0.5 * g.random(len(a))),
        _flow_from_parting(-0.26, 0.05),
        stand=0.34, gravity=0.16, width=0.12, lift=0.12, segments=6, jitter=0.07, pull=0.30, parted=True),
    "fringe": HairStyle(
        1100, lambda a, e, g: (np.where(np.abs(a) < 50, 0.55, 0.42) * (0.75 + 0.4 * g.random(len(a)))
                               + 0.35 * smoothstep(30, 70, e)), _flow_from_crown,
        stand=0.25, gravity=0.22, width=0.12, lift=0.10, segments=6, jitter=0.10, pull=0.2),
    "bob": HairStyle(
        780, lambda a, e, g: ((0.90 + 0.14 * g.random(len(a))) * np.clip(
            np.where(np.abs(a) < 38, 1.05, 1.25) + 0.5 * smoothstep(10, 60, e), 0, 2)),
        _flow_from_parting(0.0, 0.10),
        stand=0.20, gravity=0.55, width=0.185, lift=0.13, segments=7, jitter=0.03, pull=0.25, parted=True,
        bangs=0.8),
    "long": HairStyle(
        680, lambda a, e, g: (1.9 + 0.6 * smoothstep(10, 60, e)) * (0.88 + 0.16 * g.random(len(a))),
        _flow_from_parting(-0.12, -0.12),
        stand=0.20, gravity=0.5, width=0.21, lift=0.15, segments=9, jitter=0.035, pull=0.22, parted=True),
}


@dataclass(frozen=True)
class HairCards:
    """The cards of one style; render vertices are ``positions_of @ head vertices + offset``.

    Attributes:
        positions_of: (R, V).
        offset: (R, 3).
        normals: (R, 3), fixed.
        uv: (R, 2) in the strand texture.
        triangles: (T, 3), front to back, so that what is hidden fails the depth test early.
    """

    positions_of: sp.csr_matrix
    offset: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]


def _roots(count: int, skin: Part, ears: NDArray[np.bool_], surface: Floats, normals: Floats,
           generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Random points on the scalp inside the hairline, and the normals there."""
    faces = skin.position_triangles
    centre = surface[faces].mean(1)
    azimuth, elevation = azimuth_elevation(centre - SKULL)
    area = np.linalg.norm(np.cross(surface[faces[:, 1]] - surface[faces[:, 0]],
                                   surface[faces[:, 2]] - surface[faces[:, 0]]), axis=1)
    weight = area * (elevation > hairline(azimuth) + 1.5) * (centre[:, 1] > 6.6) * ~ears[faces].any(1)
    chosen = faces[generator.choice(len(faces), count, p=weight / weight.sum())]
    corner = generator.dirichlet([1, 1, 1], count)[..., None]
    return (surface[chosen] * corner).sum(1), unit((normals[chosen] * corner).sum(1))


def _march(style: HairStyle, roots: Floats, root_normals: Floats, length: Floats, surface: Floats,
           normals: Floats, generator: np.random.Generator) -> Floats:
    """(K, segments + 1, 3) centre lines: along the flow and gravity, pushed out of the head."""
    count = len(roots)
    tree, layer = cKDTree(surface), generator.random(count)
    wanted = style.flow(roots)
    wanted = unit(wanted - root_normals * (wanted * root_normals).sum(1, keepdims=True))
    direction = unit(wanted * (1 - style.stand) + root_normals * style.stand)
    step = (length / style.segments)[:, None]
    lean = generator.standard_normal((count, 3)) * style.jitter
    point, line = roots.copy(), [roots - root_normals * 0.012]
    for k in range(1, style.segments + 1):
        pull = style.flow(point) if style.follows else wanted
        wobble = lean * 0.25 + generator.standard_normal((count, 3)) * 0.03
        fall = np.array([0, -1, 0]) * style.gravity * step * 8
        direction = unit(direction + pull * style.pull + fall + wobble)
        point = point + direction * step
        distance, nearest = tree.query(point)
        above = ((point - surface[nearest]) * normals[nearest]).sum(1)
        least = (0.012 + style.lift * layer) * min(1, k / 2.5)
        push = np.where((above < least) & (distance < 0.6), least - above, 0)
        point = point + normals[nearest] * push[:, None]
        line.append(point.copy())
    return np.stack(line, 1)


def _worth_drawing(style: HairStyle, lines: Floats, bangs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cards that neither cross the face nor hide behind the head."""
    x, y, z = np.abs(lines[..., 0]), lines[..., 1], lines[..., 2]
    crosses: NDArray[np.bool_]
    if style.parted:
        crosses = np.any((z > 0.55) & (x < 0.50) & (y < 7.42) & (y > 5.8), 1) & ~(bangs & (y[:, -1] > 7.50))
    else:
        crosses = np.any((z > 0.7) & (x < 0.5) & (y < 7.55), 1)
    hidden = (z.max(1) < -0.05) & (y[:, -1] > 6.6) & (x.max(1) < 0.55) & (y.max(1) < 8.2)
    kept: NDArray[np.bool_] = ~crosses & ~hidden
    return kept


def _ribbons(style: HairStyle, lines: Floats, surface: Floats, normals: Floats, generator: np.random.Generator
             ) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Positions (R, 3), normals (R, 3), uv (R, 2) and triangles (T, 3) of ribbons along centre lines."""
    count, points = len(lines), style.segments + 1
    tangent = unit(np.gradient(lines, axis=1))
    nearest = cKDTree(surface).query(lines.reshape(-1, 3))[1]
    outward = normals[nearest].reshape(lines.shape) * 0.5 + unit(lines - [0, 7.35, 0.35]) * 0.5
    across = unit(np.cross(tangent, outward))
    twist = generator.standard_normal(count)[:, None, None] * 0.25
    across = across * np.cos(twist) + outward * np.sin(twist)
    half = style.width * (0.7 + 0.6 * generator.random(count))[:, None, None] * 0.5
    half = half * np.interp(np.linspace(0, 1, points), [0, 0.15, 0.8, 1], [0.75, 1, 1, 0.55])[None, :, None]
    positions = np.stack([lines - across * half, lines + across * half], 2).reshape(-1, 3)
    rounded = unit(np.stack([outward - across * 0.4, outward + across * 0.4], 2)).reshape(-1, 3)
    column, flipped = generator.integers(0, CARD_COLUMNS, count), generator.random(count) < 0.5
    u = np.where(flipped[:, None], [1.0, 0.0], [0.0, 1.0])
    u = (column[:, None] + 0.04 + 0.92 * u) / CARD_COLUMNS
    v = 1 - np.linspace(0, 1, points) * 0.98
    uv = np.stack(np.broadcast_arrays(u[:, None, :], v[None, :, None]), -1).reshape(-1, 2)
    start = np.arange(style.segments)[:, None, None] * 2
    ribbon = (start + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3)
    triangles = np.arange(count)[:, None, None] * points * 2 + ribbon
    front_to_back = np.argsort(-positions[triangles].mean(2)[..., 2].max(1))
    return positions, rounded, uv, triangles[front_to_back].reshape(-1, 3)


def grow(head: Head, skin: Part, ears: NDArray[np.bool_], style: HairStyle, generator: np.random.Generator
         ) -> HairCards:
    """The cards of a style on the neutral head.

    Args:
        head: the head asset.
        skin: its skin part.
        ears: (P,) which positions of the skin belong to the ears.
        style: what to grow.
        generator: of all randomness.
    """
    surface = skin.positions_of @ head.base
    normals = skin.normals(surface)
    roots, root_normals = _roots(style.cards, skin, ears, surface, normals, generator)
    seen_from_skull = roots - SKULL
    azimuth = np.degrees(np.arctan2(seen_from_skull[:, 0], seen_from_skull[:, 2]))
    elevation = azimuth_elevation(seen_from_skull)[1]
    length = style.length(azimuth, elevation, generator)
    bangs = (np.abs(azimuth) < 46) & (elevation > 28) & (generator.random(style.cards) < style.bangs)
    fringe = (0.62 + 0.010 * (elevation - 38)) * (0.9 + 0.15 * generator.random(style.cards))
    lines = _march(style, roots, root_normals, np.where(bangs, fringe, length), surface, normals, generator)
    keep = _worth_drawing(style, lines, bangs)
    positions, rounded, uv, triangles = _ribbons(style, lines[keep], surface, normals, generator)
    carriers = head.vertices_of("body")
    carriers = carriers[head.base[carriers, 1] > 6.9]
    anchor = positions * 0.5 + np.repeat(roots[keep], (style.segments + 1) * 2, 0) * 0.5
    distance, nearest = cKDTree(head.base[carriers]).query(anchor, k=8)
    weight = 1 / (np.asarray(distance) + 0.05) ** 2
    weight /= weight.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(positions)), 8)
    positions_of = sp.csr_matrix((weight.ravel(), (rows, carriers[nearest].ravel())),
                                 shape=(len(positions), len(head.base)))
    offset = positions - positions_of @ head.base
    return HairCards(positions_of, offset.astype(np.float32), rounded.astype(np.float32),
                     uv.astype(np.float32), triangles.astype(np.int32))
