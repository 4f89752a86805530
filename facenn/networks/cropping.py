"""Similarities of points, and the squares and colours that they take out of pictures, differentiably.

Points are (x, y) in pixels; (0, 0) is the picture's top left corner, so its first pixel has its centre at
(0.5, 0.5).
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.arrays import Floats

MOST_SAMPLES = 8  # per crop pixel and axis; more would be exact for shrinks beyond that, and slow


def similarity(source: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The rotation, scale and shift that brings ``source`` closest to ``target`` in least squares.

    Args:
        source: (B, N, 2) points; B may be 1.
        target: (B, N, 2) points; B may be 1.
        weights: (B, N) how much each pair counts; None means equally.

    Returns:
        (B, 2, 3) maps M with target ~ M @ (x, y, 1) of source.

    Example:
        >>> square = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
        >>> similarity(square, 2 * square.roll(-1, 1) + torch.tensor([3.0, 4.0]))  # a quarter turn, twice as large
        tensor([[[ 0., -2.,  3.],
                 [ 2.,  0.,  4.]]])
    """
    count = max(len(source), len(target))
    source, target = source.expand(count, -1, -1), target.expand(count, -1, -1)
    weight = torch.ones_like(source[..., 0]) if weights is None else weights.expand(source.shape[:-1])
    weight = (weight / weight.sum(-1, keepdim=True))[..., None]
    centre, goal = (weight * source).sum(1), (weight * target).sum(1)
    a, b = source - centre[:, None], target - goal[:, None]
    spread = (weight * a * a).sum((1, 2))
    cosine = (weight * a * b).sum((1, 2)) / spread
    sine = (weight[..., 0] * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])).sum(1) / spread
    return _about(cosine, sine, centre, goal)


def turned_square(centre: Tensor, along: Tensor, side: Tensor, *, size: int) -> Tensor:
    """The map from the pixels of a crop to a picture for a square that may be turned.

    Args:
        centre: (B, 2) of the square in the picture.
        along: (B, 2) which way the crop's rows run in the picture; its length does not matter.
        side: (B,) of the square in picture pixels.
        size: side of the crop in pixels.

    Returns:
        (B, 2, 3) maps from crop pixels to picture pixels.
    """
    row = F.normalize(along, dim=-1) * (side / size)[:, None]
    return _about(row[:, 0], row[:, 1], torch.full_like(centre, size / 2), centre)


def _about(cosine: Tensor, sine: Tensor, centre: Tensor, goal: Tensor) -> Tensor:
    turn = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    return torch.cat([turn, (goal - (turn @ centre[..., None])[..., 0])[..., None]], -1)


def mirrored(maps: Tensor, *, size: int) -> Tensor:
    """The same squares seen in a mirror: left and right of the crop change places.

    Args:
        maps: (B, 2, 3) from crop pixels to picture pixels.
        size: side of the crop in pixels.
    """
    return torch.stack([-maps[..., 0], maps[..., 1], maps[..., 2] + size * maps[..., 0]], -1)


def inverse(maps: Tensor) -> Tensor:
    """(B, 2, 3) the inverses of (B, 2, 3) maps."""
    back = torch.linalg.inv(maps[..., :2])
    return torch.cat([back, -back @ maps[..., 2:]], -1)


def transform_points(points: Tensor, maps: Tensor) -> Tensor:
    """Points after maps: M @ (x, y, 1); a third coordinate, depth, grows with the map's scale.

    Args:
        points: (B, N, 2) or (B, N, 3).
        maps: (B, 2, 3) maps M.

    Returns:
        The same shape as ``points``.

    Example:
        >>> quarter_turn = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
        >>> transform_points(torch.tensor([[[2.0, 1.0], [0.0, 3.0]]]), quarter_turn)
        tensor([[[-1.,  2.],
                 [-3.,  0.]]])
    """
    flat = points[..., :2] @ maps[..., :2].mT + maps[:, None, :, 2]
    return torch.cat([flat, points[..., 2:] * scale(maps)[:, None, None]], -1)


