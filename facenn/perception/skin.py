"""Spots on the skin of a face that move with its landmarks: the same spot is the same place of every face."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay

from facenn.arrays import Floats
from facenn.networks.cropping import points_in_polygon
from facenn.networks.facemesh import FACE_OVAL, MESH

GRID = 64  # spots of the skin per side of a picture: half a brow's height apart
BLUR = 3.0  # spots; what is coarser is light and tone, what is finer are brows, lids, lips and folds
PATCH = 3  # spots per side of a patch of skin whose colour counts as one: about the height of a lip
BLACK = 0.04  # added before the logarithm, or noise in black pupils would outweigh everything
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class SkinSpots:
    """Spots on the skin of a face, tied to its landmarks: the same spot is the same place of every face.

    Args:
        reference: (478, 2) landmarks of one face that looks straight ahead, as parts of the picture's side.
    """

    def __init__(self, reference: Floats) -> None:
        mesh = reference[:MESH]
        at = ((np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID)), -1) + 0.5) / GRID).astype(np.float32)
        oval = torch.from_numpy(mesh[None, list(FACE_OVAL)])
        face = points_in_polygon(torch.from_numpy(at.reshape(-1, 2)), oval)[0].numpy()
        triangles = Delaunay(mesh.astype(np.float64))
        found = triangles.find_simplex(at.reshape(-1, 2))
        self._cells = np.flatnonzero(face & (found >= 0))
        spots, found = at.reshape(-1, 2)[self._cells], found[self._cells]
        self._corners = triangles.simplices[found]
        affine = triangles.transform[found]
        first = np.einsum("tij,tj->ti", affine[:, :2], spots - affine[:, 2])
        self._shares = np.c_[first, 1 - first.sum(1)].astype(np.float32)
        rows, columns = self._cells // GRID // PATCH, self._cells % GRID // PATCH
        names, where, sizes = np.unique(rows * GRID + columns, return_inverse=True, return_counts=True)
        self._mean = np.zeros((len(names), len(self._cells)), np.float32)
        self._mean[where, np.arange(len(self._cells))] = 1 / sizes[where]
        self._mean = self._mean[sizes >= PATCH]  # a sliver at the border is no patch
        smoothed = self._smoothed(np.eye(len(self), dtype=np.float32))
        self._around = np.ascontiguousarray((smoothed / smoothed.sum(0)).T)

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def patches(self) -> int:
        """How many patches of skin there are."""
        return len(self._mean)

    def places(self, points: Floats) -> Floats:
        """(B, 478, 2) landmarks -> (B, T, 2) where the spots are."""
        places: Floats = np.einsum("btcj,tc->btj", points[:, self._corners], self._shares)
        return places

    def tones(self, skin: Floats) -> Floats:
        """(B, T, 3) -> (B, patches, 3) mean colours of the patches."""
        tones: Floats = np.einsum("pt,btc->bpc", self._mean, skin, optimize=True)
        return tones

    def relief(self, skin: Floats) -> Floats:
        """(B, T, 3) -> (B, T) how much lighter each spot is than the skin around it, in powers of e."""
        light = np.log(skin @ LUMINANCE + BLACK)
        relief: Floats = light - light @ self._around.T
        return relief

    def pull_back(self, skin: Floats, tones: Floats, relief: Floats) -> Floats:
        """The derivative of a function of tones and relief by the colours of one face's spots.

        Args:
            skin: (T, 3) colours.
            tones: (patches, 3) derivative by the tones.
            relief: (T,) derivative by the relief.

        Returns:
            (T, 3).
        """
        of_light = (relief - relief @ self._around) / (skin @ LUMINANCE + BLACK)
        back: Floats = self._mean.T @ tones + of_light[:, None] * LUMINANCE
        return back

    def _smoothed(self, values: Floats) -> Floats:
        canvas = np.zeros((len(values), GRID * GRID), np.float32)
        canvas[:, self._cells] = values
        blurred = gaussian_filter(canvas.reshape(-1, GRID, GRID), (0, BLUR, BLUR), mode="constant")
        smoothed: Floats = blurred.reshape(len(values), -1)[:, self._cells]
        return smoothed
