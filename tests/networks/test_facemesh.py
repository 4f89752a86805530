"""The landmarks by name: where they are on a face, and that no other module has numbers of its own."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from facenn.networks import facemesh
from facenn.networks.cropping import points_in_polygon
from facenn.networks.facemesh import (
    BROW_OUTLINES,
    CHEEK_EDGES,
    CHIN,
    EYE_CORNERS,
    EYE_OUTLINES,
    FACE_OVAL,
    FOREHEAD,
    INNER_EYE_CORNERS,
    IRISES,
    JAW_ANGLES,
    JAW_EDGES,
    LANDMARKS,
    LEFT_MOUTH_CORNER,
    LEVEL,
    LID_CONTOURS,
    LOWER_LID_MIDDLES,
    LOWER_LIDS,
    LOWER_LIP_BOTTOM,
    LOWER_LIP_TOP,
    MESH,
    MOUTH_CORNERS,
    MOUTH_OUTLINE,
    NOSE_BASE,
    NOSE_BRIDGE,
    NOSE_OUTLINE,
    NOSE_TIP,
    OUTER_EYE_CORNERS,
    PUPILS,
    RIGHT_MOUTH_CORNER,
    STABLE,
    TEMPLES,
    UPPER_LID_MIDDLES,
    UPPER_LIDS,
    UPPER_LIP_BOTTOM,
    UPPER_LIP_TOP,
)
from facenn.networks.landmarks import FaceFinder

ROOT = Path(__file__).resolve().parents[2]
PAIRS = (*LEVEL, PUPILS, UPPER_LID_MIDDLES, LOWER_LID_MIDDLES, JAW_ANGLES, JAW_EDGES,
         *zip(*UPPER_LIDS, strict=True), *zip(*LOWER_LIDS, strict=True), *zip(*BROW_OUTLINES, strict=True),
         *zip(*EYE_OUTLINES, strict=True), *zip(*LID_CONTOURS, strict=True))
MIDDLE = (FOREHEAD, NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, UPPER_LIP_TOP, UPPER_LIP_BOTTOM, LOWER_LIP_TOP,
          LOWER_LIP_BOTTOM, CHIN)


def numbers(value: object) -> Iterator[int]:
    """All numbers in a nested tuple."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from numbers(part)


NAMED = {name: set(numbers(value)) for name, value in vars(facemesh).items()
         if name.isupper() and name not in {"MESH", "LANDMARKS"}}


@pytest.fixture(scope="module")
def flat(face_points: Tensor) -> Tensor:
    """(478, 2) the astronaut's landmarks."""
    return face_points[:, :2]


def test_names_are_of_landmarks_that_there_are() -> None:
    assert all(found and min(found) >= 0 and max(found) < LANDMARKS for found in NAMED.values())
    assert {point for point in set().union(*NAMED.values()) if point >= MESH} == set(numbers(IRISES))
    assert len(set(numbers(IRISES))) == LANDMARKS - MESH


def test_left_is_the_pictures_left(flat: Tensor) -> None:
    for left, right in PAIRS:
        assert flat[left, 0] < flat[right, 0]
    for (outer, _), (left, right), side in zip(EYE_CORNERS, (EYE_CORNERS[0], EYE_CORNERS[1][::-1]), (0, 1),
                                               strict=True):
        assert flat[left, 0] < flat[PUPILS[side], 0] < flat[right, 0] and outer == OUTER_EYE_CORNERS[side]


def test_middle_line_runs_from_the_forehead_to_the_chin(flat: Tensor) -> None:
    heights = flat[list(MIDDLE), 1].tolist()
    assert all(above < below + 0.5 for above, below in pairwise(heights))  # closed lips touch
    assert heights[-1] - heights[0] > 2 * float(flat[OUTER_EYE_CORNERS[1], 0] - flat[OUTER_EYE_CORNERS[0], 0]) * 0.6
    for left, right in (OUTER_EYE_CORNERS, INNER_EYE_CORNERS, MOUTH_CORNERS, TEMPLES, CHEEK_EDGES):
        assert flat[left, 0] < flat[list(MIDDLE), 0].min() and flat[list(MIDDLE), 0].max() < flat[right, 0]


