import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.exchange.presets import read_preset, write_preset
from facenn.schema import Choice, ParameterSchema, Slider

SLIDERS = (Slider("nose.width", "nose", "Width"), Slider("nose.hump", "nose", "Hump"))
HAIR = Choice("hair", "hair", "Hair", options=("short", "long"), neutral="short")
SCHEMA = ParameterSchema(character="test", version=3, sliders=SLIDERS, choices=(HAIR,))
FACE = np.array([0.25, 1, 0, 1], np.float32)


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "face.json"
    write_preset(path, SCHEMA, FACE)
    return path


def edit(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_preset_is_readable_by_an_artist(preset: Path) -> None:
    assert json.loads(preset.read_text()) == {
        "facenn": 1,
        "character": "test",
        "version": 3,
        "parameters": {"nose.width": 0.25, "nose.hump": 1.0, "hair": "long"},
    }


def test_preset_gives_back_the_face_to_six_digits(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        face = SCHEMA.sample(generator)
        write_preset(tmp_path / "face.json", SCHEMA, face)
        np.testing.assert_allclose(read_preset(tmp_path / "face.json", SCHEMA), face, atol=6e-7)


def test_write_preset_refuses_a_slider_outside_of_its_range(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"nose\.hump"):
        write_preset(tmp_path / "face.json", SCHEMA, np.array([0.25, 1.5, 0, 1]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("character", "version"), [("other", 3), ("test", 2)])
def test_read_preset_refuses_another_character_or_version(preset: Path, character: str, version: int) -> None:
    other = ParameterSchema(character=character, version=version, sliders=SLIDERS, choices=(HAIR,))
    with pytest.raises(SchemaError, match=rf"face\.json: .* {character} version {version}, got test"):
        read_preset(preset, other)


def test_read_preset_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"face\.json"):
        read_preset(tmp_path / "face.json", SCHEMA)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00", '{"facenn": 1}'])
def test_read_preset_refuses_what_is_no_preset(preset: Path, text: str) -> None:
    preset.write_text(text)
    with pytest.raises(FormatError, match=r"face\.json: expected a preset"):
        read_preset(preset, SCHEMA)


def test_read_preset_refuses_another_format(preset: Path) -> None:
    edit(preset, facenn=2)
    with pytest.raises(FormatError, match=r"face\.json: expected a preset of format 1, got 2"):
        read_preset(preset, SCHEMA)


@pytest.mark.parametrize("value", [None, [0.5], {"x": 1}])
def test_read_preset_refuses_a_value_that_is_neither_number_nor_option(preset: Path, value: Any) -> None:
    edit(preset, parameters={"nose.width": 0.25, "nose.hump": value, "hair": "long"})
    with pytest.raises(FormatError, match=r"face\.json: expected a number or an option for nose\.hump"):
        read_preset(preset, SCHEMA)


@pytest.mark.parametrize(
    ("name", "value"), [("nose.hump", 1.5), ("nose.hump", float("nan")), ("hair", "bald"), ("nose.size", 0.5)]
)
def test_read_preset_names_the_file_when_the_schema_refuses_a_value(
    preset: Path, name: str, value: float | str
) -> None:
    edit(preset, parameters={"nose.width": 0.25, "nose.hump": 0.5, "hair": "long"} | {name: value})
    with pytest.raises(SchemaError, match=rf"face\.json: .*{name}"):
        read_preset(preset, SCHEMA)
