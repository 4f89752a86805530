"""Hair as cards grown on the neutral head and carried along by the sliders."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import grey_closing
from scipy.spatial import cKDTree

from facenn.arrays import Floating
from facenn.engine.hair.roots import Roots, spread_roots
from facenn.engine.hair.strands import CARD_COLUMNS, CURLY
from facenn.engine.hair.styles import HairStyle, fringe_length
from facenn.engine.head.asset import SKULL, Head, Part, azimuth_elevation
from facenn.engine.head.mesh import smoothstep, unit

OVERLAP = 0.07  # decimetres by which lying hair starts behind its root, so that a parting is closed
CELL = 0.04  # decimetres a side, of the grid that tells what is behind the head


@dataclass(frozen=True)
class HairCards:
    """The cards of one style; render vertices are ``positions_of @ head vertices + offset``.

    Attributes:
        positions_of: (R, V).
        offset: (R, 3).
        normals: (R, 3), fixed.
        uv: (R, 2) in the strand texture.
        occlusion: (R,) openness 0..1: dark at the roots and below other hair.
        triangles: (T, 3), front to back, so that what is hidden fails the depth test early.
        root_height: (T,) degrees by which the root of a triangle's card lies above the style's hairline.
    """

    positions_of: sp.csr_matrix
    offset: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    occlusion: NDArray[np.float32]
    triangles: NDArray[np.int32]
    root_height: NDArray[np.float32]


@dataclass(frozen=True)
class _Surface:
    """The skin as seen by growing hair."""

    points: Floating
    normals: Floating
    tree: cKDTree

    def nearest(self, points: Floating) -> tuple[Floating, Floating, Floating]:
        """Normal (N, 3), height along it (N,) and distance (N,) of the surface nearest to points (N, 3)."""
        distance, index = self.tree.query(points)
        normal = self.normals[index]
        return normal, ((points - self.points[index]) * normal).sum(1), np.asarray(distance)


def _lengths(style: HairStyle, roots: Roots, generator: np.random.Generator) -> Floating:
    """(K,) lengths of the cards; a fringe is cut more evenly than other hair."""
    length = np.where(roots.bangs, fringe_length(roots.azimuth, roots.elevation),
                      style.length(roots.azimuth, roots.elevation))
    varied: Floating = length * (1 + np.where(roots.bangs, 0.1, style.spread) * generator.uniform(-1, 1, len(length)))
    return varied


def _upright(style: HairStyle, roots: Roots) -> Floating:
    """(K, 1) how much cards leave the scalp along the normal; straight hair lies flatter at the sides."""
    flat_sides = 0.0 if style.columns == CURLY else 0.65
    share: Floating = style.stand * (1 - flat_sides * smoothstep(30, 0, roots.elevation))[:, None]
    return share


def _march(style: HairStyle, roots: Roots, surface: _Surface, generator: np.random.Generator) -> Floating:
    """(K, segments + 1, 3) centre lines: along the flow and gravity, at their layer's distance from the skin."""
    count, length, bangs = len(roots.points), _lengths(style, roots, generator), roots.bangs[:, None]
    share = np.linspace(0.55, 1.45, style.segments) / style.segments  # short steps where the head is round
    hanging = np.where(bangs, 0.5, style.gravity)
    lift = style.lift * roots.layer * (0.4 + 0.6 * smoothstep(5, 45, roots.elevation))
    edge = style.curtain + generator.uniform(-6, 4, count)
    lean = generator.standard_normal((count, 3)) * style.jitter
    wanted = np.where(bangs, unit(np.array([0, 0.15, 0.6]) * roots.normals + [0, -1, 0.3]), style.flow(roots.points))
    upright, tangent = _upright(style, roots), _along(wanted, roots.normals)
    direction = unit(tangent * (1 - upright) + roots.normals * upright + lean)
    overlap = OVERLAP * max(style.hug, style.curtain > 0) * smoothstep(2, 6, roots.height)[:, None]
    inside = (1 - 0.6 * style.groomed) * style.hug * lift  # of roots that no hairline shows
    inside *= smoothstep(4, 10, roots.height)
    point, normal = roots.points - tangent * overlap, roots.normals
    line = [point + normal * (0.005 + inside)[:, None]]
    for k in range(1, style.segments + 1):
        step = (length * share[k - 1])[:, None]
        wish = _along(np.where(bangs, wanted, style.flow(point)), normal) * style.pull
        direction = unit(direction * (1 - style.pull) + wish + lean * 0.15 + [0, -1, 0] * hanging * step)
        point = point + direction * step
        if style.curtain:
            point = np.where(bangs, point, _beside_face(point, edge, np.maximum(-roots.height, 0)))
        normal, above, distance = surface.nearest(point)
        target = 0.03 + lift * min(1, 0.5 + 2 * k / style.segments)
        near = smoothstep(0.55, 0.3, distance) * smoothstep(6.7, 7.3, point[:, 1])
        hold = np.where(above < target, smoothstep(0.8, 0.5, distance), style.hug * near)
        point = point + normal * ((target - above) * hold)[:, None]
        direction = unit(point - line[-1])
        line.append(point)
    lines = np.stack(line, 1)
    for _ in range(4 if style.covers_ears else 0):  # what lies on an ear does not bend as sharply as the ear
        lines[:, 2:-1] = lines[:, 1:-2] * 0.25 + lines[:, 2:-1] * 0.5 + lines[:, 3:] * 0.25
    return lines


