"""Where on the scalp the cards of hair are rooted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Floating
from facenn.engine.hair.styles import HairStyle
from facenn.engine.head.asset import SKULL, Part, azimuth_elevation, hairline, recession
from facenn.engine.head.mesh import smoothstep, unit

LOWEST_ROOT = -8.0  # degrees above the hairline: how far a hairline may be lowered


@dataclass(frozen=True)
class Roots:
    """Where cards leave the scalp; angles in degrees."""

    points: Floating
    normals: Floating
    azimuth: Floating
    elevation: Floating
    height: Floating  # above the hairline
    layer: Floating  # 0 = innermost, 1 = outermost
    bangs: NDArray[np.bool_]


def spread_roots(style: HairStyle, skin: Part, ears: NDArray[np.bool_], points: Floating, normals: Floating,
                 generator: np.random.Generator) -> Roots:
    """Points spread evenly over the scalp inside the lowest hairline."""
    faces = skin.position_triangles
    corners = points[faces]
    azimuth, elevation = azimuth_elevation(corners.mean(1) - SKULL)
    height = _above_hairline(style, azimuth, elevation)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = area * (height > LOWEST_ROOT) * (corners.mean(1)[:, 1] > 6.6) * ~ears[faces].any(1)
    weight *= (azimuth > style.azimuths[0]) & (azimuth < style.azimuths[1])
    weight *= (height > style.heights[0]) & (height < style.heights[1])
    weight *= 1 + 2.5 * smoothstep(14, 6, height) * (azimuth < 80)  # at the hairline no cards come from before
    even = (np.arange(style.cards) + generator.random(style.cards)) / style.cards
    chosen = faces[np.searchsorted(np.cumsum(weight) / weight.sum(), even)]
    corner = generator.dirichlet([1, 1, 1], style.cards)[..., None]
    roots = (points[chosen] * corner).sum(1)
    azimuth, elevation = azimuth_elevation(roots - SKULL)
    height = _above_hairline(style, azimuth, elevation)
    bangs = (azimuth < 44) & (elevation > 22) & (elevation < 62) & (generator.random(style.cards) < style.bangs)
    layer = generator.random(style.cards) ** 0.6
    layer += style.groomed * 0.6 * (1 - layer)
    return Roots(roots, unit((normals[chosen] * corner).sum(1)), azimuth, elevation, height, layer, bangs)


def _above_hairline(style: HairStyle, azimuth: Floating, elevation: Floating) -> Floating:
    """Degrees by which directions lie above the style's hairline."""
    height: Floating = elevation - hairline(azimuth) - style.recession * recession(azimuth)
    return height
