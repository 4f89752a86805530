from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from facenn.engine.head.asset import (
    ASSET,
    EYEBALLS,
    LASHES,
    MOUTH,
    Head,
    Part,
    azimuth_elevation,
    below_collar,
    eyeball,
    fit_sphere,
    hairline,
    recession,
)
from facenn.engine.head.mesh import triangle_normals
from facenn.engine.head.sliders import ANCESTRIES, COMPOSED, EXPRESSIONS, SHAPE_SLIDERS
from facenn.errors import FormatError, MissingFileError

MIRROR = np.array([-1, 1, 1])


def weights(head: Head, name: str, value: float) -> NDArray[np.float32]:
    vector = np.zeros(len(head.names), np.float32)
    vector[head.names.index(name)] = value
    return vector


TWO_SIDED = [*(s.name for s in SHAPE_SLIDERS), "person.gender", "chin.jowls"]
ONE_SIDED = ["person.age", *(f"person.{a}" for a in ANCESTRIES), *(f"expression.{name}" for name in EXPRESSIONS)]


def test_head_has_a_displacement_for_every_slider_and_expression(head: Head) -> None:
    assert head.names == (*(s.name for s in SHAPE_SLIDERS), *COMPOSED, *(f"expression.{name}" for name in EXPRESSIONS))
    assert sorted(head.names) == sorted(TWO_SIDED + ONE_SIDED)


def test_sliders_are_94_with_unique_names() -> None:
    names = [s.name for s in SHAPE_SLIDERS]
    assert len(set(names)) == len(names) == 94
    assert all(s.label and 0 < s.gain <= 1.2 for s in SHAPE_SLIDERS)


def test_tooltip_of_a_slider_names_it_and_says_what_its_ends_mean() -> None:
    for slider in SHAPE_SLIDERS:
        label, ends = slider.tooltip.split(": ")
        assert label == slider.label
        assert len(ends.split(" to ")) == 2


def test_shape_without_weights_is_the_base(head: Head) -> None:
    assert np.array_equal(head.shape(np.zeros(len(head.names), np.float32)), head.base)


@pytest.mark.parametrize("name", ["nose.hump", "person.gender", "mouth.scale_horiz"])
def test_shape_is_linear_on_either_side_of_neutral(head: Head, name: str) -> None:
    for sign in (-1, 1):
        half, full = (head.shape(weights(head, name, sign * w)) - head.base for w in (0.5, 1))
        assert np.abs(full - 2 * half).max() < 1e-5
        assert np.abs(full).max() > 0.01


@pytest.mark.parametrize("name", ONE_SIDED)
def test_one_sided_sliders_ignore_what_is_below_neutral(head: Head, name: str) -> None:
    assert np.array_equal(head.shape(weights(head, name, -1)), head.base)
    assert np.abs(head.shape(weights(head, name, 1)) - head.base).max() > 0.02


def test_every_slider_moves_the_head_in_both_directions(head: Head) -> None:
    for name in TWO_SIDED:
        for value in (-1, 1):
            moved = np.abs(head.shape(weights(head, name, value)) - head.base).max()
            assert 0.005 < moved < 1.5, (name, value, moved)


def test_head_is_symmetric_and_stays_so_under_every_slider(head: Head) -> None:
    distance, twin = cKDTree(head.base * MIRROR).query(head.base)
    assert np.max(distance) < 0.02
    for name in head.names:
        moved = head.shape(weights(head, name, 1)) - head.base
        assert np.abs(moved - (moved * MIRROR)[twin]).max() < 0.03, name


@pytest.mark.parametrize("name", ["person.gender", "person.age", "neck.scale_vert", "person.asian"])
def test_sliders_of_the_whole_body_leave_the_eyes_in_their_place(head: Head, name: str) -> None:
    eyes = np.concatenate([head.vertices_of(group) for group in EYEBALLS])
    moved = head.shape(weights(head, name, 1)) - head.base
    assert np.abs(moved[eyes].mean(0)).max() < 0.005


@pytest.mark.parametrize(("name", "low", "high"), [
    ("smile", 6.0, 7.5), ("jaw_open", 5.0, 7.2), ("brows_up", 7.2, 8.4), ("frown", 7.2, 8.2), ("blink", 7.0, 7.7)])
def test_expression_moves_its_own_part_of_the_face(head: Head, name: str, low: float, high: float) -> None:
    moved = np.linalg.norm(head.shape(weights(head, f"expression.{name}", 1)) - head.base, axis=1)
    far = head.base[moved > 0.25 * moved.max(), 1]
    assert low < far.min() < far.max() < high


def test_jowls_and_age_leave_the_brows_to_their_own_sliders(head: Head) -> None:
    moved = np.linalg.norm(head.shape(weights(head, "chin.jowls", 1)) - head.base, axis=1)
    assert moved[head.base[:, 1] > 7.2].max() < 0.2 * moved.max()


def test_lip_side_tells_upper_from_lower_lip(head: Head) -> None:
    side, height = head.lip_side(), head.base[:, 1]
    assert height[side > 0.02].mean() > height[side < -0.02].mean()