def procrustes(points: Floats, onto: Floats) -> Floats:
    """Points after the similarity that brings them closest to other points in least squares.

    Args:
        points: (B, N, 2); each of the B sets gets a similarity of its own.
        onto: (N, 2).

    Returns:
        (B, N, 2).

    Example:
        >>> square = np.array([[-1, 0], [0, -1], [1, 0], [0, 1]], np.float32)
        >>> procrustes(4 * square[None] + 5, square)
        array([[[-1.,  0.],
                [ 0., -1.],
                [ 1.,  0.],
                [ 0.,  1.]]], dtype=float32)
    """
    centre, goal = points.mean(1, keepdims=True), onto.mean(0)
    a, b = points - centre, onto - goal
    a, b = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    turn = (a.conj() * b).sum(1) / (np.abs(a) ** 2).sum(1)  # a complex number turns and scales
    there = turn[:, None] * a
    aligned: Floats = np.stack([there.real, there.imag], -1).astype(np.float32) + goal
    return aligned


def scale(maps: Tensor) -> Tensor:
    """(B,) how many picture pixels one crop pixel spans, of (B, 2, 3) maps."""
    return (maps[..., 0, 0] * maps[..., 1, 1] - maps[..., 0, 1] * maps[..., 1, 0]).abs().sqrt()


def crop(pictures: Tensor, maps: Tensor, size: int) -> Tensor:
    """Squares cut out of pictures: what lies outside of a picture repeats its edge.

    Each crop pixel is the mean of as many bilinear samples as it spans picture pixels, so a large shrink does
    not flicker, and a crop does not depend on the others of its batch.

    Args:
        pictures: (B, 3, H, W); B may be 1 for several squares of one picture.
        maps: (B, 2, 3) from crop pixels to picture pixels.
        size: side of the crops in pixels.

    Returns:
        (B, 3, size, size), differentiable in ``pictures`` and in ``maps``.

    Example:
        >>> picture = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> crop(picture, torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]]), 2)  # the square whose corner is (1, 2)
        tensor([[[[ 9., 10.],
                  [13., 14.]]]])
    """
    pictures = pictures.expand(len(maps), -1, -1, -1)
    maps = maps.to(pictures)
    samples = [min(MOST_SAMPLES, max(1, math.ceil(s - 1e-3))) for s in scale(maps.detach()).tolist()]
    if len(set(samples)) == 1:
        return _supersampled(pictures, maps, size, samples[0])
    crops = pictures.new_empty(len(maps), pictures.shape[1], size, size)
    for count in sorted(set(samples)):
        chosen = [i for i, n in enumerate(samples) if n == count]
        crops[chosen] = _supersampled(pictures[chosen], maps[chosen], size, count)
    return crops


def grid(maps: Tensor, size: int, *, samples: int = 1) -> Tensor:
    """(B, size * samples, size * samples, 2) where in the picture each sample of a crop lies."""
    steps = (torch.arange(size * samples, dtype=maps.dtype, device=maps.device) + 0.5) / samples
    ys, xs = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([xs, ys], -1).reshape(1, -1, 2).expand(len(maps), -1, -1)
    return transform_points(points, maps).view(len(maps), size * samples, size * samples, 2)


def _supersampled(pictures: Tensor, maps: Tensor, size: int, samples: int) -> Tensor:
    extent = maps.new_tensor([pictures.shape[3], pictures.shape[2]])
    where = grid(maps, size, samples=samples) / extent * 2 - 1
    fine = F.grid_sample(pictures, where, align_corners=False, padding_mode="border")
    return F.avg_pool2d(fine, samples) if samples > 1 else fine


def sample_at(pictures: Tensor, places: Tensor) -> Tensor:
    """Bilinear samples of pictures; what lies outside of a picture repeats its edge.

    Args:
        pictures: (B, C, S, S).
        places: (B, N, 2) x and y as parts of the picture's side, 0 to 1.

    Returns:
        (B, N, C), differentiable in both.
    """
    at = places[:, :, None] * 2 - 1
    return F.grid_sample(pictures, at, align_corners=False, padding_mode="border")[..., 0].mT


def points_in_polygon(points: Tensor, polygons: Tensor) -> Tensor:
    """Which points lie inside of polygons: a ray to the right crosses the outline an odd number of times.

    Args:
        points: (M, 2).
        polygons: (B, N, 2) corners in order; a polygon may cross itself.

    Returns:
        (B, M) bool.
    """
    x, y = points[None, :, None].unbind(-1)
    (from_x, from_y), (to_x, to_y) = (corners[:, None].unbind(-1) for corners in (polygons, polygons.roll(-1, 1)))
    straddles = (from_y > y) != (to_y > y)
    cross = from_x + (to_x - from_x) * (y - from_y) / (to_y - from_y)  # not a number for an edge that is level
    return (straddles & (x < cross)).sum(-1) % 2 == 1