def test_upper_lids_are_above_the_pupils_and_lower_ones_below(flat: Tensor) -> None:
    for side in (0, 1):
        upper, lower = flat[list(UPPER_LIDS[side]), 1], flat[list(LOWER_LIDS[side]), 1]
        assert bool((upper < lower).all())  # each has its counterpart
        assert flat[UPPER_LID_MIDDLES[side], 1] < flat[PUPILS[side], 1] < flat[LOWER_LID_MIDDLES[side], 1]
        assert {UPPER_LID_MIDDLES[side], LOWER_LID_MIDDLES[side]} <= set(EYE_OUTLINES[side])


def test_lids_run_from_the_outer_corner_to_the_inner_one(flat: Tensor) -> None:
    for lids in (UPPER_LIDS, LOWER_LIDS):
        for (outer, inner), lid, sign in zip(EYE_CORNERS, lids, (1, -1), strict=True):
            assert bool((sign * flat[[outer, *lid, inner], 0].diff() > 0).all())


def test_irises_are_centres_within_their_borders(flat: Tensor) -> None:
    for (centre, *border), pupil in zip(IRISES, PUPILS, strict=True):
        assert centre == pupil
        assert (flat[border].mean(0) - flat[centre]).norm() < 0.2 * (flat[border] - flat[centre]).norm(dim=-1).mean()


@pytest.mark.parametrize(("outline", "within"), [
    (FACE_OVAL, (*MOUTH_OUTLINE, *EYE_OUTLINES[0], *EYE_OUTLINES[1], *NOSE_OUTLINE, *BROW_OUTLINES[0], *PUPILS)),
    (EYE_OUTLINES[0], PUPILS[:1]), (EYE_OUTLINES[1], PUPILS[1:]), (MOUTH_OUTLINE, (UPPER_LIP_BOTTOM, LOWER_LIP_TOP)),
    (NOSE_OUTLINE, (NOSE_TIP,))])
def test_outlines_surround_their_parts(flat: Tensor, outline: tuple[int, ...], within: tuple[int, ...]) -> None:
    assert len(set(outline)) == len(outline)
    corners = flat[list(outline)]
    assert bool(points_in_polygon(flat[list(within)], corners[None]).all())
    crossed = corners.roll(-1, 0) - corners
    turns = crossed[:, 0] * crossed.roll(-1, 0)[:, 1] - crossed[:, 1] * crossed.roll(-1, 0)[:, 0]
    angles = torch.atan2(turns, (crossed * crossed.roll(-1, 0)).sum(-1))
    assert abs(float(angles.sum())) == pytest.approx(2 * torch.pi, abs=1e-3)  # once around, in order


def test_the_faces_outline_has_the_points_that_are_called_after_it() -> None:
    edge = (FOREHEAD, CHIN, *TEMPLES, *CHEEK_EDGES, *JAW_ANGLES, *JAW_EDGES)
    assert set(edge) <= set(FACE_OVAL)
    for left, right in (TEMPLES, CHEEK_EDGES, JAW_ANGLES, JAW_EDGES):
        assert FACE_OVAL.index(left) + FACE_OVAL.index(right) == len(FACE_OVAL)  # as far from the forehead
    depth = [FACE_OVAL.index(right) for _, right in (TEMPLES, CHEEK_EDGES, JAW_ANGLES, JAW_EDGES)]
    assert depth == sorted(depth)


def test_lid_contours_start_at_the_outer_corner_with_the_lower_lid() -> None:
    for contour, (outer, inner), upper, lower in zip(LID_CONTOURS, EYE_CORNERS, UPPER_LIDS, LOWER_LIDS, strict=True):
        assert contour == (outer, *lower, inner, *upper)


def test_stable_points_are_those_of_level_pairs_and_of_the_middle() -> None:
    assert set(STABLE) == {*numbers(LEVEL), NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, FOREHEAD}
    assert (LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER) in LEVEL


