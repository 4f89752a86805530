"""Reads what the original Unity tool exports and writes what it reads: ``db_description``, model ``.bytes``.

Both are little-endian. A ``db_description`` names the pictures ``<name>.jpg`` beside it; it has two layouts:

    current   int32 count, then per picture a string and 99 float32
    legacy    no count; per picture a string and 95 float32, until the file ends

A string is that of C#'s BinaryWriter: its length in bytes as a 7-bit variable-length integer, then UTF-8.
Every name is ``db_<index>_<shape>``. A file is legacy if such a name stands at byte 0 and current if one
stands at byte 4, behind the count. It cannot be both: the second name would begin inside of the first.
"""

import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facenn.arrays import Vector
from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.exchange.original import BONES, PAINTED, SHAPE_IDS, Shape, original_schema
from facenn.exchange.renders import TABLE_FILE, RendersFolder, image_file, write_table
from facenn.files import replace_bytes, replacing
from facenn.images import SIDE
from facenn.schema import ParameterSchema

DESCRIPTION_FILE = "db_description"
COUNT_BYTES = 4
FLOAT_BYTES = 4
_NAME = re.compile(rb"db_[0-9]+_([34])")


@dataclass(frozen=True, eq=False)
class Description:
    """The records of one ``db_description``.

    Attributes:
        names: of the pictures, without suffix.
        shapes: "male" or "female" of each.
        values: (N, 95) float32 of the legacy layout or (N, 99) of the current one, as stored.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    values: Vector

    @property
    def painted(self) -> bool:
        """Whether the four paint entries of the current layout are there."""
        return bool(self.values.shape[1] == PAINTED)

    def only(self, keep: NDArray[np.bool_]) -> "Description":
        """The records where (N,) ``keep`` is True."""
        rows = np.flatnonzero(keep)
        return Description(tuple(self.names[i] for i in rows), tuple(self.shapes[i] for i in rows),
                           self.values[rows])


def read_description(path: Path) -> Description:
    """The records of a ``db_description`` of either layout.

    Raises:
        MissingFileError: no such file.
        FormatError: bytes of neither layout; the message names the offset and what was expected there.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a {DESCRIPTION_FILE} at {path}, found no file")
    data = path.read_bytes()
    count = _read_count(path, data)
    offset, width = (0, BONES) if count is None else (COUNT_BYTES, PAINTED)
    names: dict[str, Shape] = {}
    rows: list[Vector] = []
    while offset < len(data) if count is None else len(rows) < count:
        name, end = _read_name(path, data, offset)
        if name in names:
            raise FormatError(f"{path}: expected a new name at byte {offset}, got {name} a second time")
        names[name] = SHAPE_IDS[int(name[-1])]
        rows.append(_read_floats(path, data, end, count=width, owner=name))
        offset = end + width * FLOAT_BYTES
    if offset < len(data):
        raise FormatError(f"{path}: expected the end of the file at byte {offset}, behind the {count} faces "
                          f"that byte 0 announces, got {len(data) - offset} more bytes")
    return Description(tuple(names), tuple(names.values()), np.stack(rows))


def import_unity(
    source: Path, out: Path, *, shape: Shape | None = None, drop_noisy: bool = False
) -> RendersFolder:
    """Turn an export of the original Unity tool into a renders folder.

    An export of one shape becomes the character ``unity-male`` or ``unity-female``. One of both becomes
    ``unity``, with the shape as a choice of the vector, unless ``shape`` picks one.

    The original's "noise" option stores about one wrong value per picture, in [-0.10, 0.99], beside a picture
    drawn with the right one. Values are kept as stored, so validation names the faces that left [0, 1];
    ``drop_noisy`` leaves those faces out. Wrong values inside of [0, 1] cannot be told from right ones.

    Args:
        source: folder with ``db_description`` and the pictures beside it.
        out: renders folder to write; pictures are copied as they are.
        shape: keep only the faces of this shape.
        drop_noisy: leave out faces with a value outside of [0, 1].

    Raises:
        MissingFileError: no ``db_description``, or pictures that it names are not there.
        FormatError: damaged bytes, no face left, or pictures that are not 512x512.
    """
    described = read_description(source / DESCRIPTION_FILE)
    keep = np.array([shape in (None, s) for s in described.shapes])
    if drop_noisy:
        keep &= ((described.values >= 0) & (described.values <= 1)).all(1)
    faces = described.only(keep)
    if not faces.names:
        raise FormatError(f"{source / DESCRIPTION_FILE}: expected faces of shape {shape or 'male or female'}"
                          f"{' in [0, 1]' if drop_noisy else ''}, got none among {len(described.names)}")
    pictures = [source / f"{name}.jpg" for name in faces.names]
    _check_pictures(pictures)
    (out / TABLE_FILE).unlink(missing_ok=True)  # an interrupted import must not look whole
    for name, picture in zip(faces.names, pictures, strict=True):
        with replacing(image_file(out, name)) as temporary:
            shutil.copyfile(picture, temporary)
    schema, parameters = _as_schema(faces)
    write_table(out, schema, faces.names, parameters)
    return RendersFolder.open(out)


