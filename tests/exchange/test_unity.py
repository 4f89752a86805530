import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.exchange.original import original_schema
from facenn.exchange.renders import RendersFolder
from facenn.exchange.unity import (
    Description,
    import_unity,
    original_layout,
    read_description,
    read_model,
    write_model,
)
from facenn.images import write_pixels

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "unity"
LEGACY_NAMES = ("db_000_4", "db_001_3", "db_002_4")
CURRENT_NAMES = ("db_00000_4", "db_00001_4", "db_00002_4")


@pytest.fixture
def real() -> Path:
    if not REAL.is_dir():
        pytest.skip("real files of the original not present")
    return REAL


def string(text: str) -> bytes:
    """A string as C#'s BinaryWriter stores it."""
    length, prefix = len(text.encode()), b""
    while length >= 0x80:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return prefix + bytes([length]) + text.encode()


def record(name: str, values: np.ndarray) -> bytes:
    return string(name) + struct.pack(f"<{len(values)}f", *values)


def faces(count: int, width: int) -> np.ndarray:
    values = np.random.default_rng(5).random((count, width), np.float32)
    if width == 99:
        values[:, 96:] = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    return values


def legacy(names: tuple[str, ...], values: np.ndarray) -> bytes:
    return b"".join(map(record, names, values))


def current(names: tuple[str, ...], values: np.ndarray) -> bytes:
    return struct.pack("<i", len(names)) + legacy(names, values)


def export(folder: Path, data: bytes, names: tuple[str, ...]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "db_description").write_bytes(data)
    for i, name in enumerate(names):
        write_pixels(folder / f"{name}.jpg", np.full((512, 512, 3), 40 + 20 * i, np.uint8))
    return folder


def described(tmp_path: Path, data: bytes) -> Description:
    (tmp_path / "db_description").write_bytes(data)
    return read_description(tmp_path / "db_description")


def test_read_description_reads_the_legacy_layout(tmp_path: Path) -> None:
    values = faces(3, 95)
    found = described(tmp_path, legacy(LEGACY_NAMES, values))
    assert found.names == LEGACY_NAMES
    assert found.shapes == ("female", "male", "female")
    assert not found.painted
    np.testing.assert_array_equal(found.values, values)


def test_read_description_reads_the_current_layout(tmp_path: Path) -> None:
    values = faces(3, 99)
    found = described(tmp_path, current(CURRENT_NAMES, values))
    assert found.names == CURRENT_NAMES
    assert found.painted
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize("digits", [1, 4, 5, 6, 57, 121, 122, 300])
def test_read_description_reads_names_of_any_length(tmp_path: Path, digits: int) -> None:
    names = tuple(f"db_{i:0{digits}}_4" for i in range(3))
    assert described(tmp_path, legacy(names, faces(3, 95))).names == names
    assert described(tmp_path, current(names, faces(3, 99))).names == names


@pytest.mark.parametrize("count", [9, 10, 2570, 25700])
def test_read_description_is_not_misled_by_a_count_like_a_length(tmp_path: Path, count: int) -> None:
    names = tuple(f"db_{i:05}_3" for i in range(count))
    assert len(described(tmp_path, current(names, np.zeros((count, 99)))).names) == count


def test_read_description_tells_where_a_file_was_cut(tmp_path: Path) -> None:
    data = current(CURRENT_NAMES, faces(3, 99))
    second = 4 + 407
    for end, message in (
        (0, "at byte 0 or, behind a count, at byte 4"),
        (3, "at byte 0 or, behind a count, at byte 4"),
        (8, "at byte 0 or, behind a count, at byte 4"),
        (second - 1, rf"99 float32 of db_00000_4 from byte 15, the file ends at byte {second - 1}"),
        (second, rf"a name .* at byte {second}, got the end of the file"),
        (second + 5, rf"a name .* at byte {second}, got"),
        (second + 11, rf"99 float32 of db_00001_4 from byte {second + 11}"),
    ):
        with pytest.raises(FormatError, match=message):
            described(tmp_path, data[:end])


def test_read_description_tells_where_a_legacy_file_was_cut(tmp_path: Path) -> None:
    data = legacy(LEGACY_NAMES, faces(3, 95))
    for end, message in (
        (388, "95 float32 of db_000_4 from byte 9, the file ends at byte 388"),
        (391, "a name .* at byte 389, got"),
        (len(data) - 1, "95 float32 of db_002_4 from byte 787, the file ends at byte 1166"),
    ):
        with pytest.raises(FormatError, match=message):
            described(tmp_path, data[:end])


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" * 50, b"\xff" * 500, b"\x00" * 500, b"\x80" * 500])
def test_read_description_refuses_foreign_bytes(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FormatError, match="db_description: expected a name"):
        described(tmp_path, data)


@pytest.mark.parametrize("count", [-1, 0, 2, 4])
def test_read_description_refuses_a_count_that_does_not_fit(tmp_path: Path, count: int) -> None:
    data = struct.pack("<i", count) + legacy(CURRENT_NAMES, faces(3, 99))
    with pytest.raises(FormatError, match="at byte"):
        described(tmp_path, data)


