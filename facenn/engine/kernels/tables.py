"""The tables of arrays that kernels take: what was hit, of which mesh, with which textures, look and lights."""

from typing import NamedTuple

import numpy as np

from facenn.arrays import Bytes, Floats, Ints

f4 = np.float32


class Hits(NamedTuple):
    """What each sample of a picture sees; 2 x 2 samples are a pixel.

    Attributes:
        triangle: (2 S, 2 S) of the mesh, -1 for the background.
        first: (2 S, 2 S) barycentric weight of its first corner.
        second: (2 S, 2 S) of its second corner.
    """

    triangle: Ints
    first: Floats
    second: Floats


class Mesh(NamedTuple):
    """Everything that may be seen, as triangles.

    Attributes:
        triangles: (T, 3) indices of vertices.
        material: (T,) ``Material`` of each triangle.
        attributes: (N, ``Attribute``) of each vertex.
    """

    triangles: Ints
    material: Ints
    attributes: Floats


class Textures(NamedTuple):
    """What is painted on the mesh, all as bytes.

    Attributes:
        skin: (R, R, ``Texture``) skin texture.
        canvas: (H, W, ``Canvas``) face canvas.
        brows: (H, W, ``Brow``) map of both brows.
        strands: (H, W, 2) brightness and cover of hair cards.
        lashes: (H, W, 2) of lash cards.
    """

    skin: Bytes
    canvas: Bytes
    brows: Bytes
    strands: Bytes
    lashes: Bytes


class Palette(NamedTuple):
    """A look in numbers.

    Attributes:
        colours: (``Colour``, 3) linear RGB.
        strengths: (``Strength``,).
    """

    colours: Floats
    strengths: Floats


class Lights(NamedTuple):
    """The lamps of one picture.

    Attributes:
        directions: (4, 3) towards the key, the fill and two rim lights.
        colours: (4, 3) linear RGB.
        ambient: (3,) linear RGB of the light from all around.
    """

    directions: Floats
    colours: Floats
    ambient: Floats


class Output(NamedTuple):
    """What a picture is drawn into.

    Attributes:
        background: (S, S, 3) sRGB behind the head, only read.
        picture: (S, S, 3) sRGB.
        labels: (S, S) ``Label``.
    """

    background: Bytes
    picture: Bytes
    labels: Bytes
