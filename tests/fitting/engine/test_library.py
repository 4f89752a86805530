from pathlib import Path

import numpy as np
import pytest

from facenn import people
from facenn.arrays import Floats, Vector
from facenn.fitting.engine import library as module
from facenn.fitting.engine.library import PART, Library, library_folder, load_library
from facenn.fitting.engine.observer import ObserverSetting
from facenn.perception.observation import Observation

PRETRAINED = Path("nowhere")


class FakePool:
    """Stands for the processes: sees the first parameters of each person, and counts."""

    drawn = 0

    def __init__(self, setting: ObserverSetting, *, workers: int) -> None:
        self.reference = setting.reference

    def __enter__(self) -> "FakePool":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        type(self).drawn += len(vectors)
        count = len(vectors)
        return Observation(vectors[:, :100], np.tile(near, (count, 1, 1)), np.zeros((count, 5, 3), np.float32),
                      np.zeros((count, 3), np.float32), np.zeros((count, 4, 4), np.float32),
                      np.zeros((count, 3), np.float32))


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePool.drawn = 0
    monkeypatch.setattr(module, "ObserverPool", FakePool)
    monkeypatch.setattr(module, "reference_points", lambda name, pretrained: np.full((478, 2), 0.5, np.float32))


def load(folder: Path, count: int) -> tuple[Library, list[int]]:
    progress: list[int] = []
    found = load_library(folder, "portrait", PRETRAINED, count=count, seed=1, workers=1, progress=progress.append)
    return found, progress


def test_library_is_drawn_once(tmp_path: Path) -> None:
    first, progress = load(tmp_path, PART + 5)
    assert progress == [0, PART, PART + 5]
    again, silence = load(tmp_path, PART + 5)
    assert silence == []
    assert FakePool.drawn == PART + 5
    assert np.array_equal(first.observations.embedding, again.observations.embedding)
    assert first.observations.embedding == pytest.approx(first.vectors[:, :100], abs=1e-3)


def test_library_continues_a_killed_build(tmp_path: Path) -> None:
    whole, _ = load(tmp_path / "whole", 3 * PART)
    load(tmp_path / "killed", 3 * PART)
    sorted((tmp_path / "killed").glob("people_*"))[1].unlink()
    FakePool.drawn = 0
    resumed, progress = load(tmp_path / "killed", 3 * PART)
    assert (FakePool.drawn, progress) == (PART, [2 * PART, 3 * PART])
    assert np.array_equal(resumed.observations.embedding, whole.observations.embedding)


def test_larger_library_begins_with_the_smaller_one(tmp_path: Path) -> None:
    small, _ = load(tmp_path, PART)
    large, progress = load(tmp_path, 2 * PART)
    assert progress == [PART, 2 * PART]
    assert np.array_equal(large.vectors[:PART], small.vectors)


def test_library_folder_is_another_one_for_another_character_or_seed(tmp_path: Path) -> None:
    folders = {library_folder(tmp_path, name, seed=seed) for name in ("portrait", "classic") for seed in (0, 1)}
    assert len(folders) == 4


def test_library_folder_is_another_one_for_other_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = library_folder(tmp_path, "classic", seed=0)
    edited = tmp_path / "people.py"
    edited.write_text(Path(people.__file__).read_text(encoding="utf-8") + "# edited", encoding="utf-8")
    monkeypatch.setattr(people, "__file__", str(edited))
    assert library_folder(tmp_path, "classic", seed=0) != before
