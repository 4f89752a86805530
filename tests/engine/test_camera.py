import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.camera import (
    AMBIENT,
    COLOURS,
    DIRECTIONS,
    FACE,
    FRAME,
    JAW,
    PIVOT,
    SHOULDERS,
    STUDIO,
    Conditions,
    camera,
    lights,
    look_at,
    rotation,
    turned,
)
from facenn.engine.kernels.raster import project
from facenn.errors import ConfigError

Points = NDArray[np.float32]

NOSE = np.array([[0.0, 7.1, 1.6]], np.float32)
SIDE = 512


def on_picture(points: Points, conditions: Conditions) -> Points:
    """(N, 2) pixels of points in decimetres."""
    screen = np.empty_like(points)
    project(points, camera(conditions, lights(conditions)).view, np.float32(SIDE), screen)
    return screen[:, :2]


def after_turn(points: Points, conditions: Conditions) -> Points:
    moved = points.copy()
    turned(moved, np.zeros_like(moved), conditions)
    return moved


def cloud(count: int, low: float, high: float) -> Points:
    """Random points of heights between two values."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (count, 3))
    points[:, 1] = generator.uniform(low, high, count)
    return points.astype(np.float32)


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"yaw": 31.0}, "condition yaw: expected -30 to 30 degrees, got 31.0"),
    ({"pitch": -30.5}, "condition pitch: expected -30 to 30 degrees, got -30.5"),
    ({"roll": float("nan")}, "condition roll: expected -30 to 30 degrees, got nan"),
    ({"expression": (("smile", 1.1),)}, "got 1.1 of 'smile'"),
    ({"expression": (("smile", 0.5), ("grin", 0.5))}, "expected 0 to 1 of smile, jaw_open, brows_up, frown, blink, "
                                                      "got 0.5 of 'grin'"),
    ({"contrast": 2.1}, "condition contrast: expected 0 to 2, got 2.1"),
    ({"contrast": -0.1}, "condition contrast: expected 0 to 2, got -0.1"),
    ({"light": (1.0, -0.5, 1.0)}, "condition light: expected three numbers from 0 to 10, got (1.0, -0.5, 1.0)"),
    ({"light": (1.0, 1.0)}, "condition light: expected three numbers from 0 to 10, got (1.0, 1.0)"),
    ({"background": (1.2, 0.0, 0.0)}, "condition background: expected three numbers from 0 to 1, got (1.2, 0.0, 0.0)"),
    ({"light_yaw": 91.0}, "condition light_yaw: expected -90 to 90 degrees, got 91.0"),
    ({"light_pitch": -120.0}, "condition light_pitch: expected -90 to 90 degrees, got -120.0"),
    ({"distance": 0.2}, "condition distance: expected 0.3 to 10 metres, got 0.2"),
    ({"distance": 11.0}, "condition distance: expected 0.3 to 10 metres, got 11.0"),
])
def test_conditions_refuse_what_cannot_be_photographed(changed: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)) as refusal:
        Conditions(**changed)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_conditions_take_the_ends_of_their_ranges() -> None:
    for sign in (-30.0, 30.0):
        Conditions(yaw=sign, pitch=sign, roll=sign, contrast=0, distance=0.3)
    Conditions(expression=(("smile", 0.0), ("blink", 1.0)), contrast=2, distance=10)


def test_studio_lamps_are_those_that_are_written_down() -> None:
    lamps = lights(STUDIO)
    assert lamps.directions == pytest.approx(DIRECTIONS.astype(np.float32))
    assert lamps.colours == pytest.approx(COLOURS.astype(np.float32))
    assert lamps.ambient == pytest.approx([AMBIENT] * 3)
    assert np.linalg.norm(lamps.directions, axis=1) == pytest.approx(1)


def test_contrast_takes_light_from_the_key_and_gives_it_to_the_rest() -> None:
    flat, studio, hard = (lights(Conditions(contrast=contrast)) for contrast in (0.0, 1.0, 2.0))
    assert (flat.colours[0] < studio.colours[0]).all()
    assert (studio.colours[0] < hard.colours[0]).all()
    for lamp in (1, 2, 3):
        assert (hard.colours[lamp] < 0.2 * studio.colours[lamp]).all()
    assert (flat.colours[1:] < 0.2 * studio.colours[1:]).all()
    assert (flat.ambient > studio.ambient).all()
    assert (studio.ambient > hard.ambient).all()
    assert min(hard.ambient) > 0


def test_colour_of_the_light_counts_for_every_lamp() -> None:
    candle = (1.0, 0.6, 0.3)
    warm, white = lights(Conditions(light=candle)), lights(STUDIO)
    assert warm.colours == pytest.approx(white.colours * np.array(candle, np.float32))
    assert warm.ambient == pytest.approx(white.ambient * np.array(candle, np.float32))


def test_lamps_move_to_the_right_and_up_together() -> None:
    studio, right, up = (lights(c).directions for c in (STUDIO, Conditions(light_yaw=25), Conditions(light_pitch=25)))
    front = studio[:, 2] > 0
    assert (right[front, 0] > studio[front, 0]).all()
    assert right[:, 1] == pytest.approx(studio[:, 1])
    assert (up[front, 1] > studio[front, 1]).all()
    assert studio @ studio.T == pytest.approx(right @ right.T, abs=1e-6)


def test_shadow_map_looks_along_the_key_light() -> None:
    for conditions in (STUDIO, Conditions(light_yaw=20, light_pitch=-10)):
        lamps = lights(conditions)
        matrix, key = camera(conditions, lamps).light, lamps.directions[0]
        ray = np.array([0, 7.3, 0.6], np.float32) + np.linspace(-1, 1, 5, dtype=np.float32)[:, None] * key
        screen = np.empty_like(ray)
        project(ray.astype(np.float32), matrix, np.float32(100), screen)
        assert screen[:, :2] == pytest.approx(50, abs=1e-2)
        assert (np.diff(screen[:, 2]) < 0).all()


@pytest.mark.parametrize("distance", [0.3, 1.12, 10.0])
def test_distance_keeps_the_size_of_the_face_and_changes_its_perspective(distance: float) -> None:
    conditions = Conditions(distance=distance)
    at_face = np.array([[-0.5, 7.3, FACE], [0.5, 7.3, FACE]], np.float32)
    behind = at_face - np.array([0, 0, 1.5], np.float32)
    width, width_behind = (np.ptp(on_picture(points, conditions)[:, 0]) for points in (at_face, behind))
    assert width == pytest.approx(SIDE / (2 * FRAME), rel=0.01)
    assert width_behind / width == pytest.approx(10 * distance / (10 * distance + 1.5), rel=0.01)


@pytest.mark.parametrize(("conditions", "axis", "sign"), [
    (Conditions(yaw=15), 0, 1), (Conditions(yaw=-15), 0, -1), (Conditions(pitch=15), 1, 1),
    (Conditions(pitch=-15), 1, -1), (Conditions(roll=15), 0, 1), (Conditions(roll=-15), 0, -1),
])
def test_head_turns_the_way_it_is_told(conditions: Conditions, axis: int, sign: int) -> None:
    """Yaw moves the nose to the picture's right, pitch down, roll the head clockwise."""
    moved = on_picture(after_turn(NOSE, conditions), STUDIO) - on_picture(NOSE, STUDIO)
    assert sign * moved[0, axis] > 20
    other = moved[0, 1 - axis]
    assert abs(other) < abs(moved[0, axis]) / 3


