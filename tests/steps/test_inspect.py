import csv
from pathlib import Path

import pytest

from facenn.engine.characters import character
from facenn.errors import ConfigError
from facenn.images import read_pixels
from facenn.steps.inspect import COLUMNS, inspect


def test_inspect_writes_a_sheet_per_group_and_ranks_the_sliders(tmp_path: Path) -> None:
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "horns.png").write_bytes(b"of another character")
    progress: list[int] = []
    found = inspect("classic", tmp_path, side=32, progress=progress.append)
    schema = character("classic").schema
    assert progress == list(range(1, len(schema.sliders) + 2))
    assert {p.stem for p in found.sheets} == {group.lower() for group in schema.groups}
    assert sorted((tmp_path / "sheets").iterdir()) == sorted(found.sheets)
    for sheet in found.sheets:
        assert read_pixels(sheet).shape[1] > min(COLUMNS, 3) * 32
    values = list(found.visibilities.values())
    assert values == sorted(values)
    assert len(values) == len(schema.sliders)
    assert [name for name, value in found.visibilities.items() if value < 0.05] == list(found.faint)
    with found.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slider"] for row in rows] == list(found.visibilities)
    assert float(rows[-1]["visibility"]) == pytest.approx(values[-1], abs=1e-3)


def test_inspect_names_the_characters_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of the embedded characters"):
        inspect("hero", tmp_path / "new", side=32, progress=lambda done: None)
    assert not (tmp_path / "new").exists()
