import numpy as np
import pytest

from facenn.engine import shading
from facenn.engine.head import Head, Part
from facenn.engine.looks import BROW_STYLES, LABELS, TEXTURE, SkinMaps


@pytest.fixture(scope="module")
def maps(head: Head, skin: Part) -> SkinMaps:
    return SkinMaps(head, skin)


def test_labels_of_materials_are_what_the_names_say() -> None:
    assert [LABELS[i] for i in shading.LABEL_OF_MATERIAL] == ["skin", "eye", "inner mouth", "cloth", "hair", "eye"]
    assert (LABELS[0], LABELS[shading.SKIN_LABEL]) == ("background", "skin")
    assert (LABELS[shading.BROW_LABEL], LABELS[shading.HAIR_LABEL]) == ("brow", "hair")


def test_texture_has_a_channel_for_all_that_is_painted(maps: SkinMaps) -> None:
    texture = maps.texture("natural")
    assert texture.shape == (TEXTURE, TEXTURE, 16)
    assert texture.dtype == np.uint8
    spread = np.ptp(texture.reshape(-1, 16)[::7], axis=0)
    assert (spread > 5).all()


def test_texture_labels_every_zone_of_the_skin(maps: SkinMaps) -> None:
    found = {LABELS[i] for i in np.unique(maps.texture("natural")[..., shading.LABEL])}
    assert found == {"skin", "nose", "upper lip", "lower lip", "inner mouth", "ear", "neck", "hair"}


def test_lips_of_the_texture_are_labelled_as_lips_or_mouth(maps: SkinMaps) -> None:
    texture = maps.texture("natural")
    labels = texture[..., shading.LABEL][texture[..., shading.LIPS] > 200]
    assert {LABELS[i] for i in np.unique(labels)} <= {"upper lip", "lower lip", "inner mouth"}


@pytest.mark.parametrize("style", BROW_STYLES)
def test_every_brow_style_draws_two_brows_of_its_own(maps: SkinMaps, style: str) -> None:
    brow = maps.texture(style)[..., shading.BROW].copy()
    assert 300 < (brow > 95).sum() < 5000
    others = [s for s in BROW_STYLES if s != style][:1]
    assert not np.array_equal(maps.texture(others[0])[..., shading.BROW], brow)


def test_texture_comes_back_when_a_style_is_chosen_again(maps: SkinMaps) -> None:
    natural = maps.texture("natural").copy()
    bushy = maps.texture("bushy").copy()
    assert np.array_equal(maps.texture("natural"), natural)
    differs = (natural != bushy).any((0, 1))
    assert np.flatnonzero(differs).tolist() == [shading.BROW]


def test_bushy_brows_cover_more_than_thin_ones(maps: SkinMaps) -> None:
    area = {style: int((maps.texture(style)[..., shading.BROW] > 95).sum()) for style in BROW_STYLES}
    assert max(area, key=lambda style: area[style]) == "bushy"
    assert min(area, key=lambda style: area[style]) == "thin"


def test_mask_at_finds_the_ears_at_the_sides_of_the_head(maps: SkinMaps, head: Head, skin: Part) -> None:
    inside = maps.mask_at("ears", skin.uv)
    positions = (skin.positions_of @ head.base)[skin.position]
    assert 100 < inside.sum() < len(inside) / 4
    assert np.abs(positions[inside, 0]).min() > 0.4
    assert (positions[inside, 1].min(), positions[inside, 1].max()) == pytest.approx((7.1, 7.5), abs=0.35)
