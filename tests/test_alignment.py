"""A photo becomes an upright crop, or a refusal that says why."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from facenn.alignment import AlignedFace, align, continued_crop, framing, pose
from facenn.errors import PhotoError
from facenn.images import read_image, to_pixels, to_tensor
from facenn.networks.facemesh import (
    LEFT_MOUTH_CORNER,
    NOSE_TIP,
    OUTER_EYE_CORNERS,
    PUPILS,
    RIGHT_MOUTH_CORNER,
    STABLE,
)
from facenn.networks.landmarks import FaceFinder

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def face(finder: FaceFinder, astronaut: Tensor) -> Tensor:
    """(478, 3) the astronaut's landmarks."""
    square = finder.settle(astronaut, finder.detect(astronaut)[:1])
    return finder.landmarks(astronaut[None], square)[0][0].detach()


@pytest.fixture(scope="module")
def frame(face: Tensor) -> Tensor:
    """(478, 2) those landmarks as a portrait of 512 pixels would have them."""
    flat = face[:, :2] - face[NOSE_TIP, :2]
    return flat * 118 / float((flat[PUPILS[1]] - flat[PUPILS[0]]).norm()) + torch.tensor([256.0, 300.0])


def around_vertical(points: Tensor, degrees: float) -> Tensor:
    """The same head looking so many degrees farther to the picture's right."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turned(photo: Tensor, degrees: float) -> Tensor:
    picture = Image.fromarray(to_pixels(photo))
    return to_tensor(np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(210, 210, 210))))


class Looking(FaceFinder):
    """A finder that sees every head turned further than it is."""

    def __init__(self, finder: FaceFinder, degrees: float) -> None:
        super().__init__(finder.blazeface, finder.facemesh, finder.iris)
        self.degrees = degrees

    def landmarks(self, pictures: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        points, presence = super().landmarks(pictures, squares)
        return torch.stack([around_vertical(p, self.degrees) for p in points]), presence


def misplaced(aligned: AlignedFace, frame: Tensor, chosen: Sequence[int]) -> float:
    where = list(chosen)
    return float((aligned.landmarks[where, :2] - frame[where]).norm(dim=-1).max())


def test_align_puts_the_astronaut_where_the_frame_is(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor
) -> None:
    aligned = align(astronaut, finder, frame=frame)
    assert aligned.picture.shape == (3, 512, 512) and aligned.landmarks.shape == (478, 3)
    assert aligned.faces == 1 and 40 < aligned.eye_distance < 46
    assert misplaced(aligned, frame, STABLE) < 1.0
    seen = finder.landmarks(aligned.picture[None], finder.square(aligned.landmarks[None]))[0][0]
    assert (seen - aligned.landmarks)[:, :2].norm(dim=-1).mean() < 2.5


def test_align_takes_another_size(finder: FaceFinder, astronaut: Tensor, frame: Tensor) -> None:
    aligned = align(astronaut, finder, frame=frame / 2, size=256)
    whole = align(astronaut, finder, frame=frame).picture
    assert aligned.picture.shape == (3, 256, 256)
    assert (F.avg_pool2d(whole[None], 2)[0] - aligned.picture).abs().mean() < 0.01


def test_align_rights_a_turned_photo(finder: FaceFinder, london: Path, frame: Tensor) -> None:
    photo = read_image(london / "013_neutral.jpg")
    upright = align(photo, finder, frame=frame)
    for degrees in (25.0, -35.0):
        righted = align(turned(photo, degrees), finder, frame=frame)
        assert righted.roll - upright.roll == pytest.approx(-degrees, abs=1)
        assert (righted.landmarks - upright.landmarks)[:, :2].norm(dim=-1).mean() < 2
        assert (righted.picture - upright.picture)[:, 128:384, 128:384].abs().mean() < 0.015


def test_align_rights_a_turned_astronaut(finder: FaceFinder, astronaut: Tensor, frame: Tensor) -> None:
    upright, righted = (align(p, finder, frame=frame) for p in (astronaut, turned(astronaut, -20)))
    assert righted.roll - upright.roll == pytest.approx(20, abs=1.5)
    assert (righted.landmarks - upright.landmarks)[:, :2].norm(dim=-1).mean() < 3


def test_align_agrees_with_points_that_people_placed(finder: FaceFinder, london: Path, frame: Tensor) -> None:
    aligned = align(read_image(london / "042_neutral.jpg"), finder, frame=frame)
    placed = torch.tensor(json.loads((london / "042_points.json").read_text())[:2])
    pupils = aligned.landmarks[list(PUPILS), :2] @ aligned.to_photo[:, :2].T + aligned.to_photo[:, 2]
    assert (pupils - placed).norm(dim=-1).max() < 0.03 * aligned.eye_distance


def test_align_crops_a_large_photo_at_full_resolution(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor
) -> None:
    photo = torch.full((3, 1600, 2400), 0.6)
    photo[:, 1000:1512, 1700:2212] = astronaut
    here, there = align(astronaut, finder, frame=frame), align(photo, finder, frame=frame)
    assert (there.landmarks - here.landmarks)[:, :2].norm(dim=-1).mean() < 3
    assert there.eye_distance == pytest.approx(here.eye_distance, rel=0.02)
    assert (there.picture - here.picture)[:, 128:400, 128:384].abs().mean() < 0.02


def test_align_takes_the_largest_face_or_the_numbered_one(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor
) -> None:
    large = astronaut[:, :300, 80:380]
    small = F.interpolate(large[None], (240, 240), mode="area")[0]
    photo = torch.full((3, 300, 560), 0.6)
    photo[:, 30:270, :240], photo[:, :, 260:560] = small, large
    chosen = [align(photo, finder, frame=frame, face=number) for number in (None, 1, 2)]
    assert [c.faces for c in chosen] == [2, 2, 2]
    assert chosen[0].box == chosen[2].box
    assert chosen[1].box[2] < 240 < 260 < chosen[2].box[0]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_align_refuses_the_number_of_no_face(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor, number: int
) -> None:
    with pytest.raises(PhotoError, match=rf"got {number}: it shows 1 face$"):
        align(astronaut, finder, frame=frame, face=number)


def test_align_refuses_a_photo_without_a_face(finder: FaceFinder, astronaut: Tensor, frame: Tensor) -> None:
    with pytest.raises(PhotoError, match="upright face, found none"):
        align(astronaut[:, 250:], finder, frame=frame)


def test_align_refuses_a_small_face_with_both_numbers(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor
) -> None:
    small = F.interpolate(astronaut[None], (256, 256), mode="area")[0]
    with pytest.raises(PhotoError, match="expected 32 pixels or more between the pupils, measured 21"):
        align(small, finder, frame=frame)
    assert align(small, finder, frame=frame, min_eye_distance=20).faces == 1


@pytest.mark.parametrize(("degrees", "side"), [(50.0, "right"), (-50.0, "left")])
def test_align_refuses_a_face_that_looks_away(
    finder: FaceFinder, astronaut: Tensor, frame: Tensor, degrees: float, side: str
) -> None:
    with pytest.raises(PhotoError, match=rf"to the {side}: expected 35 degrees or less, measured [45]\d"):
        align(astronaut, Looking(finder, degrees), frame=frame)
    assert abs(align(astronaut, Looking(finder, degrees / 2), frame=frame).yaw) == pytest.approx(25, abs=4)


def test_pose_reads_planted_turns(face: Tensor) -> None:
    yaw, _, roll = pose(face)
    assert abs(yaw) < 10
    for degrees in (-40.0, 15.0, 30.0):
        assert pose(around_vertical(face, degrees))[0] == pytest.approx(yaw + degrees, abs=3)
    c, s = math.cos(0.3), math.sin(0.3)
    clockwise = face @ torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    assert pose(clockwise)[2] == pytest.approx(roll + math.degrees(0.3), abs=0.1)


def test_pose_changes_sign_in_a_mirror(finder: FaceFinder, astronaut: Tensor, frame: Tensor) -> None:
    here, there = (align(p, finder, frame=frame) for p in (astronaut, astronaut.flip(-1)))
    assert here.yaw == pytest.approx(-there.yaw, abs=3) and here.roll == pytest.approx(-there.roll, abs=1)
    assert here.pitch == pytest.approx(there.pitch, abs=5)


def test_framing_is_not_drawn_away_by_a_wide_mouth(face: Tensor, frame: Tensor) -> None:
    distance = float((face[PUPILS[1], :2] - face[PUPILS[0], :2]).norm())
    smiling = face.clone()
    smiling[LEFT_MOUTH_CORNER, :2] += torch.tensor([-0.3, -0.2]) * distance
    smiling[RIGHT_MOUTH_CORNER, :2] += torch.tensor([0.3, -0.2]) * distance
    calm, wide = (framing(p, frame, eye_distance=distance) for p in (face, smiling))
    moved = frame[[*OUTER_EYE_CORNERS, NOSE_TIP]] @ (wide - calm)[:, :2].T + (wide - calm)[:, 2]
    assert moved.norm(dim=-1).max() < 0.03 * distance


def test_framing_refuses_landmarks_of_another_kind(face: Tensor) -> None:
    with pytest.raises(PhotoError, match="expected 478 landmarks each, got 478 in the photo and 68"):
        framing(face, torch.zeros(68, 2), eye_distance=40)


def test_continued_crop_leaves_what_the_photo_shows_alone(astronaut: Tensor) -> None:
    inside = torch.tensor([[1.0, 0, 40], [0, 1, 30]])
    assert torch.allclose(continued_crop(astronaut, inside, 256), astronaut[:, 30:286, 40:296], atol=1e-5)
    outside = continued_crop(astronaut, torch.tensor([[1.0, 0, -64], [0, 1, 0]]), 256)
    assert torch.allclose(outside[:, :, 64:], astronaut[:, :256, :192], atol=1e-5)


def test_continued_crop_blurs_what_the_photo_does_not_show() -> None:
    stripes = (torch.arange(128) // 4 % 2).float()[:, None].expand(3, 128, 128).contiguous()
    seen = continued_crop(stripes, torch.tensor([[1.0, 0, -64], [0, 1, 0]]), 128)
    assert seen[:, 20:-20, 0].std() < 0.05 < seen[:, 20:-20, 100].std()
    assert bool(((seen >= 0) & (seen <= 1)).all())