@pytest.mark.parametrize("group", ["body", *EYEBALLS, *LASHES, *MOUTH])
def test_part_is_an_average_of_the_head_with_valid_triangles(head: Head, group: str) -> None:
    part = head.part(group)
    assert np.allclose(part.positions_of.sum(1), 1)
    positions = part.positions_of @ head.base
    assert len(part.position) == len(part.uv)
    assert set(np.unique(part.triangles)) == set(range(len(part.uv)))
    assert np.array_equal(part.position[part.triangles], part.position_triangles)
    low, high = head.base.min(0), head.base.max(0)
    assert ((positions >= low - 1e-6) & (positions <= high + 1e-6)).all()
    assert ((part.uv >= 0) & (part.uv <= 1)).all()


def test_skin_normals_are_unit_and_the_nose_points_forward(head: Head, skin: Part) -> None:
    positions = skin.positions_of @ head.base
    normals = skin.normals(positions)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-3)
    tip = positions[:, 2].argmax()
    assert abs(positions[tip, 0]) < 0.02
    assert normals[tip, 2] > 0.9


def test_seen_triangles_include_the_face_but_not_the_inside(head: Head, skin: Part) -> None:
    assert head.seen.shape == (len(skin.triangles),)
    positions = skin.positions_of @ head.base
    centre = positions[skin.position_triangles].mean(1)
    facing = triangle_normals(positions, skin.position_triangles)[:, 2] > 0
    x, y, z = np.abs(centre).T
    cheek = facing & (np.abs(x - 0.4) < 0.1) & (np.abs(y - 7.0) < 0.1) & (z > 1)
    assert cheek.sum() > 20
    assert head.seen[cheek].all()
    throat = (x < 0.3) & (np.abs(y - 6.85) < 0.4) & (np.abs(z - 0.1) < 0.3)
    assert throat.sum() > 20
    assert head.seen[throat].mean() < 0.5
    assert 0.3 < head.seen.mean() < 0.97


def test_occlusion_is_darker_inside_the_nostrils_than_on_the_forehead(head: Head, skin: Part) -> None:
    x, y, z = (skin.positions_of @ head.base).T
    forehead = (np.abs(x) < 0.3) & (np.abs(y - 7.8) < 0.1) & (z > 0.8)
    mouth = head.occlusion < 0.1
    assert head.occlusion[forehead].min() > 0.8
    assert mouth.any()
    assert ((head.occlusion >= 0) & (head.occlusion <= 1)).all()


def test_head_says_that_there_is_no_asset(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="build-head"):
        Head(tmp_path / "head.npz")


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "flipped", "keyless"])
def test_head_refuses_a_damaged_asset(tmp_path: Path, damage: str) -> None:
    path, whole = tmp_path / "head.npz", ASSET.read_bytes()
    middle = len(whole) // 2
    if damage == "keyless":
        np.savez(path, names=np.array(["nose.hump"]))
    else:
        path.write_bytes({
            "empty": b"", "text": b"not an archive", "truncated": whole[:middle],
            "flipped": whole[:middle] + bytes(255 - b for b in whole[middle:middle + 64]) + whole[middle + 64:],
        }[damage])
    with pytest.raises(FormatError, match=r"head\.npz: expected a head asset"):
        Head(path)


def test_azimuth_is_zero_in_front_and_the_same_on_both_sides() -> None:
    directions = np.array([[0.0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 1, 1]])
    azimuth, elevation = azimuth_elevation(directions)
    assert azimuth.tolist() == pytest.approx([0, 90, 90, 180, 0])
    assert elevation.tolist() == pytest.approx([0, 0, 0, 0, 45], abs=1e-3)


def test_hairline_is_high_in_front_and_low_behind() -> None:
    front, side, back = hairline(np.array([0.0, 90, 180]))
    assert front > side > back


def test_hair_recedes_most_at_the_temples_and_not_behind_the_ears() -> None:
    middle, temple, ear, back = recession(np.array([0.0, 34, 66, 180]))
    assert temple > middle > 0
    assert ear == back == 0


def test_below_collar_is_positive_for_the_chest_only() -> None:
    assert (below_collar(np.array([[0, 5.5, 0.1], [0, 7.0, 1.0]])) > 0).tolist() == [True, False]


def test_eyeball_is_a_unit_sphere_seen_from_outside() -> None:
    vertices, triangles = eyeball()
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(1, abs=1e-6)
    normals = triangle_normals(vertices, triangles)
    outwards = (normals * vertices[triangles].mean(1)).sum(1)
    proper = np.linalg.norm(normals, axis=1) > 1e-6
    assert (outwards[proper] > 0).all()
    assert vertices[0].tolist() == [0, 0, 1]


def test_fit_sphere_recovers_a_planted_sphere() -> None:
    generator = np.random.default_rng(0)
    directions = generator.standard_normal((50, 3))
    points = [1.0, -2.0, 3.0] + 0.7 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    centre, radius = fit_sphere(points)
    assert centre == pytest.approx([1, -2, 3])
    assert radius == pytest.approx(0.7)
