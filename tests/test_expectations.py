import json
import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facenn.errors import FormatError, ValidationError
from facenn.exchange.renders import RendersFolder, image_file, write_table
from facenn.expectations import BLANK_DEVIATION, LISTED, Failure, Offender, judge, scan, validate
from facenn.images import write_pixels
from facenn.schema import Choice, ParameterSchema, Slider

SIDE = 32
SCHEMA = ParameterSchema(
    character="test",
    version=2,
    sliders=(Slider("nose.width", "nose", "Width"), Slider("nose.hump", "nose", "Hump")),
    choices=(Choice("hair", "hair", "Hair", options=("short", "long"), neutral="short"),),
)
NAMES = tuple(f"face_{i}" for i in range(6))


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder in which everything holds."""
    folder = tmp_path_factory.mktemp("renders")
    generator = np.random.default_rng(11)
    for name in NAMES:
        write_pixels(image_file(folder, name), generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    write_table(folder, SCHEMA, NAMES, np.stack([SCHEMA.sample(generator) for _ in NAMES]))
    return folder


@pytest.fixture
def folder(valid: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(valid, tmp_path / "renders"))


def put(folder: Path, row: int, **cells: Any) -> None:
    """Change cells of one row of the table; ``__`` stands for a dot, ``_of_`` for a colon."""
    rows = pq.read_table(folder / "faces.parquet").to_pydict()
    for key, value in cells.items():
        rows[key.replace("__", ".").replace("_of_", ":")][row] = value
    columns = {k: pa.array(v, pa.string() if k == "name" else pa.float32()) for k, v in rows.items()}
    pq.write_table(pa.table(columns), folder / "faces.parquet")


def draw(folder: Path, row: int, pixels: np.ndarray, mode: str = "RGB") -> None:
    Image.fromarray(pixels).convert(mode).save(image_file(folder, NAMES[row]), "JPEG")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def truncate(folder: Path, row: int, surplus: int) -> None:
    path = image_file(folder, NAMES[row])
    path.write_bytes(path.read_bytes()[:-surplus])


def copy_picture(folder: Path, row: int, to: int) -> None:
    shutil.copy(image_file(folder, NAMES[row]), image_file(folder, NAMES[to]))


def one_colour(folder: Path) -> None:
    draw(folder, 4, np.full((SIDE, SIDE, 3), (49, 77, 121), np.uint8))


Damage = Callable[[Path], object]
IN_SET, BETWEEN = "expect_column_values_to_be_in_set", "expect_column_values_to_be_between"
UNIQUE, NOT_NULL = "expect_column_values_to_be_unique", "expect_column_values_to_not_be_null"
SUM = "expect_multicolumn_sum_to_equal"

DAMAGES: dict[str, tuple[Damage, str, str, list[tuple[str, str]]]] = {
    "a slider above one": (
        lambda f: put(f, 2, nose__width=1.5), BETWEEN, "nose.width", [("face_2", "1.5")]),
    "a slider just above one": (
        lambda f: put(f, 2, nose__width=np.nextafter(np.float32(1), np.float32(2))), BETWEEN, "nose.width",
        [("face_2", "1")]),
    "a slider below zero": (
        lambda f: put(f, 3, nose__hump=-0.07), BETWEEN, "nose.hump", [("face_3", "-0.07")]),
    "an infinite slider": (
        lambda f: put(f, 3, nose__hump=np.inf), BETWEEN, "nose.hump", [("face_3", "inf")]),
    "a slider that is missing": (
        lambda f: put(f, 1, nose__hump=None), NOT_NULL, "nose.hump", [("face_1", "missing")]),
    "a slider that is no number": (
        lambda f: put(f, 1, nose__hump=np.nan), NOT_NULL, "nose.hump", [("face_1", "missing")]),
    "no option chosen": (
        lambda f: put(f, 5, hair_of_short=0, hair_of_long=0), SUM, "hair", [("face_5", "0 + 0")]),
    "two options chosen": (
        lambda f: put(f, 5, hair_of_short=1, hair_of_long=1), SUM, "hair", [("face_5", "1 + 1")]),
    "a picture that is missing": (
        lambda f: image_file(f, "face_3").unlink(), IN_SET, "picture exists", [("face_3", "False")]),
    "a picture cut in the middle": (
        lambda f: truncate(f, 2, 500), IN_SET, "picture decodes", [("face_2", "False")]),
    "a picture without its last bytes": (
        lambda f: truncate(f, 2, 8), IN_SET, "picture decodes", [("face_2", "False")]),
    "a picture that is none": (
        lambda f: image_file(f, "face_2").write_bytes(b"none"), IN_SET, "picture decodes",
        [("face_2", "False")]),
    "a picture that is empty": (
        lambda f: image_file(f, "face_2").write_bytes(b""), IN_SET, "picture decodes", [("face_2", "False")]),
    "a picture that is too wide": (
        lambda f: draw(f, 0, noise(SIDE, SIDE + 1, 3)), IN_SET, "picture width", [("face_0", "33")]),
    "a picture that is too low": (
        lambda f: draw(f, 0, noise(SIDE - 1, SIDE, 3)), IN_SET, "picture height", [("face_0", "31")]),
    "a grey picture": (
        lambda f: draw(f, 1, noise(SIDE, SIDE, 3), "L"), IN_SET, "picture mode", [("face_1", "L")]),
    "a picture of one colour": (
        one_colour, BETWEEN, "picture deviation", [("face_4", "0")]),
}


def judged(folder: Path) -> tuple[Failure, ...]:
    _, failures = judge(scan(RendersFolder.open(folder)), SCHEMA, min_rows=6, side=SIDE)
    return failures


@pytest.mark.parametrize("damage", DAMAGES)
def test_expectations_name_the_face_whose_one_property_is_damaged(folder: Path, damage: str) -> None:
    spoil, expectation, subject, offenders = DAMAGES[damage]
    spoil(folder)
    (failure,) = judged(folder)
    assert (failure.expectation, failure.subject) == (expectation, subject)
    assert [(o.face, o.value) for o in failure.offenders] == offenders
    assert failure.count == len(offenders)


def test_expectations_refuse_half_an_option(folder: Path) -> None:
    put(folder, 5, hair_of_short=0.5, hair_of_long=0.5)
    found = [(f.expectation, f.subject) for f in judged(folder)]
    assert found == [(IN_SET, "hair:short"), (IN_SET, "hair:long")]


def test_expectations_refuse_a_name_that_occurs_twice(folder: Path) -> None:
    put(folder, 5, name="face_0")
    names, pictures = judged(folder)
    assert (names.expectation, names.subject) == (UNIQUE, "name")
    assert [o.face for o in names.offenders] == ["face_0", "face_0"]
    assert pictures.subject == "picture sha1"  # one name, one picture


def test_expectations_refuse_a_folder_without_faces(folder: Path) -> None:
    write_table(folder, SCHEMA, (), np.zeros((0, SCHEMA.size)))
    (failure,) = judged(folder)
    assert (failure.subject, failure.offenders) == ("rows", (Offender("the table", "0"),))


def test_expectations_say_no_more_of_a_missing_picture_than_that(folder: Path) -> None:
    shutil.rmtree(folder / "images")
    (failure,) = judged(folder)
    assert (failure.subject, failure.count) == ("picture exists", 6)


def test_expectations_find_a_picture_that_two_faces_share(folder: Path) -> None:
    copy_picture(folder, 1, to=4)
    (failure,) = judged(folder)
    assert (failure.expectation, failure.subject) == (UNIQUE, "picture sha1")
    assert [o.face for o in failure.offenders] == ["face_1", "face_4"]


def test_expectations_list_the_first_faces_and_count_all(valid: Path) -> None:
    import pandas as pd

    manifest = pd.concat([scan(RendersFolder.open(valid))] * 10, ignore_index=True)
    manifest["name"] = manifest["picture sha1"] = [f"face_{i:02}" for i in range(60)]
    manifest["nose.hump"] = 2.0
    _, (failure,) = judge(manifest, SCHEMA, min_rows=1, side=SIDE)
    assert failure.count == 60
    assert [o.face for o in failure.offenders] == [f"face_{i:02}" for i in range(LISTED)]


def test_validate_names_the_first_faces_in_one_line_once_its_findings_are_written(
    folder: Path, tmp_path: Path
) -> None:
    put(folder, 2, nose__width=1.5)
    image_file(folder, "face_4").unlink()
    expected = (r"renders: 2 of 18 expectations failed; "
                r"face_2: nose\.width is 1\.5, expected a number in \[0, 1\]; "
                r"face_4: picture exists is False, expected True; see .*validation\.md$")
    with pytest.raises(ValidationError, match=expected):
        validate(folder, tmp_path / "out", min_rows=6, side=SIDE)
    findings = json.loads((tmp_path / "out" / "validation.json").read_text())
    assert not findings["passed"]
    assert findings["failures"][0] == {
        "expectation": BETWEEN, "subject": "nose.width", "expected": "a number in [0, 1]", "count": 1,
        "offenders": [{"face": "face_2", "value": "1.5"}]}
    assert "| face_4 | False |" in (tmp_path / "out" / "validation.md").read_text()
    assert (tmp_path / "out" / "data_docs" / "index.html").is_file()


def test_validate_passes_a_folder_in_which_everything_holds(
    valid: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    report = validate(valid, out, min_rows=6, side=SIDE)
    assert (report.rows, report.failures) == (6, ())
    # rows and name; a number each; sliders; options and their sum; exists, decodes, size, mode, blank, unique
    assert report.expectations == 2 + 4 + 2 + 3 + 7
    assert report.seconds > 0
    assert json.loads((out / "validation.json").read_text()) == {
        "character": "test", "version": 2, "passed": True, "rows": 6, "expectations": 18, "failures": []}
    assert "6 faces, 18 expectations: all hold." in (out / "validation.md").read_text()
    assert "Great Expectations" in (out / "data_docs" / "index.html").read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        report.rows = 7  # type: ignore[misc]


def test_validate_replaces_the_findings_of_an_earlier_run(valid: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="the table: rows is 6, expected at least 7"):
        validate(valid, tmp_path, min_rows=7, side=SIDE)
    validate(valid, tmp_path, min_rows=6, side=SIDE)
    assert len(list((tmp_path / "data_docs" / "validations").rglob("*.html"))) == 1
    assert json.loads((tmp_path / "validation.json").read_text())["passed"]


def test_validate_refuses_a_folder_that_cannot_be_read_and_leaves_no_older_findings(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    validate(folder, out, min_rows=6, side=SIDE)
    (folder / "faces.parquet").write_bytes(b"PAR1")
    with pytest.raises(FormatError, match=r"faces\.parquet"):
        validate(folder, out, min_rows=6, side=SIDE)
    assert list(out.glob("validation.*")) == []


def test_scan_measures_what_a_picture_is(folder: Path) -> None:
    stripes = np.zeros((SIDE, SIDE, 3), np.uint8)
    stripes[:, : SIDE // 2, 1] = 200
    image_file(folder, "face_0").unlink()
    write_pixels(image_file(folder, "face_0", suffix=".png"), stripes)
    row = scan(RendersFolder.open(folder)).iloc[0]
    assert (row["picture exists"], row["picture decodes"], row["picture mode"]) == (True, True, "RGB")
    assert (row["picture width"], row["picture height"]) == (SIDE, SIDE)
    assert row["picture deviation"] == pytest.approx(100)


def test_scan_sees_that_a_faint_picture_is_not_blank(folder: Path) -> None:
    gradient = np.tile(np.linspace(100, 112, SIDE).astype(np.uint8)[:, None, None], (1, SIDE, 3))
    draw(folder, 0, gradient)
    assert scan(RendersFolder.open(folder))["picture deviation"].iloc[0] > BLANK_DEVIATION
