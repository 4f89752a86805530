"""How vertices and their light change with the sliders of shape: one backward pass by hand and by autograd.

The head's vertices are linear in the sliders, all positions are linear in the vertices, and what the camera sees of
them is a projection. Light depends on normals and hollows, through the same figures as
``facenn.engine.kernels.raster.light_vertices``; which part of the key light arrives is taken as it is.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from facenn.arrays import Array, Floats
from facenn.engine.camera import TurnedBack
from facenn.engine.head.mesh import weighted_sums
from facenn.engine.kernels import raster as R
from facenn.engine.kernels.tables import Lights
from facenn.engine.layout import Attribute, Material
from facenn.engine.renderer import HOLLOW_SHADE, Engine, Piece, Stage

FIRST = int(Attribute.NX)  # of the columns of light
LEAST_OPEN, MOST_OPEN = 0.35, 1.15  # bounds of what a hollow leaves


@dataclass(frozen=True)
class Operator:
    """A sparse matrix and its transpose, for (N, 3) arrays."""

    matrix: sp.csr_matrix
    transposed: sp.csr_matrix

    @classmethod
    def of(cls, matrix: sp.csr_matrix) -> "Operator":
        """The operator of a matrix."""
        return cls(matrix, matrix.T.tocsr())

    def __call__(self, points: Tensor) -> Tensor:
        """(M, N) times (N, 3), differentiable."""
        product: Tensor = _Product.apply(points, self)
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, operator: Operator) -> Tensor:
        ctx.operator = operator
        return torch.from_numpy(weighted_sums(operator.matrix, points.detach().contiguous().numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return torch.from_numpy(weighted_sums(ctx.operator.transposed, gradient.contiguous().numpy())), None


class Geometry:
    """The vertices of an engine's heads, backwards.

    Args:
        engine: whose heads.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._surface, self._normals = Operator.of(engine.skin_positions), Operator.of(engine.skin_normals)
        self._around = Operator.of(engine.around)
        self._triangles = torch.from_numpy(engine.skin.position_triangles.astype(np.int64))
        self._positions: dict[str, sp.csr_matrix] = {}  # by style of hair, transposed

    @cached_property
    def _sides(self) -> tuple[Floats, Floats]:
        """(D, 3 V) motion of the head's vertices per unit of each slider of shape, below and above its neutral."""
        head, columns = self._engine.head, self._engine.shape_columns
        per_weight = np.where(self._engine.two_sided, 2, 1).astype(np.float32)[:, None]
        return -per_weight * head.displacements(-1)[columns], per_weight * head.displacements(1)[columns]

    def _shares(self, stage: Stage) -> tuple[Floats, Floats]:
        """(D,) how much each side of the sliders counts: both of them alike where a slider is neutral."""
        weights = stage.weights[self._engine.shape_columns]
        high = np.where(self._engine.two_sided, 0.5 * (1 + np.sign(weights)), 1).astype(np.float32)
        return 1 - high, high

    def along(self, stage: Stage, gradient: Floats) -> Array:
        """(D,) derivative by the sliders of shape of what has a gradient (V, 3) by the head's vertices."""
        flat = gradient.ravel()
        total: Array = np.sum([share * (side @ flat) for share, side in
                               zip(self._shares(stage), self._sides, strict=True)], 0)
        return total

    def motions(self, stage: Stage, rows: sp.csr_matrix) -> Floats:
        """(D, M, 3) motion per unit of each slider of shape of points that are means of vertices, rows (M, V)."""
        used = np.unique(rows.indices)
        sides = [side.reshape(len(side), -1, 3)[:, used] for side in self._sides]
        low, high = self._shares(stage)
        of_used = low[:, None, None] * sides[0] + high[:, None, None] * sides[1]
        moved = rows[:, used] @ np.moveaxis(of_used, 1, 0).reshape(len(used), -1)
        total: Floats = np.moveaxis(moved.reshape(rows.shape[0], -1, 3), 0, 1)
        return total

    def pull_back(self, stage: Stage, screen: Floats, light: Floats) -> Floats:
        """(V, 3) gradient of the head's vertices from that of what is seen of the render vertices.

        Args:
            stage: of the picture.
            screen: (N, 2) gradient of their places on the screen.
            light: (N, 8) gradient of the columns NX to LIT of their attributes.
        """
        back = stage.turn
        positions = back(unprojected(stage.positions, stage.view.view, screen, 2 * self._engine.side))
        scene, style = stage.scene, stage.look.hair_style
        if style not in self._positions:
            self._positions[style] = scene.positions_of.T.tocsr()
        linear = scene.positions_of.shape[0]
        vertices = weighted_sums(self._positions[style], np.ascontiguousarray(positions[:linear]))
        for eye, start, end in zip(self._engine.eye_vertices, scene.starts[-3:-1], scene.starts[-2:], strict=True):
            vertices[eye] += self._eye(stage, eye, positions[start:end])
        return vertices + self._lit(stage, light, back)

    def _eye(self, stage: Stage, eye: Any, gradient: Floats) -> Floats:
        """(M, 3) gradient of the vertices to which a ball is fitted: p = c + r n, so n.dp = n.dc + dr."""
        points = stage.vertices[eye].astype(np.float64)
        normals = points - points.mean(0)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        solve = np.linalg.pinv(np.c_[normals, np.ones(len(normals))])  # (4, M)
        of_ball = np.r_[gradient.sum(0), (gradient * self._engine.eyeball).sum()]
        back: Floats = ((of_ball @ solve)[:, None] * normals).astype(np.float32)
        return back

    def _lit(self, stage: Stage, gradient: Floats, back: TurnedBack) -> Floats:
        """(V, 3) gradient of the head's vertices through normals, hollows and light of the skin."""
        surface = torch.from_numpy(weighted_sums(self._surface.matrix, stage.vertices)).requires_grad_()
        a, b, c = (surface[corner] for corner in self._triangles.unbind(1))
        normals = self._normals(torch.linalg.cross(b - a, c - a))
        normals = normals / (normals.square().sum(1, keepdim=True).sqrt() + 1e-12)
        hollow = ((self._around(surface) - surface) * normals).sum(1)
        outputs, gradients = [], []
        for piece, start in zip(stage.scene.pieces, stage.scene.starts, strict=False):
            if piece.skin_position is None:
                continue
            rows = slice(start, start + len(piece.uv))
            at = torch.from_numpy(piece.skin_position.astype(np.int64))
            is_open = torch.from_numpy(piece.occlusion)
            if piece.material == Material.SKIN:
                is_open = is_open * (1 - float(HOLLOW_SHADE) * hollow[at]).clamp(LEAST_OPEN, MOST_OPEN)
            lit = torch.from_numpy(stage.mesh.attributes[rows, Attribute.LIT])
            outputs.append(vertex_light(turn(normals[at], back, rows), is_open, lit, piece, stage.lamps))
            gradients.append(torch.from_numpy(gradient[rows, :7]))
        (slope,) = torch.autograd.grad(outputs, surface, gradients)
        return weighted_sums(self._surface.transposed, slope.numpy())