def _along(directions: Floating, normals: Floating) -> Floating:
    """Directions (N, 3) without their part along the normals."""
    return unit(directions - normals * (directions * normals).sum(1, keepdims=True))


def _beside_face(points: Floating, edge: Floating, lowered: Floating) -> Floating:
    """Points (N, 3) turned about the vertical out of the face.

    Args:
        points: (N, 3).
        edge: (N,) azimuth of the side of the face.
        lowered: (N,) degrees by which the hairline lies lower.
    """
    away = points - SKULL
    azimuth, elevation = azimuth_elevation(away)
    least = np.interp(elevation + lowered, [5, 12, 22, 30, 35, 38], [1, 0.9, 0.76, 0.60, 0.38, 0]) * edge
    turned = np.deg2rad(np.maximum(azimuth, least))
    radius = np.hypot(away[:, 0], away[:, 2])
    side = np.where(away[:, 0] < 0, -1, 1)
    beside: Floating = SKULL + np.stack([side * radius * np.sin(turned), away[:, 1], radius * np.cos(turned)], 1)
    return beside


def _trim(lines: Floating, heights: Floating) -> Floating:
    """Centre lines (K, P, 3) cut where they fall below heights (K,), with points evenly spread again."""
    below = lines[..., 1] < heights[:, None]
    whole = lines.shape[1] - 1
    last = np.where(below.any(1), below.argmax(1), whole).astype(float)
    index = np.maximum(last.astype(int), 1)
    row = np.arange(len(lines))
    upper, lower = lines[row, index - 1, 1], lines[row, index, 1]
    part = np.where(below.any(1), (upper - heights) / np.maximum(upper - lower, 1e-6), 1)
    at = np.linspace(0, 1, whole + 1) * (index - 1 + np.clip(part, 0.05, 1))[:, None]
    first = np.minimum(at.astype(int), whole - 1)
    share = (at - first)[..., None]
    trimmed: Floating = lines[row[:, None], first] * (1 - share) + lines[row[:, None], first + 1] * share
    return trimmed


def _curled(lines: Floating, style: HairStyle, generator: np.random.Generator) -> Floating:
    """Centre lines wound into spirals."""
    count, points = lines.shape[:2]
    tangent = unit(np.gradient(lines, axis=1))
    side = unit(np.cross(tangent, unit(lines - SKULL)))
    along = np.linspace(0, 1, points)
    turns = style.turns * generator.uniform(0.7, 1.3, (count, 1))
    angle = generator.uniform(0, 2 * np.pi, (count, 1)) + 2 * np.pi * turns * along
    radius = style.curl * np.minimum(1, 2.5 * along) * generator.uniform(0.6, 1.3, (count, 1))
    wound: Floating = lines + (radius * np.cos(angle))[..., None] * side
    return wound + (radius * np.sin(angle))[..., None] * np.cross(side, tangent)