def read_model(path: Path) -> tuple[int, Vector]:
    """The shape and the parameters of a model ``.bytes``.

    int32 shape (3 male, 4 female), then float32 parameters; only the file's length tells how many: 95 in
    legacy files, 99 in current ones. One writer of the original stores 103, and its reader ignores the tail.

    Returns:
        The shape and (n,) parameters.

    Raises:
        MissingFileError: no such file.
        FormatError: another length than 4 + 4n bytes, another shape, or an entry that is not finite.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a model at {path}, found no file")
    data = path.read_bytes()
    count, rest = divmod(len(data) - 4, FLOAT_BYTES)
    if count < 1 or rest:
        raise FormatError(f"{path}: expected a model of 4 + 4n bytes, got {len(data)} bytes")
    shape = int(struct.unpack_from("<i", data)[0])
    if shape not in SHAPE_IDS:
        raise FormatError(f"{path}: expected shape 3 (male) or 4 (female) at byte 0, got {shape}")
    return shape, _read_floats(path, data, 4, count=count, owner="the model")


def write_model(path: Path, vector: NDArray[Any], *, shape: int) -> None:
    """Write a model ``.bytes``, as ``read_model`` describes it.

    Args:
        path: where the model will stand.
        vector: (n,) finite parameters of any character, stored in their order.
        shape: 3 for male, 4 for female.

    Raises:
        SchemaError: not one face of finite numbers, or another shape.
    """
    values = np.asarray(vector, dtype="<f4")
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise SchemaError(f"{path}: expected one face of finite parameters, got shape {values.shape}")
    if shape not in SHAPE_IDS:
        raise SchemaError(f"{path}: expected shape 3 (male) or 4 (female), got {shape}")
    replace_bytes(path, struct.pack("<i", shape) + values.tobytes())


def original_layout(schema: ParameterSchema, vector: NDArray[Any]) -> tuple[int, Vector]:
    """What a model ``.bytes`` holds of a face: its shape, 3 male or 4 female, and its values.

    The shape is the schema's own where it has one: a choice ``shape``, which then is not among the values, or the
    character ``unity-male``. A character with a slider of the role sex is male above the middle. Others are
    female, as in the original's default.

    Args:
        schema: what the values mean.
        vector: (size,) parameters.
    """
    values = schema.check(vector)
    named = schema.to_named(values)
    if "shape" in schema.slices:
        where = schema.slices["shape"]
        values = np.delete(values, np.arange(where.start, where.stop))
    sex = schema.slider_of("sex")
    masculine = sex is not None and values[sex] > 0.5
    male = named.get("shape") == "male" or schema.character == "unity-male" or masculine
    return next(i for i, name in SHAPE_IDS.items() if name == ("male" if male else "female")), values


def _read_count(path: Path, data: bytes) -> int | None:
    """How many faces the current layout announces; None for the legacy one, which announces nothing."""
    if _name_at(data, 0) is not None:
        return None
    if _name_at(data, COUNT_BYTES) is None:
        raise FormatError(f"{path}: expected a name such as db_00000_4, behind its length, at byte 0 or, "
                          f"behind a count, at byte {COUNT_BYTES}, got {data[:16]!r}")
    count = int(struct.unpack_from("<i", data)[0])
    if count < 1:
        raise FormatError(f"{path}: expected the number of faces at byte 0, got {count}")
    return count


def _name_at(data: bytes, offset: int) -> tuple[str, int] | None:
    """The name that begins at ``offset`` and the byte behind it, or None if none does."""
    length, shift = 0, 0
    while True:
        if offset >= len(data) or shift > 28:
            return None
        byte = data[offset]
        length |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            break
    raw = data[offset:offset + length]
    if len(raw) < length or not _NAME.fullmatch(raw):
        return None
    return raw.decode("ascii"), offset + length


def _read_name(path: Path, data: bytes, offset: int) -> tuple[str, int]:
    found = _name_at(data, offset)
    if found is None:
        got = repr(data[offset:offset + 12]) if offset < len(data) else "the end of the file"
        raise FormatError(f"{path}: expected a name such as db_00000_4, behind its length, at byte {offset}, "
                          f"got {got}")
    return found


def _read_floats(path: Path, data: bytes, offset: int, *, count: int, owner: str) -> Vector:
    if offset + count * FLOAT_BYTES > len(data):
        raise FormatError(f"{path}: expected {count} float32 of {owner} from byte {offset}, "
                          f"the file ends at byte {len(data)}")
    values = np.frombuffer(data, "<f4", count, offset).astype(np.float32)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise FormatError(f"{path}: expected a finite float32 of {owner} at byte "
                          f"{offset + bad * FLOAT_BYTES}, got {values[bad]}")
    return values


def _check_pictures(pictures: list[Path]) -> None:
    if missing := [p for p in pictures if not p.is_file()]:
        raise MissingFileError(f"expected a picture at {missing[0]}, found no file; "
                               f"{len(missing)} of {len(pictures)} are missing")
    sizes = [_picture_size(p) for p in pictures]
    if wrong := [i for i, size in enumerate(sizes) if size != (SIDE, SIDE)]:
        width, height = sizes[wrong[0]]
        raise FormatError(f"{pictures[wrong[0]]}: expected {SIDE}x{SIDE} pixels, got {width}x{height}; "
                          f"{len(wrong)} of {len(pictures)} have another size")


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, Image.DecompressionBombError) as error:
        raise FormatError(f"{path}: expected a JPEG picture, got {error}") from None


def _as_schema(faces: Description) -> tuple[ParameterSchema, Vector]:
    shapes = set(faces.shapes)
    if len(shapes) == 1:
        return original_schema(shapes.pop(), painted=faces.painted), faces.values
    one_hot = [[s == "male", s == "female"] for s in faces.shapes]
    return (original_schema(None, painted=faces.painted),
            np.hstack([faces.values, np.array(one_hot, np.float32)]))
