import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.exchange.renders import RendersFolder, image_file, label_file, write_table
from facenn.images import write_pixels
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema(
    character="test",
    version=1,
    sliders=(Slider("nose.width", "nose", "Width"), Slider("nose.hump", "nose", "Hump")),
    choices=(Choice("hair", "hair", "Hair", options=("short", "long"), neutral="short"),),
)
NAMES = ("face_0", "face_1", "face_2")


@pytest.fixture
def parameters() -> np.ndarray:
    generator = np.random.default_rng(7)
    return np.stack([SCHEMA.sample(generator) for _ in NAMES])


@pytest.fixture
def folder(tmp_path: Path, parameters: np.ndarray) -> Path:
    write_table(tmp_path, SCHEMA, NAMES, parameters)
    return tmp_path


def rewrite(folder: Path, columns: dict[str, pa.Array]) -> None:
    pq.write_table(pa.table(columns), folder / "faces.parquet")


def read(folder: Path) -> dict[str, pa.Array]:
    table = pq.read_table(folder / "faces.parquet")
    return {name: table.column(name) for name in table.column_names}


def test_renders_folder_gives_back_the_faces_that_were_written(folder: Path, parameters: np.ndarray) -> None:
    renders = RendersFolder.open(folder)
    assert renders.schema == SCHEMA
    assert renders.names == NAMES
    assert len(renders) == 3
    assert renders.parameters.dtype == np.float32
    np.testing.assert_array_equal(renders.parameters, parameters)


def test_renders_table_has_one_named_column_per_parameter(folder: Path, parameters: np.ndarray) -> None:
    table = pq.read_table(folder / "faces.parquet")
    assert table.column_names == ["name", "nose.width", "nose.hump", "hair:short", "hair:long"]
    assert table.column("nose.hump").to_pylist() == parameters[:, 1].tolist()


def test_write_table_gives_the_same_bytes_for_the_same_faces(tmp_path: Path, parameters: np.ndarray) -> None:
    written = []
    for name in ("a", "b"):
        write_table(tmp_path / name, SCHEMA, NAMES, parameters)
        written.append((tmp_path / name / "faces.parquet").read_bytes())
    assert written[0] == written[1]
    write_table(tmp_path / "b", SCHEMA, NAMES, parameters[::-1])
    assert (tmp_path / "b" / "faces.parquet").read_bytes() != written[0]


def test_write_table_leaves_no_temporary_file(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["faces.parquet", "schema.json"]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_renders_folder_reads_a_picture_of_either_suffix(folder: Path, suffix: str) -> None:
    pixels = np.full((32, 32, 3), 200, np.uint8)
    write_pixels(image_file(folder, "face_1", suffix=suffix), pixels)
    renders = RendersFolder.open(folder)
    assert renders.image_path(1) == folder / "images" / f"face_1{suffix}"
    np.testing.assert_array_equal(renders.read_pixels(1, side=32), pixels)


def test_renders_folder_knows_where_a_label_map_stands(folder: Path) -> None:
    assert label_file(folder, "face_2") == folder / "labels" / "face_2.png"
    assert RendersFolder.open(folder).label_path(2) == label_file(folder, "face_2")


def test_renders_folder_refuses_a_picture_of_another_size(folder: Path) -> None:
    write_pixels(image_file(folder, "face_0"), np.zeros((16, 32, 3), np.uint8))
    with pytest.raises(FormatError, match=r"face_0\.jpg: expected 512x512 pixels, got 32x16"):
        RendersFolder.open(folder).read_pixels(0)


def test_renders_folder_names_a_missing_picture(folder: Path) -> None:
    with pytest.raises(MissingFileError, match=r"face_0\.jpg"):
        RendersFolder.open(folder).read_pixels(0)


@pytest.mark.parametrize("name", ["schema.json", "faces.parquet"])
def test_renders_folder_names_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingFileError, match=name):
        RendersFolder.open(folder)


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_renders_folder_refuses_a_truncated_table(folder: Path, keep: int) -> None:
    table = folder / "faces.parquet"
    table.write_bytes(table.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"faces\.parquet: expected a Parquet table"):
        RendersFolder.open(folder)


