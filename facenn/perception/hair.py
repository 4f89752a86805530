"""Where hair is in a picture and which colour it has: by exact labels in a drawn one, by colours in a photo."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_erosion, binary_fill_holes, binary_opening

from facenn.arrays import Array, Floats, Mask
from facenn.networks.facemesh import FACE_OVAL

BLACK = 0.04  # added before logarithms, or noise in black hair would outweigh everything
ROUNDS = 3  # of telling wall, skin and hair apart, each with the colours that the last one found
FLOOR = (0.15, 0.04, 0.04)  # deviation of light and of two tints, in powers of e, that any surface has at least
STRANGE = 9.0  # squared deviations from wall and from skin, beyond which something may be hair
FEWEST = 40  # pixels that make hair; fewer are an edge, a shadow or an earring
DULL = (0.1, 0.5)  # share of the pixels, from the darkest: neither gaps in the hair nor highlights
WALL, HAIR = 0, 2  # kinds of surfaces; between them is skin
MIRRORED = 8  # half the width of a lamp's mirror image at the edge of a head, in pixels
INSIDE = np.ones((3, 3), bool)  # a pixel is inside of hair when its neighbours are hair, too


def surroundings(points: Floats, side: int) -> Mask:
    """(side, side) where hair may be: on the forehead above the brows and around the face, above the chin.

    Args:
        points: (478, 2) landmarks, as parts of the picture's side.
        side: pixels, or cells, per side.
    """
    x, y = _centres(side)
    low, size, centre = _box(points)
    near = (np.abs(x - centre[0]) < 0.85 * size[0]) & (y > low[1] - 0.45 * size[1]) & (y < low[1] + size[1])
    # an oval a little larger than the face, whose lower half is left out: jaw, neck and collar are no hair
    face = np.hypot((x - centre[0]) / (0.52 * size[0]), (y - centre[1]) / (0.5 * size[1])) < 1
    forehead = y < low[1] + 0.14 * size[1]
    neck = (np.abs(x - centre[0]) < 0.4 * size[0]) & (y > centre[1])
    where: Mask = near & (~face | forehead) & ~neck
    return where


def hair_in_photo(picture: Floats, points: Floats) -> Mask:
    """(S, S) which pixels of a photo are hair: those around the face whose colour is neither skin's nor the wall's.

    Three normal distributions of colour, of the wall beside the head, the skin of the cheeks, and whatever of the
    surroundings is like neither, are improved in turns with which pixel belongs to which.

    Args:
        picture: (S, S, 3) sRGB in [0, 1].
        points: (478, 2) landmarks, as parts of the picture's side.
    """
    return surfaces_in_photo(picture, points)[0]


def surfaces_in_photo(picture: Floats, points: Floats) -> tuple[Mask, Mask]:
    """(S, S) which pixels around the face are hair, see ``hair_in_photo``, and which are wall; others are skin.

    Args:
        picture: (S, S, 3) sRGB in [0, 1].
        points: (478, 2) landmarks, as parts of the picture's side.
    """
    kinds = _kinds(picture, points)
    hair: Mask = binary_opening(kinds == HAIR, np.ones((2, 2), bool))
    # a lamp that is mirrored on a bald head may have the wall's colour
    head = binary_fill_holes(binary_closing((kinds > WALL) | _face(points, len(picture)), iterations=MIRRORED))
    return hair, (kinds == WALL) & ~head


def _kinds(picture: Floats, points: Floats) -> NDArray[np.intp]:
    """(S, S) what each pixel of the surroundings is, -1 elsewhere."""
    region, tints = surroundings(points, len(picture)), _tints(picture)
    around, kinds = tints[region], np.full(region.shape, -1)
    known = [_Surface(tints[_beside(points, len(picture))]), _Surface(tints[_face(points, len(picture))])]
    hair = np.all([surface.strangeness(around) > STRANGE for surface in known], 0)
    for _ in range(ROUNDS):
        if hair.sum() < FEWEST:
            kinds[region] = np.argmin([surface.cost(around) for surface in known], 0)
            return kinds
        kinds[region] = np.argmin([surface.cost(around) for surface in (*known, _Surface(around[hair]))], 0)
        hair = kinds[region] == HAIR
    return kinds


def hair_colour(picture: Floats, mask: Mask) -> Floats:
    """(3,) the colour of hair's inside, without its highlights, which have the colour of lamps; black for no hair."""
    inner = binary_erosion(mask, INSIDE)
    chosen = inner if inner.sum() >= FEWEST else mask
    if chosen.sum() < FEWEST:
        return np.zeros(3, np.float32)
    colours = picture[chosen]
    order = np.argsort(colours.sum(1), kind="stable")
    low, high = (int(share * len(order)) for share in DULL)
    colour: Floats = colours[order[low:high]].mean(0).astype(np.float32)
    return colour


def _tints(picture: Floats) -> Array:
    """(S, S, 3) light, and red and blue against green, in powers of e: a shadow changes the first one alone."""
    logs = np.log(picture.astype(np.float64) + BLACK)
    green = logs[..., 1]
    return np.stack([green, logs[..., 0] - green, logs[..., 2] - green], -1)


class _Surface:
    """A normal distribution of the tints, (N, 3), that something was seen to have, without the strangest of them."""

    def __init__(self, tints: Array) -> None:
        self._of(tints)
        for _ in range(ROUNDS):
            self._of(tints[self.strangeness(tints) < STRANGE])

    def _of(self, tints: Array) -> None:
        self._mean = np.median(tints, 0)
        spread = tints - self._mean
        self._covariance = spread.T @ spread / max(len(tints), 1) + np.diag(np.square(FLOOR))
        self._size = float(np.linalg.slogdet(self._covariance)[1])

    def strangeness(self, colours: Array) -> Array:
        """(M,) squared distances, in deviations."""
        apart = colours - self._mean
        strange: Array = (apart @ np.linalg.inv(self._covariance) * apart).sum(1)
        return strange

    def cost(self, colours: Array) -> Array:
        """(M,) minus twice the logarithm of how probable colours are, but for a constant."""
        return self.strangeness(colours) + self._size


def _beside(points: Floats, side: int) -> Mask:
    """(side, side) what is far from the face to its left and right, or the upper border if nothing is."""
    x, y = _centres(side)
    _, size, centre = _box(points)
    away: Mask = (np.abs(x - centre[0]) > 0.95 * size[0]) & (y < centre[1])
    if away.any():
        return away
    border: Mask = y < 2 / side
    return border


def _face(points: Floats, side: int) -> Mask:
    """(side, side) the middle of the face, most of which is skin."""
    x, y = _centres(side)
    _, size, centre = _box(points)
    face: Mask = np.hypot((x - centre[0]) / (0.4 * size[0]), (y - centre[1]) / (0.4 * size[1])) < 1
    return face


def _box(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Lowest corner, size and centre of the face's oval."""
    low, high = points[list(FACE_OVAL)].min(0), points[list(FACE_OVAL)].max(0)
    return low, high - low, (low + high) / 2


def _centres(side: int) -> tuple[Floats, Floats]:
    at = ((np.arange(side) + 0.5) / side).astype(np.float32)
    x, y = np.meshgrid(at, at)
    return x, y
