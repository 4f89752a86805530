"""Sex and age at first sight."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.images import read_image
from facenn.networks.frozen import load_traits
from facenn.networks.landmarks import FaceFinder
from facenn.networks.traits import TraitsNetwork

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def traits() -> TraitsNetwork:
    return load_traits(ROOT / "data" / "pretrained")


def points(finder: FaceFinder, photo: Tensor) -> Tensor:
    return finder.landmarks(photo[None], finder.settle(photo, finder.detect(photo)[:1]))[0]


def test_astronaut_is_a_woman_of_about_forty(traits: TraitsNetwork, finder: FaceFinder, astronaut: Tensor) -> None:
    seen = traits.of(astronaut[None], points(finder, astronaut))
    assert not seen.man
    assert 25 < seen.years < 55


def test_traits_are_the_same_in_a_mirror(traits: TraitsNetwork, finder: FaceFinder, astronaut: Tensor) -> None:
    here, there = (traits.of(photo[None], points(finder, photo)) for photo in
                   (astronaut, astronaut.flip(-1)))
    assert there.man == here.man
    assert abs(there.years - here.years) < 4


def test_traits_of_londoners_are_what_they_say(traits: TraitsNetwork, finder: FaceFinder, london: Path) -> None:
    with (london / "info.csv").open(encoding="utf-8", newline="") as lines:
        people = list(csv.DictReader(lines))[:12]
    with torch.no_grad():
        errors = []
        for person in people:
            photo = read_image(london / f"{person['id']}_neutral.jpg")
            seen = traits.of(photo[None], points(finder, photo))
            assert seen.man == (person["sex"] == "male")
            errors.append(abs(seen.years - float(person["age"])))
    assert np.mean(errors) < 6
