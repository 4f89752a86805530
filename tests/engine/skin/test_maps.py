import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.head.asset import Head, Part
from facenn.engine.layout import LABELS, SIGNED_TEXTURE, Brow, Texture
from facenn.engine.skin import canvas
from facenn.engine.skin.brows import BROW_STYLES
from facenn.engine.skin.maps import TEXTURE, SkinMaps


def channel(maps: SkinMaps, name: str) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = maps.texture[..., Texture[name]]
    return values


def at(maps: SkinMaps, head: Head, skin: Part, name: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Positions of the seen render vertices in decimetres, and a channel's value at each."""
    seen = np.unique(skin.triangles[head.seen])
    row, column = ((1 - skin.uv[seen, 1]) * TEXTURE).astype(int), (skin.uv[seen, 0] * TEXTURE).astype(int)
    positions = (skin.positions_of @ head.base)[skin.position[seen]]
    return positions, channel(maps, name)[np.clip(row, 0, TEXTURE - 1), np.clip(column, 0, TEXTURE - 1)]


def test_texture_has_a_channel_for_all_that_is_painted(maps: SkinMaps) -> None:
    assert maps.texture.shape == (TEXTURE, TEXTURE, len(Texture))
    assert maps.texture.dtype == np.uint8
    spread = np.ptp(maps.texture.reshape(-1, len(Texture))[::7], axis=0)
    assert (spread > 5).all()


def test_what_no_skin_covers_is_bare(maps: SkinMaps) -> None:
    """The corner of the texture: signed channels say 0, the label skin, no other channel anything."""
    bare = np.zeros(len(Texture), np.uint8)
    bare[list(SIGNED_TEXTURE)], bare[Texture.LABEL] = 128, LABELS.index("skin")
    assert np.array_equal(maps.texture[0, 0], bare)


def test_texture_labels_every_zone_of_the_skin_that_no_slider_moves(maps: SkinMaps) -> None:
    found = {LABELS[i] for i in np.unique(channel(maps, "LABEL"))}
    assert found == {"skin", "nose", "upper lip", "lower lip", "inner mouth", "ear", "neck"}


def test_lips_of_the_texture_are_labelled_as_lips_or_mouth(maps: SkinMaps) -> None:
    labels = channel(maps, "LABEL")[channel(maps, "LIPS") > 200]
    assert {LABELS[i] for i in np.unique(labels)} <= {"upper lip", "lower lip", "inner mouth"}


@pytest.mark.parametrize("name", ["JAW", "MOUSTACHE", "CHIN"])
def test_beard_grows_below_the_nose_and_not_on_the_lips(maps: SkinMaps, head: Head, skin: Part, name: str) -> None:
    assert channel(maps, name).max() > 200
    assert channel(maps, name)[channel(maps, "LIPS") > 200].max() < 10
    positions, values = at(maps, head, skin, name)
    grows = positions[values > 128]
    assert len(grows) > 50
    assert grows[:, 1].max() < 7.2
    assert np.abs(grows[:, 0].mean()) < 0.05


def test_parts_of_a_beard_have_their_own_places(maps: SkinMaps, head: Head, skin: Part) -> None:
    height, width = {}, {}
    for name in ("JAW", "MOUSTACHE", "CHIN"):
        positions, values = at(maps, head, skin, name)
        height[name], width[name] = positions[values > 128, 1].mean(), np.abs(positions[values > 128, 0]).mean()
    assert height["MOUSTACHE"] > height["CHIN"] + 0.2
    assert width["JAW"] > 2 * max(width["MOUSTACHE"], width["CHIN"])


def test_scalp_is_hair_on_top_and_skin_in_the_face(maps: SkinMaps, head: Head, skin: Part) -> None:
    for name in ("SCALP", "RECEDED"):
        positions, values = at(maps, head, skin, name)
        y, z = positions[:, 1], positions[:, 2]
        assert values[(y > 8.3) & (z < 0.4)].min() > 150
        assert values[(y < 7.5) & (z > 1.0)].max() < 100
        assert values[(y < 6.5)].max() < 5


def test_temples_recede_and_nothing_else_gains_hair(maps: SkinMaps, head: Head, skin: Part) -> None:
    positions, full = at(maps, head, skin, "SCALP")
    receded = at(maps, head, skin, "RECEDED")[1]
    lost = full.astype(int) - receded
    assert lost.min() >= 0
    behind = positions[:, 2] < -0.2
    assert lost[behind].max() <= 1
    x, y = np.abs(positions[:, 0]), positions[:, 1]
    temple = (x > 0.35) & (x < 0.55) & (y > 7.95) & (positions[:, 2] > 0.5)
    assert temple.sum() > 10
    assert lost[temple].mean() > 30


def test_brows_come_back_when_a_style_is_chosen_again(maps: SkinMaps) -> None:
    natural, bushy = maps.brows("natural"), maps.brows("bushy")
    assert maps.brows("natural") is natural
    assert not np.array_equal(natural, bushy)


def test_every_brow_style_is_drawn_from_a_seed_of_its_own(maps: SkinMaps) -> None:
    drawn = [maps.brows(style)[..., Brow.HAIRS] for style in BROW_STYLES]
    assert len({hairs.tobytes() for hairs in drawn}) == len(BROW_STYLES)


def test_canvas_is_that_of_the_face(maps: SkinMaps) -> None:
    assert np.array_equal(maps.canvas, canvas.face_canvas())


def test_mask_at_finds_the_ears_at_the_sides_of_the_head(maps: SkinMaps, head: Head, skin: Part) -> None:
    inside = maps.mask_at("ears", skin.uv)
    positions = (skin.positions_of @ head.base)[skin.position]
    assert 100 < inside.sum() < len(inside) / 4
    assert np.abs(positions[inside, 0]).min() > 0.4
    assert (positions[inside, 1].min(), positions[inside, 1].max()) == pytest.approx((7.1, 7.5), abs=0.35)
