import sys
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from benchmarks.pasting import FINE, PARTS, Picture, Points, main, mask, pasted, table, warped
from facenn.images import SIDE
from facenn.networks.facemesh import LOWER_LID_MIDDLES, MESH, NOSE_TIP, UPPER_LID_MIDDLES

LEFT_LIDS = [UPPER_LID_MIDDLES[0], LOWER_LID_MIDDLES[0]]


@pytest.fixture(scope="module")
def points(face_points: Tensor) -> Points:
    found: Points = face_points[:MESH, :2].numpy().astype(np.float64)
    return found


@pytest.fixture(scope="module")
def photo(astronaut: Tensor) -> Picture:
    return astronaut.movedim(0, -1).numpy().astype(np.float64)


def test_warped_brings_points_to_others_and_leaves_the_border() -> None:
    across, down = np.meshgrid(np.arange(64.0), np.arange(64.0))
    picture = np.stack([across, down], -1)
    points = np.array([(20.0, 30.0), (40.0, 30.0), (30.0, 44.0)])
    onto = points + np.array([3, -2])
    moved = warped(picture, points, onto)
    for (x, y), source in zip(onto.astype(int), points, strict=True):
        assert moved[y, x] == pytest.approx(source)
    assert moved[0] == pytest.approx(picture[0]) and moved[:, -1] == pytest.approx(picture[:, -1])


def test_mask_covers_its_part(points: Points) -> None:
    pupil, tip = points[LEFT_LIDS].mean(0).astype(int), points[NOSE_TIP].astype(int)
    eyes, face = mask(points, "eyes"), mask(points, "face")
    assert eyes.shape == (SIDE, SIDE, 1)
    assert eyes[pupil[1], pupil[0]] > 0.7 and eyes[tip[1], tip[0]] < 0.05
    assert face[tip[1], tip[0]] > 0.99 and face[0, 0] == 0


def test_a_photo_of_the_picture_itself_changes_nothing(photo: Picture, points: Points) -> None:
    made = pasted(photo, points, photo, points)
    assert set(made) >= {"fit", "shape", "tone", *PARTS, *(f"detail finer than {finer} pixels" for finer in FINE)}
    assert max(np.abs(picture - photo).max() for picture in made.values()) < 1e-6


def test_parts_come_from_the_photo(photo: Picture, points: Points) -> None:
    made = pasted(photo, points, 0.5 * photo, points)
    (x, y), tip = points[LEFT_LIDS].mean(0).astype(int), points[NOSE_TIP].astype(int)
    assert made["eyes"][y, x] == pytest.approx(0.5 * photo[y, x], abs=0.08)
    assert made["eyes"][tip[1], tip[0]] == pytest.approx(photo[tip[1], tip[0]], abs=0.02)
    assert made["skin without them"][y, x] == pytest.approx(photo[y, x], abs=0.08)
    whole, detail = (float(np.abs(made[name] - photo).mean()) for name in ("face", "detail finer than 4 pixels"))
    assert 0 < detail < 0.2 * whole


def test_table_counts_who_comes_closer() -> None:
    text = table({"fit": [0.5, 0.6], "eyes": [0.4, 0.7]})
    assert "| nothing | 0.550 |  |" in text and "| eyes | 0.550 | 1 of 2 |" in text


def test_missing_fits_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
                                   ) -> None:
    for mood in ("neutral", "smiling"):
        (tmp_path / f"01_{mood}.jpg").write_bytes(b"not opened")
    monkeypatch.setattr(sys, "argv", ["pasting", str(tmp_path), "--fits", str(tmp_path / "fits")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pasting: expected fits by benchmarks/likeness.py")