def turn(normals: Tensor, back: TurnedBack, rows: slice) -> Tensor:
    """(n, 3) normals of some vertices after the head's turn."""
    if back.axis is None:
        return normals
    axis, angles = torch.from_numpy(back.axis).float(), torch.from_numpy(back.angles[rows]).float()
    along = axis * (normals @ axis)[:, None]
    across = torch.linalg.cross(axis.expand_as(normals), normals)
    there: Tensor = along + (normals - along) * angles.cos() + across * angles.sin()
    return there


def vertex_light(normals: Tensor, is_open: Tensor, lit: Tensor, piece: Piece, lamps: Lights) -> Tensor:
    """(n, 7) columns NX to OPEN of the attributes of skin or cloth; see ``raster.light_vertices``."""
    skin = piece.material == Material.SKIN
    if skin:
        is_open = torch.where(is_open < 1, is_open / (1 - float(R.BOUNCE) * (1 - is_open)), is_open)
    up = normals[:, 1:2] * 0.5 + 0.5
    directions, colours, ambient = (torch.from_numpy(a) for a in lamps)
    ground, sky, shadowed = (torch.tensor(np.array(c)) for c in (R.GROUND, R.SKY, R.SHADOWED))
    light = ambient * (ground + sky * up) * is_open[:, None]
    wrap = torch.tensor(np.array(R.SKIN_WRAP if skin else [R.WRAP] * 3))
    facing = normals @ directions.T
    share = (float(R.CLOSED) + float(R.CLOSED_TO_OPEN) * is_open)[:, None]
    for lamp in range(4):
        arrives = share * (1 + (lit[:, None] - 1) * shadowed) if lamp == 0 else share
        light = light + float(R.DIFFUSE) * colours[lamp] * arrives * (
            (facing[:, lamp:lamp + 1] + wrap) / (1 + wrap)).clamp(0, 1) / (1 + wrap)
    return torch.cat([normals, light, is_open[:, None]], 1)


def unprojected(positions: Floats, matrix: Floats, gradient: Floats, side: int) -> Floats:
    """(N, 3) gradient of positions from that of their pixels (N, 2); the transpose of ``projected``."""
    X, Y, scale = _homogeneous(positions, matrix, side)
    rows = matrix[:, :3]
    back: Floats = ((gradient[:, :1] * (rows[0] - X * rows[3]) - gradient[:, 1:] * (rows[1] - Y * rows[3])) * scale
                    ).astype(np.float32)
    return back


def projected(positions: Floats, matrix: Floats, motion: Floats, side: int) -> Floats:
    """(..., N, 2) motion of pixels from that of positions (..., N, 3), to first order.

    Args:
        positions: (N, 3).
        matrix: (4, 4) world to clip space.
        motion: of the positions.
        side: of the square, in pixels.
    """
    X, Y, scale = _homogeneous(positions, matrix, side)
    rows = matrix[:, :3]
    moved: Floats = np.stack([(motion * (rows[0] - X * rows[3])).sum(-1), -(motion * (rows[1] - Y * rows[3])).sum(-1)],
                            -1) * scale
    return moved


def _homogeneous(positions: Floats, matrix: Floats, side: int) -> tuple[Floats, Floats, Floats]:
    clip = positions @ matrix[:, :3].T + matrix[:, 3]
    w = clip[:, 3:]
    return clip[:, :1] / w, clip[:, 1:2] / w, np.float32(0.5 * side) / w