def test_read_description_refuses_a_width_that_no_layout_has(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"a name .* at byte 411, got"):
        described(tmp_path, current(CURRENT_NAMES, faces(3, 103)))


def test_read_description_refuses_an_unknown_shape(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"a name .* at byte 389, got"):
        described(tmp_path, legacy(("db_000_4", "db_001_5"), faces(2, 95)))


def test_read_description_refuses_a_repeated_name(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="a new name at byte 389, got db_000_4 a second time"):
        described(tmp_path, legacy(("db_000_4", "db_000_4"), faces(2, 95)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_read_description_names_the_byte_of_a_value_that_is_no_number(tmp_path: Path, value: float) -> None:
    values = faces(2, 95)
    values[1, 10] = value
    with pytest.raises(FormatError, match=f"of db_001_4 at byte {389 + 9 + 40}, got {value}"):
        described(tmp_path, legacy(("db_000_4", "db_001_4"), values))


def test_read_description_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="db_description"):
        read_description(tmp_path / "db_description")


def test_import_unity_makes_a_renders_folder_of_one_shape(tmp_path: Path) -> None:
    values = faces(3, 99)
    source = export(tmp_path / "export", current(CURRENT_NAMES, values), CURRENT_NAMES)
    renders = import_unity(source, tmp_path / "renders")
    assert (renders.schema.character, renders.schema.version) == ("unity-female", 2)
    assert renders.names == CURRENT_NAMES
    np.testing.assert_array_equal(renders.parameters, values)
    assert renders.image_path(1).read_bytes() == (source / "db_00001_4.jpg").read_bytes()
    assert renders.read_pixels(1).mean() == pytest.approx(60, abs=1)
    np.testing.assert_array_equal(RendersFolder.open(tmp_path / "renders").parameters, values)


def test_import_unity_keeps_the_shape_of_a_mixed_export(tmp_path: Path) -> None:
    values = faces(3, 95)
    source = export(tmp_path / "export", legacy(LEGACY_NAMES, values), LEGACY_NAMES)
    renders = import_unity(source, tmp_path / "renders")
    assert (renders.schema.character, renders.schema.version) == ("unity", 1)
    np.testing.assert_array_equal(renders.parameters[:, :95], values)
    assert [renders.schema.to_named(v)["shape"] for v in renders.parameters] == ["female", "male", "female"]


def test_import_unity_can_pick_one_shape_of_a_mixed_export(tmp_path: Path) -> None:
    source = export(tmp_path / "export", legacy(LEGACY_NAMES, faces(3, 95)), ("db_001_3",))
    renders = import_unity(source, tmp_path / "renders", shape="male")
    assert renders.schema.character == "unity-male"
    assert renders.names == ("db_001_3",)
    assert [p.name for p in (tmp_path / "renders" / "images").iterdir()] == ["db_001_3.jpg"]


def test_import_unity_refuses_an_export_without_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    source = export(tmp_path / "export", current(CURRENT_NAMES, faces(3, 99)), CURRENT_NAMES)
    with pytest.raises(FormatError, match="expected faces of shape male, got none among 3"):
        import_unity(source, tmp_path / "renders", shape="male")


def test_import_unity_keeps_noisy_values_unless_told_to_drop_their_faces(tmp_path: Path) -> None:
    values = faces(3, 99)
    values[1, 17] = -0.07
    source = export(tmp_path / "export", current(CURRENT_NAMES, values), CURRENT_NAMES)
    kept = import_unity(source, tmp_path / "kept")
    assert kept.parameters[1, 17] == np.float32(-0.07)
    dropped = import_unity(source, tmp_path / "dropped", drop_noisy=True)
    assert dropped.names == ("db_00000_4", "db_00002_4")
    np.testing.assert_array_equal(dropped.parameters, values[[0, 2]])


def test_import_unity_names_the_first_missing_picture_and_their_number(tmp_path: Path) -> None:
    source = export(tmp_path / "export", current(CURRENT_NAMES, faces(3, 99)), CURRENT_NAMES[:1])
    with pytest.raises(MissingFileError, match=r"db_00001_4\.jpg, found no file; 2 of 3 are missing"):
        import_unity(source, tmp_path / "renders")
    assert not (tmp_path / "renders").exists()


def test_import_unity_names_the_first_picture_of_another_size_and_their_number(tmp_path: Path) -> None:
    source = export(tmp_path / "export", current(CURRENT_NAMES, faces(3, 99)), CURRENT_NAMES)
    write_pixels(source / "db_00002_4.jpg", np.zeros((256, 300, 3), np.uint8))
    with pytest.raises(FormatError, match=r"db_00002_4\.jpg: expected 512x512 pixels, got 300x256; 1 of 3"):
        import_unity(source, tmp_path / "renders")


def test_import_unity_names_a_picture_that_is_none(tmp_path: Path) -> None:
    source = export(tmp_path / "export", current(CURRENT_NAMES, faces(3, 99)), CURRENT_NAMES)
    (source / "db_00001_4.jpg").write_bytes(b"no picture")
    with pytest.raises(FormatError, match=r"db_00001_4\.jpg: expected a JPEG picture"):
        import_unity(source, tmp_path / "renders")


@pytest.mark.parametrize(("count", "size"), [(95, 384), (99, 400), (103, 416), (130, 524)])
def test_model_gives_back_the_face_that_was_written(tmp_path: Path, count: int, size: int) -> None:
    vector = np.random.default_rng(count).random(count, np.float32)
    write_model(tmp_path / "eval.bytes", vector, shape=4)
    assert (tmp_path / "eval.bytes").read_bytes() == struct.pack(f"<i{count}f", 4, *vector)
    assert (tmp_path / "eval.bytes").stat().st_size == size
    shape, found = read_model(tmp_path / "eval.bytes")
    assert shape == 4
    np.testing.assert_array_equal(found, vector)


@pytest.mark.parametrize("size", [0, 3, 4, 6, 383, 385])
def test_read_model_refuses_another_length(tmp_path: Path, size: int) -> None:
    (tmp_path / "eval.bytes").write_bytes((struct.pack("<i", 3) + bytes(400))[:size])
    with pytest.raises(FormatError, match=rf"eval\.bytes: expected .* 4 \+ 4n bytes, got {size} bytes"):
        read_model(tmp_path / "eval.bytes")


def test_read_model_refuses_another_shape(tmp_path: Path) -> None:
    (tmp_path / "eval.bytes").write_bytes(struct.pack("<i95f", 5, *[0.5] * 95))
    with pytest.raises(FormatError, match=r"eval\.bytes: expected shape 3 .* at byte 0, got 5"):
        read_model(tmp_path / "eval.bytes")


def test_read_model_names_the_byte_of_a_value_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "eval.bytes").write_bytes(struct.pack("<i95f", 3, 0.5, np.nan, *[0.5] * 93))
    with pytest.raises(FormatError, match="at byte 8, got nan"):
        read_model(tmp_path / "eval.bytes")


