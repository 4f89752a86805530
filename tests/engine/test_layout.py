import subprocess
import sys
from enum import IntEnum

import numpy as np
import pytest

from facenn.engine import layout
from facenn.engine.characters import CHARACTERS
from facenn.engine.layout import (
    BROW_FRAME,
    CANVAS_FRAME,
    FIRST_ZONE,
    INTERPOLATED,
    LABEL_OF_MATERIAL,
    LABELS,
    SIGNED_CANVAS,
    SIGNED_TEXTURE,
    ZONES,
    Attribute,
    Brow,
    Canvas,
    Colour,
    Label,
    Material,
    Strength,
    Texture,
)
from facenn.engine.skin.brows import BROW_STYLES
from facenn.engine.skin.maps import SkinMaps


@pytest.mark.parametrize("table", [Label, Material, Attribute, Texture, Canvas, Brow, Colour, Strength])
def test_tables_count_from_zero_without_a_gap(table: type[IntEnum]) -> None:
    assert list(table) == list(range(len(table)))


def test_labels_are_the_names_of_their_numbers() -> None:
    assert LABELS[Label.BACKGROUND] == "background"
    assert LABELS[Label.UPPER_LIP] == "upper lip"
    assert len(LABELS) == len(Label)


def test_every_material_has_a_label() -> None:
    assert LABEL_OF_MATERIAL.keys() == set(Material)
    named = {material.name: LABELS[label] for material, label in LABEL_OF_MATERIAL.items()}
    assert named == {"SKIN": "skin", "EYE": "eye", "MOUTH": "inner mouth", "CLOTH": "cloth", "HAIR": "hair",
                     "LASH": "eye"}


def test_maps_have_the_channels_and_the_frames_of_their_tables(maps: SkinMaps) -> None:
    assert maps.texture.shape[-1] == len(Texture)
    assert maps.canvas.shape == (*CANVAS_FRAME.shape, len(Canvas))
    for style in BROW_STYLES:
        assert maps.brows(style).shape == (*BROW_FRAME.shape, len(Brow))


def test_brow_map_lies_on_the_canvas() -> None:
    assert CANVAS_FRAME.left <= BROW_FRAME.left < BROW_FRAME.right <= CANVAS_FRAME.right
    assert CANVAS_FRAME.low <= BROW_FRAME.low < BROW_FRAME.high <= CANVAS_FRAME.high


def test_zones_are_the_last_strengths(maps: SkinMaps) -> None:
    assert [f"LINES_{zone.upper()}" for zone in ZONES] == [entry.name for entry in list(Strength)[FIRST_ZONE:]]
    assert maps.canvas[..., Canvas.ZONE].max() == len(ZONES)


def test_numbers_are_not_interpolated() -> None:
    assert {c for c in Canvas if c >= INTERPOLATED} == {Canvas.ZONE, Canvas.PAINTED}
    assert set(SIGNED_CANVAS) <= set(list(Canvas)[:INTERPOLATED])
    assert Texture.LABEL not in SIGNED_TEXTURE


@pytest.mark.parametrize("name", CHARACTERS)
def test_looks_have_the_rows_of_their_tables(name: str) -> None:
    schema = CHARACTERS[name].schema
    look = CHARACTERS[name].look(schema.to_named(schema.neutral()))
    assert look.colours.shape == (len(Colour), 3)
    assert look.strengths.shape == (len(Strength),)
    assert np.isfinite(look.strengths).all()


def test_labels_are_known_without_a_compiler() -> None:
    lines = f"import sys, {layout.__name__}; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", lines], check=True)