def _behind_head(lines: Floating, points: Floating) -> NDArray[np.bool_]:
    """(K,) whether the head, with a margin for its sliders, hides a whole centre line from the front."""
    low = np.array([-2.5, 5.0])
    nearest = np.full((125, 125), -9.0)
    cell = tuple(((points[:, :2] - low) / CELL).astype(int).clip(0, 124).T)
    np.maximum.at(nearest, cell, points[:, 2])
    nearest = grey_closing(nearest, size=(5, 5))  # vertices lie further apart than cells
    shifts = np.array([(x, y) for x in (-0.12, 0, 0.12) for y in (-0.12, 0, 0.12)])
    where = ((lines[..., None, :2] + shifts - low) / CELL).astype(int).clip(0, 124)
    clearance = nearest[where[..., 0], where[..., 1]] - lines[..., None, 2]
    whole: NDArray[np.bool_] = clearance.min(axis=(1, 2)) > 0.1
    return whole


def _openness(style: HairStyle, roots: Roots, lines: Floating, generator: np.random.Generator) -> Floating:
    """(K, P) how open each point of the centre lines is to the light, 0..1."""
    along = np.linspace(0, 1, lines.shape[1])
    layer = 0.42 + 0.58 * roots.layer[:, None] ** 0.8
    at_hairline = 0.25 + 0.75 * smoothstep(10, 4, roots.height)[:, None]  # further up, roots lie under other hair
    rooted = 1 - 0.38 * at_hairline * smoothstep(0.35, 0.0, along)
    behind_neck = 1 - 0.6 * smoothstep(7.3, 6.9, lines[..., 1]) * smoothstep(0.35, 0.0, lines[..., 2])
    single = generator.uniform(0.86, 1, len(lines))[:, None]
    return np.clip(layer * rooted * behind_neck * single, 0, 1)


def _ribbons(style: HairStyle, lines: Floating, height: Floating, surface: _Surface, generator: np.random.Generator
             ) -> tuple[Floating, Floating, Floating]:
    """Positions, normals (R, 3) and uv (R, 2) of ribbons along centre lines, two per point."""
    count, points = lines.shape[:2]
    tangent = unit(np.gradient(lines, axis=1))
    normal, _, distance = surface.nearest(lines.reshape(-1, 3))
    normal, flat = normal.reshape(lines.shape), smoothstep(0.4, 0.2, distance).reshape(count, points, 1) * style.hug
    round_off = unit(lines - [0, 7.35, 0.35])
    outward = unit(normal + round_off)
    across = unit(np.cross(tangent, normal * (0.5 + 0.5 * flat) + round_off * (0.5 - 0.5 * flat)))
    twist = 0.25 * (1 - 0.8 * style.hug) * generator.standard_normal((count, 1, 1))
    across = across * np.cos(twist) + outward * np.sin(twist)
    taper = np.interp(np.linspace(0, 1, points), [0, 0.2, 0.8, 1], [0.7, 1, 1, 0.7]).reshape(1, points, 1)
    half = style.width * 0.5 * generator.uniform(0.75, 1.25, (count, 1, 1)) * taper
    half = half * (1 - style.groomed * 0.5 * smoothstep(7, 2, height))[:, None, None]
    half[:, [0, -1]] *= 1 - style.groomed * 0.75 * smoothstep(4, 7, height)[:, None, None]  # corners would stand out
    positions = np.stack([lines - across * half, lines + across * half], 2).reshape(-1, 3)
    rounded = unit(np.stack([outward - across * 0.25, outward + across * 0.25], 2)).reshape(-1, 3)
    first, last = style.columns
    column, flipped = generator.integers(first, last, (count, 1)), generator.random((count, 1)) < 0.5
    u = (column + 0.02 + 0.96 * np.where(flipped, [1.0, 0.0], [0.0, 1.0])) / CARD_COLUMNS
    v = 1 - np.interp(np.linspace(0, 1, points), [0, 1 - style.fray, 1], [0, 0.55, 0.98])
    uv = np.stack(np.broadcast_arrays(u[:, None, :], v[None, :, None]), -1).reshape(-1, 2)
    return positions, rounded, uv


