"""Finding faces and their 478 points."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.errors import CheckpointError, MissingFileError
from facenn.images import read_image
from facenn.networks.facemesh import MESH, PUPILS
from facenn.networks.landmarks import FaceFinder, load_finder

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED = ROOT / "data" / "pretrained"


def points(finder: FaceFinder, photo: Tensor) -> Tensor:
    return finder.landmarks(photo[None], finder.settle(photo, finder.detect(photo)[:1]))[0]


def test_detect_finds_the_astronaut_once(finder: FaceFinder, astronaut: Tensor) -> None:
    (face,) = finder.detect(astronaut)
    left, top, right, bottom = face.box.tolist()
    assert face.score > 0.8
    assert left < 204 < 247 < right and top < 102 < 141 < bottom
    assert (face.keypoints[:2] - torch.tensor([[204.0, 101], [247, 103]])).abs().max() < 10


def test_detect_finds_nothing_in_a_wall(finder: FaceFinder) -> None:
    wall = torch.rand(3, 200, 300, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.5
    assert finder.detect(wall) == []


def test_detect_finds_a_small_face_in_a_large_photo(finder: FaceFinder, astronaut: Tensor) -> None:
    photo = torch.full((3, 1500, 2400), 0.6)
    photo[:, 1100:1356, 1900:2156] = F.interpolate(astronaut[None], (256, 256), mode="area")[0]
    (face,) = finder.detect(photo)
    eyes = (face.keypoints[:2] - torch.tensor([1900, 1100])) * 2
    assert (eyes - torch.tensor([[204.0, 101], [247, 103]])).abs().max() < 12


def test_detect_finds_a_face_that_fills_the_photo(finder: FaceFinder, astronaut: Tensor) -> None:
    (face,) = finder.detect(astronaut[:, 70:180, 168:282])
    eyes = face.keypoints[:2] + torch.tensor([168, 70])
    assert (eyes - torch.tensor([[204.0, 101], [247, 103]])).abs().max() < 12


def test_detect_counts_two_people(finder: FaceFinder, astronaut: Tensor) -> None:
    assert len(finder.detect(torch.cat([astronaut, astronaut.flip(-1)], 2))) == 2


def test_landmarks_do_not_depend_on_the_size_of_the_photo(finder: FaceFinder, astronaut: Tensor) -> None:
    double = F.interpolate(astronaut[None], scale_factor=2, mode="bicubic").clamp(0, 1)[0]
    assert (points(finder, double) / 2 - points(finder, astronaut))[..., :2].norm(dim=-1).mean() < 0.6


def test_landmarks_of_a_batch_equal_those_of_its_pictures(finder: FaceFinder, astronaut: Tensor) -> None:
    square = finder.settle(astronaut, finder.detect(astronaut)[:1])
    pictures = torch.stack([astronaut, astronaut.roll((5, -9), (1, 2)), astronaut * 0.7])
    squares = square.repeat(3, 1, 1)
    squares[1, :, 2] += torch.tensor([-9, 5])
    together, presence = finder.landmarks(pictures, squares)
    alone = torch.cat([finder.landmarks(p[None], s[None])[0] for p, s in zip(pictures, squares, strict=True)])
    assert together.shape == (3, 478, 3) and bool((presence > 0.9).all())
    assert (together - alone).abs().max() < 1e-2
    assert (together[1, :, :2] - torch.tensor([-9, 5]) - together[0, :, :2]).abs().max() < 0.05


def test_landmarks_let_gradients_reach_the_picture(finder: FaceFinder, astronaut: Tensor) -> None:
    square = finder.settle(astronaut, finder.detect(astronaut)[:1])
    for chosen in (range(MESH), PUPILS):
        picture = astronaut[None].clone().requires_grad_()
        total = finder.landmarks(picture, square)[0][:, list(chosen), :2].sum()
        (gradient,) = torch.autograd.grad(total, picture)
        assert bool(gradient.isfinite().all())
        assert gradient[..., 73:178, 172:277].abs().sum() > 0
        assert gradient[..., 400:, :].abs().sum() == 0


def test_presence_is_low_where_there_is_no_face(finder: FaceFinder, astronaut: Tensor) -> None:
    square = finder.settle(astronaut, finder.detect(astronaut)[:1])
    square[0, :, 2] += torch.tensor([60, 250])
    assert finder.landmarks(astronaut[None], square)[1].item() < 0.5


def test_square_turns_with_the_points(finder: FaceFinder, astronaut: Tensor) -> None:
    face = points(finder, astronaut)
    quarter = torch.stack([-face[..., 1], face[..., 0], face[..., 2]], -1)
    straight, turned = finder.square(face)[0], finder.square(quarter)[0]
    assert (turned - torch.stack([-straight[1], straight[0]])).abs().max() < 1e-3


def test_square_follows_a_tracked_face(finder: FaceFinder, astronaut: Tensor) -> None:
    square = finder.settle(astronaut, finder.detect(astronaut)[:1], passes=4)
    again = finder.square(finder.landmarks(astronaut[None], square)[0])
    assert (again - square).abs().max() < 1.0


def test_pupils_are_where_people_put_them(finder: FaceFinder, london: Path) -> None:
    for person in ("001", "042", "068"):
        placed = torch.tensor(json.loads((london / f"{person}_points.json").read_text())[:2])
        found = points(finder, read_image(london / f"{person}_neutral.jpg"))[0, list(PUPILS), :2]
        assert (found - placed).norm(dim=-1).max() / (placed[1] - placed[0]).norm() < 0.03


def test_load_finder_names_the_damaged_file(tmp_path: Path) -> None:
    for name in ("blazeface", "facemesh", "iris"):
        (tmp_path / f"{name}.safetensors").write_bytes((PRETRAINED / f"{name}.safetensors").read_bytes())
    (tmp_path / "facemesh.safetensors").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"facemesh\.safetensors"):
        load_finder(tmp_path)


def test_load_finder_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"blazeface\.safetensors.*dvc pull"):
        load_finder(tmp_path)
