"""One face as a JSON preset that an artist can read: a number per slider, an option per choice.

``{"facenn": 1, "character": ..., "version": 1, "parameters": {"nose.width": 0.4, "hair.style": "short"}}``
"""

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facenn.arrays import Vector
from facenn.errors import FormatError, MissingFileError, SchemaError
from facenn.files import replace_text
from facenn.schema import ParameterSchema

FORMAT = 1  # raised whenever the layout of a preset changes


def write_preset(path: Path, schema: ParameterSchema, vector: NDArray[Any]) -> None:
    """Write one face; sliders are kept to six digits.

    Args:
        path: where the preset will stand.
        schema: what the parameters mean.
        vector: (size,) sliders in [0, 1]; of each choice the largest entry counts.

    Raises:
        SchemaError: another length, or a slider outside of [0, 1].
    """
    parameters = schema.to_named(vector)
    schema.from_named(parameters)
    preset = {"facenn": FORMAT, "character": schema.character, "version": schema.version,
              "parameters": parameters}
    replace_text(path, json.dumps(preset, indent=1, ensure_ascii=False) + "\n")


def preset_character(path: Path) -> str:
    """Whose parameters a preset holds.

    Raises:
        MissingFileError: no such file.
        FormatError: not a preset of this format.
    """
    return str(_read(path)["character"])


def read_preset(path: Path, schema: ParameterSchema) -> Vector:
    """The (size,) vector of a preset.

    Raises:
        MissingFileError: no such file.
        FormatError: not a preset of this format.
        SchemaError: a preset of another character or version, or values that its schema refuses.
    """
    preset = _read(path)
    theirs, ours = (preset["character"], preset["version"]), (schema.character, schema.version)
    if theirs != ours:
        raise SchemaError(f"{path}: expected a preset of character {ours[0]} version {ours[1]}, "
                          f"got {theirs[0]} version {theirs[1]}")
    try:
        return schema.from_named(preset["parameters"])
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFileError(f"expected a preset at {path}, found no file")
    try:
        preset = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path}: expected a preset in JSON, got {error}") from None
    _check_layout(path, preset)
    return dict(preset)


def _check_layout(path: Path, preset: Any) -> None:
    keys = {"facenn", "character", "version", "parameters"}
    if not isinstance(preset, dict) or preset.keys() != keys or not isinstance(preset["parameters"], dict):
        raise FormatError(f"{path}: expected a preset with the keys {', '.join(sorted(keys))}")
    if preset["facenn"] != FORMAT:
        raise FormatError(f"{path}: expected a preset of format {FORMAT}, got {preset['facenn']!r}")
    for name, value in preset["parameters"].items():
        if not isinstance(value, int | float | str):
            raise FormatError(f"{path}: expected a number or an option for {name}, got {json.dumps(value)}")
