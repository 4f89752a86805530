"""The head asset, and its parts as sparse linear maps of the sliders' result."""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from facenn.engine.head.mesh import (
    Indices,
    Points,
    catmull_clark,
    normals_operator,
    triangle_normals,
    triangulate,
    unique_corners,
    unit,
)
from facenn.errors import FormatError, MissingFileError

ASSET = Path(__file__).parents[1] / "assets" / "head.npz"
SKULL = np.array([0, 7.45, 0.38])  # centre from which the hairline is seen
EYEBALLS = ("helper-l-eye", "helper-r-eye")
LASHES = ("helper-l-eyelashes-2", "helper-r-eyelashes-2", "helper-l-eyelashes-1", "helper-r-eyelashes-1")
MOUTH = ("helper-upper-teeth", "helper-lower-teeth", "helper-tongue")


@dataclass(frozen=True)
class Part:
    """A smooth piece of the head's surface.

    Attributes:
        positions_of: (P, V) matrix from the head's vertices to this part's positions.
        position_triangles: (T, 3) triangles over positions.
        position: (R,) position of each render vertex.
        uv: (R, 2) texture coordinate of each render vertex.
        triangles: (T, 3) the same triangles over render vertices.
    """

    positions_of: sp.csr_matrix
    position_triangles: Indices
    position: Indices
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]

    @cached_property
    def normals_of(self) -> sp.csr_matrix:
        """(P, T) matrix that sums triangle normals into position normals."""
        return normals_operator(self.positions_of.shape[0], self.position_triangles)

    def normals(self, positions: Points) -> Points:
        """(P, 3) unit normals."""
        return unit(self.normals_of @ triangle_normals(positions, self.position_triangles))


class Head:
    """The cropped head: neutral vertices, slider displacements, faces and groups.

    Args:
        asset: file written by ``facenn.making.build``.

    Raises:
        MissingFileError: no such file.
        FormatError: not a head asset.
    """

    def __init__(self, asset: Path = ASSET) -> None:
        if not asset.is_file():
            raise MissingFileError(f"expected the head asset at {asset}, found no file; "
                                   "`facenn build-head` makes it")
        try:
            with asset.open("rb") as file, np.load(file) as stored:
                arrays = {name: stored[name] for name in stored.files}
            self.names: tuple[str, ...] = tuple(str(n) for n in arrays["names"])
            self.base = arrays["base"].astype(np.float32)
            self._negative = arrays["negative"].astype(np.float32) * arrays["negative_scale"][:, None]
            self._positive = arrays["positive"].astype(np.float32) * arrays["positive_scale"][:, None]
            self.quads, self.uv_quads = arrays["quads"], arrays["uv_quads"]
            self.uv = arrays["uv"].astype(float)
            self.groups = arrays["group_names"][arrays["group"]]
            self.seen, self.occlusion = arrays["seen"], arrays["occlusion"].astype(np.float32) / 255
            self.masks = {name: arrays[f"mask_{name}"] for name in ("lips", "ears", "mouth")}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise FormatError(f"{asset}: expected a head asset, got {error}") from None

    def shape(self, weights: NDArray[np.float32]) -> Points:
        """(V, 3) vertices for slider weights.

        Args:
            weights: (len(names),) in -1..1; a one-sided slider ignores what is below 0.
        """
        moved = np.maximum(weights, 0) @ self._positive + np.maximum(-weights, 0) @ self._negative
        shaped: Points = self.base + moved.reshape(-1, 3)
        return shaped

    def displacements(self, sign: int) -> NDArray[np.float32]:
        """(len(names), 3 V) motion of the vertices at weight 1, or at weight -1; 0 there for a one-sided slider."""
        moved: NDArray[np.float32] = self._positive if sign > 0 else self._negative
        return moved

    def lip_side(self) -> NDArray[np.float64]:
        """(V,) above 0 where the upper-lip sliders move a vertex more than the lower-lip ones."""
        def motion(lip: str) -> NDArray[np.float64]:
            rows = [self.names.index(f"mouth.{lip}_{what}") for what in ("height", "volume", "middle", "ext")]
            both = [np.linalg.norm(d[rows].reshape(len(rows), -1, 3), axis=2)
                    for d in (self._positive, self._negative)]
            total: NDArray[np.float64] = (both[0] + both[1]).sum(0)
            return total

        return motion("upperlip") - motion("lowerlip")

    def vertices_of(self, group: str) -> Indices:
        """Vertices of all quads of a group."""
        return np.unique(self.quads[self.groups == group])

    def part(self, group: str) -> Part:
        """All quads of a group, subdivided once; ``body`` is the skin."""
        chosen = self.groups == group
        used, quads = np.unique(self.quads[chosen], return_inverse=True)
        used_uv, uv_quads = np.unique(self.uv_quads[chosen], return_inverse=True)
        pick = sp.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)),
                             shape=(len(used), len(self.base)))
        surface = catmull_clark(len(used), quads.reshape(-1, 4))
        texture = catmull_clark(len(used_uv), uv_quads.reshape(-1, 4))
        position_triangles = triangulate(surface.quads)
        position, uv_index, triangles = unique_corners(position_triangles, triangulate(texture.quads))
        uv = (texture.linear @ self.uv[used_uv])[uv_index]
        return Part(surface.smooth @ pick, position_triangles, position, uv.astype(np.float32),
                    triangles.astype(np.int32))


def azimuth_elevation(directions: Points) -> tuple[Points, Points]:
    """Unsigned azimuth (0 = front) and elevation of directions, in degrees."""
    length = np.linalg.norm(directions, axis=-1) + 1e-6
    azimuth = np.degrees(np.arctan2(np.abs(directions[..., 0]), directions[..., 2]))
    elevation = np.degrees(np.arcsin(directions[..., 1] / length))
    return azimuth, elevation


def hairline(azimuth: Points) -> Points:
    """Elevation of the hairline in degrees, seen from SKULL, at an azimuth in degrees."""
    return np.interp(azimuth, [0, 18, 34, 45, 54, 62, 70, 80, 95, 115, 140, 180],
                     [37, 37, 35, 30, 22, 9, -3, 2, 6, -8, -28, -32])


def recession(azimuth: Points) -> Points:
    """Degrees by which the hairline lies higher where the temples recede, at an azimuth in degrees."""
    return np.interp(azimuth, [0, 7, 20, 34, 46, 57, 66], [3, 5, 17, 24, 22, 9, 0])


def below_collar(positions: Points) -> Points:
    """Above 0 where a position lies below the collar of the shirt."""
    result: Points = 6.06 - 0.30 * (positions[:, 2] - 0.1) - positions[:, 1]
    return result


def eyeball(rings: int = 16) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices and triangles of a unit sphere's front three quarters, facing +z."""
    polar, around = np.meshgrid(np.linspace(0, np.pi * 0.75, rings), np.linspace(0, 2 * np.pi, 2 * rings + 1),
                                indexing="ij")
    vertices = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    width = 2 * rings + 1
    first = (np.arange(rings - 1)[:, None] * width + np.arange(2 * rings)).ravel()
    triangles = np.stack([np.stack([first, first + width, first + 1], 1),
                          np.stack([first + 1, first + width, first + width + 1], 1)], 1)
    return vertices.reshape(-1, 3).astype(np.float32), triangles.reshape(-1, 3).astype(np.int32)


def fit_sphere(points: Points) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the least-squares sphere through (N, 3) points."""
    points = points.astype(np.float64)
    system = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