def test_names_change_sides_in_a_mirror(finder: FaceFinder, astronaut: Tensor, flat: Tensor) -> None:
    photo = astronaut.flip(-1)
    squares = finder.settle(photo, finder.detect(photo)[:1])
    with torch.no_grad():
        seen = finder.landmarks(photo[None], squares)[0][0, :, :2]
    mirrored = torch.stack([astronaut.shape[2] - seen[:, 0], seen[:, 1]], -1)
    twins = [*PAIRS, *(pair[::-1] for pair in PAIRS), *((point, point) for point in MIDDLE)]
    here, there = (list(side) for side in zip(*twins, strict=True))
    eyes = float((flat[PUPILS[1]] - flat[PUPILS[0]]).norm())
    assert (flat[here] - mirrored[there]).norm(dim=-1).max() < 0.12 * eyes


# What holds landmarks is called so in modules that have to do with them.
HOLDER = re.compile(r"landmark|points|mesh|flat|fixed|frame|face", re.IGNORECASE)
COORDINATES = 3  # indices below are those of x, y and depth, of few photos or few sides
DISTINCT = {point for found in NAMED.values() for point in found if point > 9}


def bare(source: str) -> list[str]:
    """The places of a module where landmarks stand as bare numbers; none for modules that say nothing of landmarks.

    Such are the indices of what is called like landmarks, also by a constant of the module, collections of numbers that
    are all below the number of landmarks with one among them that has a name, and the counts 468 and 478.
    """
    if not re.search("landmark|facemesh", source, re.IGNORECASE):
        return []
    tree = ast.parse(source)
    own = {target.id: node.value for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
           if isinstance(target, ast.Name)}

    def whole(node: ast.AST) -> list[int]:
        if isinstance(node, ast.Name) and node.id in own and isinstance(own[node.id], ast.Constant):
            node = own[node.id]
        return [node.value] if isinstance(node, ast.Constant) and type(node.value) is int else []

    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and HOLDER.search(ast.unparse(node.value)):
            wrong = any(COORDINATES < number < LANDMARKS for part in index_parts(node.slice) for number in whole(part))
        elif isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            listed = [number for part in parts if part is not None for number in whole(part)]
            wrong = (0 < len(parts) == len(listed) and min(listed) >= 0 and max(listed) < LANDMARKS
                     and bool(DISTINCT & {*listed}))
        else:
            wrong = isinstance(node, ast.Constant) and type(node.value) is int and node.value in (MESH, LANDMARKS)
        if wrong:
            found.append(f"{node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return found


def index_parts(node: ast.AST) -> Iterator[ast.AST]:
    """The indices of a subscript: its dimensions, and the entries of lists of numbers."""
    if isinstance(node, ast.Tuple | ast.List):
        for part in node.elts:
            yield from index_parts(part)
    elif isinstance(node, ast.Slice):
        yield from (end for end in (node.lower, node.upper) if end is not None)
    else:
        yield node


def test_no_other_module_has_bare_numbers_of_landmarks() -> None:
    modules = [path for room in ("facenn", "flows", "benchmarks") for path in (ROOT / room).rglob("*.py")
               if path != ROOT / "facenn/networks/facemesh.py"]
    assert len(modules) > 100
    assert {str(path.relative_to(ROOT)): found for path in modules if (found := bare(path.read_text()))} == {}


@pytest.mark.parametrize("line", [
    "CORNERS = (33, 263)", "JAW = {397: 0.043, 365: 0.073}", "tip = landmarks[:, 4, :2]", "x = points[[5, 195]]",
    "TIP = 4\ny = face_points[TIP]", "mesh = landmarks[:468]", "frame = torch.zeros(478, 2)", "a, b = 10, 152",
    "for left, right in [(61, 291)]: pass"])
def test_a_bare_number_would_be_seen(line: str) -> None:
    assert bare(f"# of landmarks\n{line}\n")


@pytest.mark.parametrize("line", [
    "flat = landmarks[..., :2]", "depth = points[:, 2:]", "FINE = (4, 8, 16)", "size = (256, 3)", "SIDE = 512",
    "PARTS = {'eyes': (OUTLINE, 0.35, 4)}", "x, y = points[TIP, 0], points[TIP, 1]", "picture = pixels[64:128]"])
def test_other_numbers_may_stand(line: str) -> None:
    assert bare(f"# of landmarks\n{line}\n") == []


def test_modules_without_landmarks_have_numbers_of_their_own() -> None:
    assert bare("POINTS = 468\nCURVE = (33, 263)\n") == []