def test_read_model_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"eval\.bytes"):
        read_model(tmp_path / "eval.bytes")


@pytest.mark.parametrize("vector", [np.zeros((1, 95)), np.zeros(0), np.array([0.5, np.nan])])
def test_write_model_refuses_what_is_not_one_face(tmp_path: Path, vector: np.ndarray) -> None:
    with pytest.raises(SchemaError, match="one face"):
        write_model(tmp_path / "eval.bytes", vector, shape=3)


def test_write_model_refuses_another_shape(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="got 0"):
        write_model(tmp_path / "eval.bytes", np.zeros(95), shape=0)


class Known(NamedTuple):
    """What is known about one real export of the original."""

    faces: int
    males: int
    last: str
    first_values: list[float]
    moments: tuple[float, float]
    range: tuple[float, float]


@pytest.mark.parametrize(
    ("split", "known"),
    [
        ("trainset", Known(1600, 782, "db_1599_3",
                           [0.05926918983459473, 0.9116429090499878, 0.5348643660545349],
                           (0.4987947946713661, 0.28760312628767026),
                           (2.0503997802734375e-05, 0.9999922513961792))),
        ("testset", Known(400, 206, "db_0399_3",
                          [0.694517970085144, 0.10807836055755615, 0.46228986978530884],
                          (0.4986709591950241, 0.28895413495234823),
                          (6.42538070678711e-05, 0.9999721050262451))),
    ],
)
def test_read_description_reads_real_exports_of_the_original(real: Path, split: str, known: Known) -> None:
    found = read_description(real / "legacy" / split / "db_description")
    assert found.values.shape == (known.faces, 95)
    assert (found.names[0], found.names[-1]) == ("db_0000_4", known.last)
    assert found.shapes.count("male") == known.males
    assert found.values[0, :3].tolist() == known.first_values
    moments = found.values.mean(dtype=np.float64), found.values.std(dtype=np.float64)
    assert moments == pytest.approx(known.moments, abs=1e-12)
    assert (float(found.values.min()), float(found.values.max())) == known.range


@pytest.mark.parametrize(("name", "shape", "value"), [("3-2", 3, 0.2), ("4-7", 4, 0.7), ("test", 4, 0.3)])
def test_read_model_reads_the_real_models_of_the_original(
    real: Path, tmp_path: Path, name: str, shape: int, value: float
) -> None:
    path = real / "legacy" / "models" / f"{name}.bytes"
    found, vector = read_model(path)
    assert found == shape
    np.testing.assert_array_equal(vector, np.full(95, value, np.float32))
    write_model(tmp_path / "again.bytes", vector, shape=found)
    assert (tmp_path / "again.bytes").read_bytes() == path.read_bytes()


def test_original_layout_leaves_the_shape_out_of_the_values() -> None:
    both = original_schema(None, painted=True)
    vector = both.neutral()
    where = both.slices["shape"]
    vector[where] = [option == "male" for option in both.choices[-1].options]
    shape, values = original_layout(both, vector)
    assert (shape, len(values)) == (3, 99)
    assert np.array_equal(values, vector[:99])
    assert original_layout(original_schema("female", painted=False), np.zeros(95, np.float32))[0] == 4