def _carried(head: Head, positions: Floating, roots: Floating) -> sp.csr_matrix:
    """(R, V) averages of head vertices: near the skin those close by, further away also those at the root."""
    carriers = head.vertices_of("body")
    carriers = carriers[head.base[carriers, 1] > 6.9]
    tree = cKDTree(head.base[carriers])
    away = smoothstep(0.05, 0.4, np.asarray(tree.query(positions)[0]))[:, None]
    distance, nearest = tree.query(positions + (roots - positions) * 0.5 * away, k=8)
    weight = 1 / (np.asarray(distance) + 0.05) ** 2
    weight /= weight.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(positions)), 8)
    return sp.csr_matrix((weight.ravel(), (rows, carriers[nearest].ravel())), shape=(len(positions), len(head.base)))


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
    grown = [_grow_layer(head, skin, ears, layer, generator)
             for layer in (style, *(replace(layer, recession=style.recession) for layer in style.layers))]
    starts = np.cumsum([0, *(len(g.uv) for g in grown[:-1])])
    triangles = np.concatenate([g.triangles + s for g, s in zip(grown, starts, strict=True)]).astype(np.int32)
    reach = np.concatenate([(g.positions_of @ head.base + g.offset)[g.triangles, 2].max(1) for g in grown])
    order = np.argsort(-reach, kind="stable")
    joined = {name: np.concatenate([getattr(g, name) for g in grown])
              for name in ("offset", "normals", "uv", "occlusion")}
    height = np.concatenate([g.root_height for g in grown])
    return HairCards(sp.vstack([g.positions_of for g in grown]).tocsr(), **joined, triangles=triangles[order],
                     root_height=height[order])


def _grow_layer(head: Head, skin: Part, ears: NDArray[np.bool_], style: HairStyle, generator: np.random.Generator
                ) -> HairCards:
    """The cards of a style without its layers, not yet sorted."""
    points = skin.positions_of @ head.base
    normals = skin.normals(points)
    roots = spread_roots(style, skin, ears, points, normals, generator)
    felt = np.ones(len(points), bool) if style.covers_ears else ~ears
    surface = _Surface(points[felt], normals[felt], cKDTree(points[felt]))
    lines = _march(style, roots, surface, generator)
    if style.curl:
        lines = _curled(lines, style, generator)
    if style.cut:
        lines = _trim(lines, style.cut + 0.09 * generator.standard_normal(style.cards))
    openness = _openness(style, roots, lines, generator)
    keep = ~_behind_head(lines, points)
    positions, rounded, uv = _ribbons(style, lines[keep], roots.height[keep], surface, generator)
    ribbon = np.arange(style.segments)[:, None, None] * 2 + np.array([[0, 1, 2], [1, 3, 2]])
    count = int(keep.sum())
    triangles = np.arange(count)[:, None, None] * (style.segments + 1) * 2 + ribbon.reshape(-1, 3)
    height = np.repeat(roots.height[keep], 2 * style.segments)
    positions_of = _carried(head, positions, np.repeat(roots.points[keep], (style.segments + 1) * 2, 0))
    offset = positions - positions_of @ head.base
    return HairCards(positions_of, offset.astype(np.float32), rounded.astype(np.float32), uv.astype(np.float32),
                     np.repeat(openness[keep].ravel(), 2).astype(np.float32),
                     triangles.reshape(-1, 3).astype(np.int32), height.astype(np.float32))
