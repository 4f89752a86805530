"""What a fit on the engine compares of two pictures: who it is, where points are, how skin, irises and hair look.

The colour of irises is what a fit through an Imitator compares, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay
from torch import Tensor
from torch.nn import functional as F

from facenn.fitting.face import CELLS
from facenn.fitting.hair import hair_colour, hair_in_photo
from facenn.networks.cropping import points_in_polygon, sample_at
from facenn.networks.facemesh import FACE_OVAL, IRISES, MESH
from facenn.networks.landmarks import FaceFinder
from facenn.networks.recognition import Ensemble

Floats = NDArray[np.float32]

SIDE = 256  # pixels of the compared pictures: the recognition networks see 112 and 224, the landmark network 192
GRID = 64  # spots of the skin per side of a picture: half a brow's height apart
BLUR = 3.0  # spots; what is coarser is light and tone, what is finer are brows, lids, lips and folds
PATCH = 3  # spots per side of a patch of skin whose colour counts as one: about the height of a lip
DARK = 0.04  # added before the logarithm, or noise in black pupils would outweigh everything
# Where an iris is looked at, in its radii and in degrees below the horizontal: left and right of its middle, for lids
# cover it above and below, and lamps are mirrored in the middle.
IRIS_RADII, IRIS_TURNS = (0.45, 0.6, 0.75), (-20, -5, 10, 25, 40)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Sights:
    """What was seen in B pictures.

    Attributes:
        embedding: (B, E) of the recognition networks, of unit length.
        points: (B, 478, 2) landmarks as parts of the picture's side.
        skin: (B, T, 3) colours at the spots of a ``Layout``, which move with the landmarks.
        iris: (B, 3) colour of the irises.
        cover: (B, CELLS, CELLS) share of each cell of the picture that hair covers.
        hair: (B, 3) colour of the hair; black where there is none.
    """

    embedding: Floats
    points: Floats
    skin: Floats
    iris: Floats
    cover: Floats
    hair: Floats

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, rows: NDArray[np.integer] | slice | list[int]) -> "Sights":
        """Some of the B pictures, in the order of their numbers."""
        return Sights(*(getattr(self, f.name)[rows] for f in fields(self)))


def joined(parts: Sequence[Sights]) -> Sights:
    """All pictures of several sights, in their order."""
    return Sights(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Sights)))


class Layout:
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
        self._inverse_mass = 1 / self._smoothed(np.ones((1, len(self)), np.float32))

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
        light = np.log(skin @ LUMINANCE + DARK)
        relief: Floats = light - self._smoothed(light) * self._inverse_mass
        return relief

    def _smoothed(self, values: Floats) -> Floats:
        canvas = np.zeros((len(values), GRID * GRID), np.float32)
        canvas[:, self._cells] = values
        blurred = gaussian_filter(canvas.reshape(-1, GRID, GRID), (0, BLUR, BLUR), mode="constant")
        smoothed: Floats = blurred.reshape(len(values), -1)[:, self._cells]
        return smoothed


@dataclass(frozen=True)
class Eyes:
    """What looks at pictures.

    Attributes:
        finder: finds landmarks.
        views: tell people apart, each by crops of its own; never the one that judges fits.
        layout: which spots of the skin are looked at.
    """

    finder: FaceFinder
    views: Sequence[Ensemble]
    layout: Layout

    @torch.no_grad()
    def see(self, pictures: Tensor, near: Tensor, *, hair: Tensor | None = None, passes: int = 1, view: int = 0
            ) -> Sights:
        """Look at faces.

        Args:
            pictures: (B, 3, SIDE, SIDE) RGB in [0, 1].
            near: (B, 478, 2 or 3) landmarks, in pixels, around which to look for those of the pictures.
            hair: (B, SIDE, SIDE) True where hair is; None to find it by its colour.
            passes: how often to look for the landmarks, each time where the last ones say.
            view: number of the view that tells people apart.
        """
        for _ in range(passes):
            near, _ = self.finder.landmarks(pictures, self.finder.square(near))
        return self.see_at(pictures, near, hair=hair, view=view)

    @torch.no_grad()
    def see_at(self, pictures: Tensor, landmarks: Tensor, *, hair: Tensor | None = None, view: int = 0) -> Sights:
        """Look at faces whose landmarks, (B, 478, 2 or 3) in pixels, are known; see ``see``."""
        embedding = self.views[view].embed(pictures, landmarks)
        parts = landmarks[..., :2] / SIDE
        points = parts.numpy().astype(np.float32)
        smooth = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        skin = colours_at(smooth, self.layout.places(points))
        iris = iris_colour(pictures, parts).numpy()
        pixels = pictures.movedim(1, -1).numpy()
        masks = (np.stack([hair_in_photo(one, at) for one, at in zip(pixels, points, strict=True)]) if hair is None
                 else hair.numpy())
        cover = F.adaptive_avg_pool2d(torch.from_numpy(masks).float()[:, None], CELLS)[:, 0].numpy()
        colour = np.stack([hair_colour(one, mask) for one, mask in zip(pixels, masks, strict=True)])
        return Sights(embedding.numpy(), points, skin, iris, cover, colour)


def colours_at(pictures: Tensor, places: Floats) -> Floats:
    """(B, T, 3) colours of pictures (B, 3, S, S) at places (B, T, 2), as parts of their side."""
    found: Floats = sample_at(pictures, torch.from_numpy(places)).contiguous().numpy()
    return found


def iris_places(points: Tensor) -> Tensor:
    """(B, 478, 2) landmarks -> (B, T, 2) spots on the sides of both irises."""
    turns = np.deg2rad([*IRIS_TURNS, *(180 - t for t in IRIS_TURNS)])
    spots = points.new_tensor(np.concatenate([r * np.stack([np.cos(turns), np.sin(turns)], -1) for r in IRIS_RADII]))
    places = []
    for middle, *border in IRISES:
        centre = points[:, [middle]]
        radius = (points[:, border] - centre).norm(dim=-1).mean(1)
        places.append(centre + radius[:, None, None] * spots)
    return torch.cat(places, 1)


def iris_colour(pictures: Tensor, points: Tensor) -> Tensor:
    """(B, 3) of both irises without the darker and the lighter quarter: lashes, pupils, lamps, sclera.

    Args:
        pictures: (B, 3, S, S) RGB; the colours are differentiable in them.
        points: (B, 478, 2) landmarks as parts of the pictures' side.
    """
    seen = sample_at(pictures, iris_places(points))
    order = (seen.detach() @ seen.new_tensor(LUMINANCE)).argsort(1)
    quarter = order.shape[1] // 4
    return seen.gather(1, order[:, quarter:-quarter, None].expand(-1, -1, 3)).mean(1)
