from pathlib import Path

import pytest

from facenn.exchange.original import original_schema

TABLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "unity" / "parameters.tsv"


def test_original_schema_has_95_bones_and_with_paint_99_entries() -> None:
    assert original_schema("male", painted=False).size == 95
    assert original_schema("male", painted=True).size == 99


def test_original_schema_keeps_the_dead_entries_in_their_places() -> None:
    columns = original_schema("female", painted=True).columns
    assert columns[82:95] == tuple(f"unused_{i}" for i in range(82, 95))
    assert not any(c.startswith("unused") for c in columns[:82])


def test_original_schema_stores_paint_behind_the_bones() -> None:
    columns = original_schema("female", painted=True).columns
    assert columns[95:] == ("paint.brow_strength", "paint.brow_style:Brow_01", "paint.brow_style:Brow_02",
                            "paint.brow_style:Brow_03")


@pytest.mark.parametrize("painted", [False, True])
def test_original_schema_of_both_shapes_only_adds_the_shape_at_the_end(painted: bool) -> None:
    one, both = original_schema("male", painted=painted), original_schema(None, painted=painted)
    assert both.columns == (*one.columns, "shape:male", "shape:female")


def test_original_schemas_differ_in_character_or_version() -> None:
    schemas = [original_schema(s, painted=p) for s in ("male", "female", None) for p in (False, True)]
    assert len({(s.character, s.version) for s in schemas}) == 6


def test_original_schema_names_known_parameters() -> None:
    columns = original_schema("female", painted=False).columns
    known = {0: "head.forehead_width", 14: "head.chin_mandible_depth", 29: "eye.size",
             40: "eye.eyeball_rotation", 56: "nose.root_depth", 76: "mouth.open_rotation",
             81: "ear.lobe_thickness"}
    assert {i: columns[i] for i in known} == known


WORDS = {"PosX": "depth", "PosZ": "height", "SclY": "width", "SclZ": "thickness", "Rot": "rotation"}


def moves(bones: str) -> str:
    """What a slider does, told from the bone channels that it drives."""
    channels = [bone.rpartition(".")[2] for bone in bones.split(" + ")]
    match sorted(set(channels)):
        case ["PosY"]:
            return "sideways" if len(channels) == 1 else "spacing"
        case [one]:
            return WORDS[one]
        case several:
            return "rotation" if "Rot" in several else "size"


def test_original_schema_names_every_bone_slider_by_what_it_moves() -> None:
    if not TABLE.is_file():
        pytest.skip(f"{TABLE.name} of the original not present")
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    columns = original_schema("female", painted=True).columns
    assert len(rows) == len(columns)
    for row, column in zip(rows[:82], columns[:82], strict=True):
        part = row[2].split()[0].removesuffix("s")
        assert part in column, (row, column)
        if column != "mouth.open_overwritten":
            assert column.endswith(moves(row[6])), (row, column)
