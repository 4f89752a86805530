from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from facenn.arrays import Floats
from facenn.making import examples as module
from facenn.making.examples import PART, Examples, examples_folder, load_examples, random_conditions
from facenn.people import random_vector
from facenn.schema import ParameterSchema


def look_at(index: int) -> dict[str, Floats | np.float32]:
    """What stands for a picture: sizes as small as possible, every seventh shows no face."""
    shapes = {"embedding": (4,), "points": (478, 2), "skin": (5, 3), "iris": (3,), "cover": (4, 4), "hair": (3,)}
    return {**{name: np.full(shape, index / 1000, np.float16) for name, shape in shapes.items()},
            "presence": np.float32(index % 7 != 0)}


class FakePool:
    """Stands for the processes."""

    drawn: list[int] = []  # noqa: RUF012 (emptied by the fixture)

    def __init__(self, workers: int, initializer: object) -> None:
        pass

    def __enter__(self) -> "FakePool":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, draw: object, folder: Path, start: int) -> "Future[int]":
        self.drawn.append(start)
        people = [look_at(i) for i in range(start, start + PART)]
        np.savez(folder / f"part_{start:06d}.npz", allow_pickle=False,
                 **{name: np.stack([one[name] for one in people]) for name in people[0]})
        done: Future[int] = Future()
        done.set_result(PART)
        return done


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    FakePool.drawn.clear()
    monkeypatch.setattr(module, "process_pool", FakePool)
    monkeypatch.setattr(module, "reference_points", lambda name, pretrained: np.full((478, 2), 0.5, np.float32))
    yield


def load(folder: Path, count: int) -> tuple[Examples, list[int]]:
    progress: list[int] = []
    return load_examples(folder, "portrait", Path("nowhere"), count=count, seed=7, workers=1,
                         progress=progress.append), progress


def test_examples_are_drawn_once_and_a_larger_count_goes_on(tmp_path: Path, portrait: ParameterSchema) -> None:
    first, progress = load(tmp_path, PART)
    assert progress == [0, PART]
    more, _ = load(tmp_path, PART + 3)
    assert FakePool.drawn == [0, PART]
    assert load(tmp_path, 10)[1] == []
    assert len(first.vectors) == PART
    assert len(more.seen) == len(more.vectors) == PART + 3
    assert np.array_equal(more.vectors[PART], random_vector(portrait, 7, PART))
    assert more.seen.iris[PART, 0] == pytest.approx(PART / 1000, abs=1e-3)
    assert more.reference[0].tolist() == [0.5, 0.5]


def test_pictures_that_show_no_face_are_told(tmp_path: Path) -> None:
    shown = load(tmp_path, 15)[0].shown
    assert np.flatnonzero(~shown).tolist() == [0, 7, 14]


def test_conditions_follow_from_seed_and_number_and_differ() -> None:
    assert random_conditions(7, 3) == random_conditions(7, 3)
    many = [random_conditions(7, i) for i in range(200)]
    assert len(set(many)) == 200
    assert 0.35 < np.mean([bool(c.expression) for c in many]) < 0.65
    assert np.std([c.yaw for c in many]) == pytest.approx(7, rel=0.2)
    assert 0.5 <= min(c.distance for c in many) < 0.7 < 1.6 < max(c.distance for c in many) <= 2
    assert random_conditions(8, 3) != random_conditions(7, 3)


def test_examples_of_another_seed_have_another_folder(tmp_path: Path) -> None:
    names = [examples_folder(tmp_path, "portrait", seed=seed).name for seed in (7, 7, 8)]
    assert names[0] == names[1] != names[2]
    assert examples_folder(tmp_path, "classic", seed=7).name.split("-")[-1] != names[0].split("-")[-1]