def test_renders_folder_refuses_a_damaged_schema(folder: Path) -> None:
    raw = json.loads((folder / "schema.json").read_text())
    del raw["version"]
    (folder / "schema.json").write_text(json.dumps(raw))
    with pytest.raises(SchemaError, match=r"schema\.json"):
        RendersFolder.open(folder)


def test_renders_folder_names_a_missing_column(folder: Path) -> None:
    columns = read(folder)
    del columns["nose.hump"]
    rewrite(folder, columns)
    with pytest.raises(FormatError, match=r"faces\.parquet: expected a column 'nose\.hump'"):
        RendersFolder.open(folder)


def test_renders_folder_names_a_surplus_column(folder: Path) -> None:
    rewrite(folder, read(folder) | {"nose.size": pa.array([0.0, 0.0, 0.0], pa.float32())})
    with pytest.raises(FormatError, match=r"no column 'nose\.size'"):
        RendersFolder.open(folder)


def test_renders_folder_names_a_repeated_column(folder: Path) -> None:
    columns = read(folder)
    table = pa.Table.from_arrays([*columns.values(), columns["nose.hump"]], [*columns, "nose.hump"])
    pq.write_table(table, folder / "faces.parquet")
    with pytest.raises(FormatError, match=r"column 'nose\.hump' occurs twice"):
        RendersFolder.open(folder)


def test_renders_folder_names_a_column_of_another_type(folder: Path) -> None:
    rewrite(folder, read(folder) | {"nose.hump": pa.array([0.0, 0.5, 1.0], pa.float64())})
    with pytest.raises(FormatError, match=r"column 'nose\.hump' to be of type float, got double"):
        RendersFolder.open(folder)


def test_renders_folder_finds_columns_by_name(folder: Path, parameters: np.ndarray) -> None:
    rewrite(folder, dict(reversed(read(folder).items())))
    np.testing.assert_array_equal(RendersFolder.open(folder).parameters, parameters)


def test_renders_folder_holds_a_missing_value_as_nan(folder: Path) -> None:
    rewrite(folder, read(folder) | {"nose.hump": pa.array([0.0, None, 1.0], pa.float32())})
    assert np.isnan(RendersFolder.open(folder).parameters).nonzero() == (np.array([1]), np.array([1]))


@pytest.mark.parametrize("name", ["", "../face", "a/b", "a\\b", ".hidden", None])
def test_renders_folder_refuses_a_name_that_leaves_its_folder(folder: Path, name: str | None) -> None:
    rewrite(folder, read(folder) | {"name": pa.array(["face_0", name, "face_2"], pa.string())})
    with pytest.raises(FormatError, match="expected a file stem in row 1 of column 'name'"):
        RendersFolder.open(folder)


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "a"), ("a", "b", "../c")])
def test_write_table_refuses_names_that_cannot_be_files(
    tmp_path: Path, parameters: np.ndarray, names: tuple[str, ...]
) -> None:
    with pytest.raises(SchemaError):
        write_table(tmp_path, SCHEMA, names, parameters)
    assert not list(tmp_path.iterdir())


def test_renders_folder_refuses_a_name_that_is_no_text(folder: Path) -> None:
    ends = pa.py_buffer(np.arange(4, dtype=np.int32))
    names = pa.StringArray.from_buffers(3, ends, pa.py_buffer(b"a\xffc"))
    rewrite(folder, read(folder) | {"name": names})
    with pytest.raises(FormatError, match=r"faces\.parquet: expected a Parquet table, got .*UTF8"):
        RendersFolder.open(folder)


def test_write_table_refuses_a_value_that_is_no_number(tmp_path: Path, parameters: np.ndarray) -> None:
    parameters[2, 1] = np.nan
    with pytest.raises(SchemaError, match=r"nose\.hump"):
        write_table(tmp_path, SCHEMA, NAMES, parameters)


def test_reading_a_renders_folder_needs_neither_torch_nor_pandas(folder: Path) -> None:
    script = ("import sys; from pathlib import Path; import facenn.exchange.unity, facenn.exchange.presets\n"
              "from facenn.exchange.renders import RendersFolder, write_table\n"
              "assert 'pyarrow' not in sys.modules\n"
              "renders = RendersFolder.open(Path(sys.argv[1]))\n"
              "write_table(renders.path, renders.schema, renders.names, renders.parameters)\n"
              "print(sorted({'torch', 'pandas', 'pydantic', 'scipy'} & sys.modules.keys()))")
    run = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
