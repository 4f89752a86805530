"""A renders folder: the pictures of many faces and the parameters that each was drawn from.

    schema.json          the ParameterSchema of the character
    faces.parquet        one row per face: ``name``, then one float32 column per parameter
    images/<name>.jpg    the picture of a face, or ``.png``
    labels/<name>.png    optional: its label map

The table is written last, so a folder that has one is whole.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Vector
from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.files import replacing
from facenn.images import SIDE, read_pixels
from facenn.schema import ParameterSchema

SCHEMA_FILE = "schema.json"
TABLE_FILE = "faces.parquet"
NAME_COLUMN = "name"


def image_file(folder: Path, name: str, *, suffix: str = ".jpg") -> Path:
    """Where the picture of a face stands in a renders folder."""
    return folder / "images" / f"{name}{suffix}"


def label_file(folder: Path, name: str) -> Path:
    """Where the label map of a face stands in a renders folder."""
    return folder / "labels" / f"{name}.png"


@dataclass(frozen=True, eq=False)
class RendersFolder:
    """The faces of one renders folder.

    What ``open`` refuses is a folder that cannot be read. Whether its values and pictures make sense is
    judged by ``facenn.expectations``, so a missing value is held as NaN here.

    Attributes:
        path: the folder.
        schema: what the parameters mean.
        names: file stem of each face.
        parameters: (N, size) float32, in the order of the schema.
    """

    path: Path
    schema: ParameterSchema
    names: tuple[str, ...]
    parameters: Vector

    @classmethod
    def open(cls, path: Path) -> "RendersFolder":
        """The schema and the table of a folder; no picture is read.

        Raises:
            MissingFileError: no schema or no table.
            SchemaError: a file that is no schema.
            FormatError: a table that is not Parquet, or whose columns do not fit the schema.
        """
        schema = ParameterSchema.load(path / SCHEMA_FILE)
        names, parameters = _read_table(path / TABLE_FILE, schema)
        return cls(path, schema, names, parameters)

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """What tells two folders apart: SHA-256 of the parameters, and of the first and last picture."""
        digest = hashlib.sha256((self.path / TABLE_FILE).read_bytes())
        for i in (0, len(self) - 1):
            digest.update(self.image_path(i).read_bytes())
        return digest.hexdigest()

    def image_path(self, i: int) -> Path:
        """The picture of face ``i``: its PNG if that is the one that exists, else its JPEG."""
        png = image_file(self.path, self.names[i], suffix=".png")
        jpeg = image_file(self.path, self.names[i])
        return png if png.is_file() and not jpeg.is_file() else jpeg

    def label_path(self, i: int) -> Path:
        """Where the label map of face ``i`` stands, if the folder has any."""
        return label_file(self.path, self.names[i])

    def read_pixels(self, i: int, *, side: int = SIDE) -> NDArray[np.uint8]:
        """(side, side, 3) uint8 sRGB of face ``i``.

        Raises:
            MissingFileError: no such picture.
            FormatError: not a picture, or one of another size.
        """
        pixels = read_pixels(self.image_path(i))
        if pixels.shape != (side, side, 3):
            raise FormatError(f"{self.image_path(i)}: expected {side}x{side} pixels, "
                              f"got {pixels.shape[1]}x{pixels.shape[0]}")
        return pixels


def write_table(
    path: Path, schema: ParameterSchema, names: Sequence[str], parameters: NDArray[np.floating[Any]]
) -> None:
    """Write the schema and then the table of a renders folder; the same faces give the same bytes.

    Values outside of [0, 1] are written as they come: validation reports them with the face's name.

    Args:
        path: the renders folder; made if it is missing.
        schema: what the parameters mean.
        names: N unique file stems.
        parameters: (N, size) finite numbers.

    Raises:
        SchemaError: parameters of another shape or not finite, a name that occurs twice or is no file stem.
    """
    import pyarrow.parquet as pq

    vectors = schema.check(parameters)
    if vectors.shape != (len(names), schema.size):
        raise SchemaError(f"expected parameters of shape {(len(names), schema.size)} for {len(names)} names, "
                          f"got {vectors.shape}")
    seen: set[str] = set()
    for name in names:
        if name in seen or not _is_stem(name):
            raise SchemaError(f"expected unique file stems as names of faces, got {name!r}"
                              + (" twice" if name in seen else ""))
        seen.add(name)
    schema.save(path / SCHEMA_FILE)
    with replacing(path / TABLE_FILE) as temporary:
        pq.write_table(_to_arrow(schema, names, vectors), temporary, use_dictionary=False)


# Buffers and DLPack, because pyarrow's ``array`` and ``to_numpy`` import pandas: a second for every process
# that renders or trains.
def _to_arrow(schema: ParameterSchema, names: Sequence[str], vectors: Vector) -> Any:
    import pyarrow as pa

    encoded = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    arrays = [pa.StringArray.from_buffers(len(names), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))]
    for values in np.ascontiguousarray(vectors.T):
        arrays.append(pa.Array.from_buffers(pa.float32(), len(names), [None, pa.py_buffer(values)]))
    return pa.Table.from_arrays(arrays, names=[NAME_COLUMN, *schema.columns])


def _from_arrow(column: Any) -> Vector:
    """(N,) a float32 column; NaN where a value is missing."""
    values = column.combine_chunks()
    return np.asarray(values.to_pylist() if values.null_count else np.from_dlpack(values), np.float32)


def _read_table(path: Path, schema: ParameterSchema) -> tuple[tuple[str, ...], Vector]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise MissingFileError(f"expected the table of a renders folder at {path}, found no file")
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path}: expected a Parquet table, got {error}") from None
    _check_columns(path, table, schema)
    names = tuple(table.column(NAME_COLUMN).to_pylist())
    for row, name in enumerate(names):
        if name is None or not _is_stem(name):
            raise FormatError(f"{path}: expected a file stem in row {row} of column {NAME_COLUMN!r}, "
                              f"got {name!r}")
    parameters = np.empty((len(names), schema.size), np.float32)
    for i, column in enumerate(schema.columns):
        parameters[:, i] = _from_arrow(table.column(column))
    return names, parameters


def _check_columns(path: Path, table: Any, schema: ParameterSchema) -> None:
    expected = {NAME_COLUMN: "string"} | dict.fromkeys(schema.columns, "float")
    found = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    if len(found) != table.num_columns:
        repeated = next(n for i, n in enumerate(table.schema.names) if n in table.schema.names[:i])
        raise FormatError(f"{path}: the column {repeated!r} occurs twice")
    if surplus := [name for name in found if name not in expected]:
        raise FormatError(f"{path}: its schema has no column {surplus[0]!r}")
    for name, kind in expected.items():
        if name not in found:
            raise FormatError(f"{path}: expected a column {name!r}, found none")
        if found[name].removeprefix("large_") != kind:
            raise FormatError(f"{path}: expected column {name!r} to be of type {kind}, got {found[name]}")


def _is_stem(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")