def test_normals_turn_with_the_head() -> None:
    high = np.array([[0, 8, 1.0]] * 3, np.float32)
    normals = np.eye(3, dtype=np.float32)
    conditions = Conditions(yaw=20, pitch=-10, roll=5)
    turned(high, normals, conditions)
    assert normals == pytest.approx(rotation(20, -10, 5).T, abs=1e-5)


@pytest.mark.parametrize("conditions", [Conditions(yaw=30), Conditions(pitch=-20, roll=10),
                                        Conditions(yaw=-12, pitch=9, roll=-30)])
def test_shoulders_stay_and_the_head_keeps_its_lengths(conditions: Conditions) -> None:
    below = cloud(50, 4.9, SHOULDERS)
    assert after_turn(below, conditions) == pytest.approx(below, abs=1e-5)
    above = cloud(50, JAW, 8.8)
    moved = after_turn(above, conditions)
    assert np.abs(moved - above).max() > 0.1
    before, after = (np.linalg.norm(points[:, None] - points[None], axis=2) for points in (above, moved))
    assert after == pytest.approx(before, abs=1e-4)


def test_neck_bends_without_a_jump() -> None:
    column = np.stack([np.full(200, 0.3), np.linspace(5.5, 7, 200), np.zeros(200)], 1).astype(np.float32)
    moved = after_turn(column, Conditions(yaw=30)) - column
    assert np.linalg.norm(np.diff(moved, axis=0), axis=1).max() < 0.01
    assert np.linalg.norm(moved[-1]) > 0.05


def test_pivot_stays_and_a_level_head_is_not_touched() -> None:
    pivot = PIVOT.astype(np.float32)[None]
    assert after_turn(pivot, Conditions(yaw=25, roll=-20)) == pytest.approx(pivot, abs=1e-5)
    points = cloud(20, 5, 8)
    assert np.array_equal(after_turn(points, replace(STUDIO, contrast=2.0)), points)


def test_rotation_is_a_rotation_and_undone_by_its_transpose() -> None:
    turn = rotation(21, -13, 8)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert rotation(0, 0, 0) == pytest.approx(np.eye(3))


def test_look_at_puts_the_target_straight_ahead() -> None:
    eye, target = np.array([1.0, 2, 3]), np.array([-2.0, 0, 1])
    matrix = look_at(eye, target)
    assert matrix @ [*eye, 1] == pytest.approx([0, 0, 0, 1])
    assert matrix @ [*target, 1] == pytest.approx([0, 0, -np.linalg.norm(target - eye), 1])
