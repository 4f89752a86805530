import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from facenn.arrays import Vector
from facenn.engine.characters import character
from facenn.engine.digest import digest_of
from facenn.engine.renderer import Engine, Render
from facenn.errors import ConfigError, FormatError
from facenn.images import read_pixels
from facenn.making import generation
from facenn.making.generation import CHUNK, face_name, generate, image_paths
from facenn.people import random_vector
from facenn.schema import ParameterSchema

SCHEMA = character("portrait").schema
COUNT = CHUNK + 1  # two tasks
ROOT = Path(__file__).resolve().parents[2]
STUCK = """
import time
from pathlib import Path

from facenn.making import generation

HERE = Path(__file__).parent


class Stuck:
    def __init__(self, name):
        (HERE / "begun").touch()
        time.sleep(600)


generation.Engine = Stuck
if __name__ == "__main__":
    generation.generate(HERE / "faces", name="portrait", count=9, seed=1, workers=2, labels=False, progress=print)
"""

DRAW = """
import sys
from pathlib import Path

from facenn.making.generation import generate

generate(Path(sys.argv[1]), name="portrait", count=9, seed=1, workers=1, labels=True, progress=print)
"""


@dataclass
class Sketcher:
    """Stands in for an engine: draws one grey level per face at once, and remembers what it drew."""

    schema: ParameterSchema = SCHEMA
    drawn: list[Vector] = field(default_factory=list)
    fails_at: int | None = None

    def draw(self, vector: Vector) -> Render:
        if len(self.drawn) == self.fails_at:
            raise KeyboardInterrupt
        self.drawn.append(vector)
        level = np.uint8(255 * vector[0])
        return Render(np.full((8, 8, 3), level), np.full((8, 8), level))


@pytest.fixture
def sketcher(monkeypatch: pytest.MonkeyPatch) -> Sketcher:
    sketcher = Sketcher()
    monkeypatch.setattr(generation, "Engine", lambda name: sketcher)
    return sketcher


def draw(folder: Path, *, count: int = COUNT, seed: int = 1, workers: int = 1, labels: bool = False,
         name: str = "portrait", replace: bool = False) -> tuple[list[str], Vector, list[int]]:
    progress: list[int] = []
    names, vectors = generate(folder, name=name, count=count, seed=seed, workers=workers, labels=labels,
                              replace=replace, progress=progress.append)
    return names, vectors, progress


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unlike(one: Path, two: Path) -> list[str]:
    """Names of the files that only one of two folders has, or that differ."""
    here, there = files(one), files(two)
    return [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]


def test_generate_draws_the_same_pictures_with_one_and_two_workers(
        tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    _, two_vectors, _ = draw(tmp_path / "two", workers=2, labels=True)
    monkeypatch.setattr(generation, "Engine", lambda name: engine)
    _, one_vectors, _ = draw(tmp_path / "one", workers=1, labels=True)
    assert np.array_equal(one_vectors, two_vectors)
    assert len(files(tmp_path / "one")) == 2 * COUNT + 1
    assert unlike(tmp_path / "one", tmp_path / "two") == []


def test_generate_draws_the_same_pictures_with_kernels_just_compiled_and_from_the_cache(tmp_path: Path) -> None:
    for folder in ("compiled", "cached"):
        subprocess.run([sys.executable, "-c", DRAW, tmp_path / folder], check=True, cwd=ROOT,
                       env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")})
    assert len(files(tmp_path / "cached")) == 2 * 9 + 1
    assert unlike(tmp_path / "compiled", tmp_path / "cached") == []


def test_random_vector_depends_on_seed_and_number_alone(tmp_path: Path, sketcher: Sketcher) -> None:
    names, vectors, _ = draw(tmp_path, seed=5)
    assert names == [f"face_{i:06d}" for i in range(COUNT)]
    for i, vector in enumerate(vectors):
        assert np.array_equal(vector, random_vector(SCHEMA, 5, i))
        assert not np.array_equal(vector, random_vector(SCHEMA, 6, i))
        assert read_pixels(image_paths(tmp_path, i)[0]).mean() == pytest.approx(255 * vector[0], abs=2)
    assert len(np.unique(vectors, axis=0)) == COUNT


def test_random_vector_is_mostly_a_believable_person() -> None:
    gender = SCHEMA.columns.index("person.gender")
    drawn = np.array([random_vector(SCHEMA, 1, i)[gender] for i in range(300)])
    assert (abs(drawn - 0.5) > 0.2).mean() > 0.75  # 0.6 of evenly drawn faces


def test_progress_counts_up_to_all_pictures(tmp_path: Path, sketcher: Sketcher) -> None:
    assert draw(tmp_path, count=2 * CHUNK + 3)[2] == [0, CHUNK, 2 * CHUNK, 2 * CHUNK + 3]
    assert draw(tmp_path, count=2 * CHUNK + 3)[2] == [2 * CHUNK + 3]


def test_labels_are_written_on_request_only(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=2)
    assert not (tmp_path / "labels").exists()
    draw(tmp_path, count=2, labels=True)
    with Image.open(image_paths(tmp_path, 1)[1]) as stored:
        assert stored.mode == "L"
    assert len(sketcher.drawn) == 4


def test_resume_draws_only_what_is_missing(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path)
    before = files(tmp_path)
    for i in (2, 5):
        image_paths(tmp_path, i)[0].unlink()
    sketcher.drawn.clear()
    _, vectors, progress = draw(tmp_path)
    assert np.array_equal(sketcher.drawn, vectors[[2, 5]])
    assert progress == [COUNT - 2, COUNT]
    assert files(tmp_path) == before


def test_a_larger_count_extends_the_folder(tmp_path: Path, sketcher: Sketcher) -> None:
    _, few, _ = draw(tmp_path, count=3)
    before = files(tmp_path)
    _, more, progress = draw(tmp_path, count=5)
    assert progress == [3, 5]
    assert np.array_equal(more[:3], few)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2


def test_a_smaller_count_names_the_first_faces(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=5)
    names, vectors, progress = draw(tmp_path, count=3)
    assert (names, len(vectors), progress) == ([face_name(i) for i in range(3)], 3, [3])


def test_a_smaller_count_prunes_the_folder(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path / "small", count=2, labels=True)
    draw(tmp_path / "large", count=5, labels=True)
    (tmp_path / "large" / "images" / ".face_000004.123.jpg").write_bytes(b"half a picture of a killed run")
    draw(tmp_path / "large", count=2, labels=True)
    assert files(tmp_path / "large") == files(tmp_path / "small")


def test_interrupted_run_leaves_whole_pictures_and_goes_on(tmp_path: Path, sketcher: Sketcher) -> None:
    sketcher.fails_at = 4
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, labels=True)
    left = files(tmp_path)
    assert sorted(left) == sorted(["recipe.json", *(f"images/{face_name(i)}.jpg" for i in range(4)),
                                   *(f"labels/{face_name(i)}.png" for i in range(4))])
    for i in range(4):
        read_pixels(image_paths(tmp_path, i)[0])
    sketcher.fails_at = None
    assert draw(tmp_path, labels=True)[2] == [4, COUNT]


def test_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    """An engine that never finishes stands in: every process that imports the script gets it."""
    script = tmp_path / "render.py"
    script.write_text(STUCK, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        begun = tmp_path / "begun"
        while not begun.is_file() and parent.poll() is None:
            time.sleep(0.05)
        workers = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)
        assert begun.is_file()
        assert not psutil.wait_procs(workers, timeout=30)[1]


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, sketcher: Sketcher,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(self: Image.Image, path: Path, *args: object, **options: object) -> None:
        path.write_bytes(b"\xff\xd8\xff half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", write_half)
    with pytest.raises(OSError, match="No space left"):
        draw(tmp_path)
    assert list(files(tmp_path)) == ["recipe.json"]


def test_a_picture_without_its_label_map_is_drawn_again(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=3, labels=True)
    image_paths(tmp_path, 1)[1].unlink()
    assert draw(tmp_path, count=3, labels=True)[2] == [2, 3]


@pytest.mark.parametrize("other", [{"seed": 2}, {"name": "classic"}])
def test_another_recipe_never_continues_a_folder(tmp_path: Path, sketcher: Sketcher, other: dict[str, object]) -> None:
    draw(tmp_path, count=2)
    before = files(tmp_path)
    with pytest.raises(ConfigError, match="choose another folder"):
        draw(tmp_path, **{"count": 2, **other})  # type: ignore[arg-type]
    assert files(tmp_path) == before


def test_replace_draws_another_recipe_in_place_of_the_old_one(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=3, labels=True)
    _, vectors, progress = draw(tmp_path, count=2, seed=2, replace=True)
    assert progress == [0, 2]
    assert sorted(files(tmp_path)) == ["images/face_000000.jpg", "images/face_000001.jpg", "recipe.json"]
    assert np.array_equal(vectors[0], random_vector(SCHEMA, 2, 0))


def test_replace_keeps_faces_of_the_same_recipe(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=3)
    assert draw(tmp_path, count=3, replace=True)[2] == [3]


def test_an_edited_engine_never_continues_a_folder(tmp_path: Path, sketcher: Sketcher,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path, count=2)
    monkeypatch.setattr(generation, "engine_digest", lambda: "another")
    with pytest.raises(ConfigError, match="engine='another'"):
        draw(tmp_path, count=2)


def test_other_people_never_continue_a_folder(tmp_path: Path, sketcher: Sketcher, monkeypatch: pytest.MonkeyPatch
                                              ) -> None:
    draw(tmp_path, count=2)
    monkeypatch.setattr(generation, "people_digest", lambda: "others")
    with pytest.raises(ConfigError, match="people='others'"):
        draw(tmp_path, count=2)


def test_a_recipe_of_old_can_only_be_replaced(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=2)
    recipe = json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    del recipe["people"]
    (tmp_path / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"people='unrecorded'.*choose another folder or replace"):
        draw(tmp_path, count=2)
    assert draw(tmp_path, count=2, replace=True)[2][-1] == 2


def test_a_comment_in_what_draws_nothing_leaves_the_engine_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(Path(generation.__file__).parents[1], tmp_path / "facenn",
                    ignore=shutil.ignore_patterns("__pycache__"))
    before = digest_of(tmp_path / "facenn" / "engine")
    for name in ("making/inspection.py", "making/generation.py", "people.py"):
        with (tmp_path / "facenn" / name).open("a", encoding="utf-8") as source:
            source.write("# a comment\n")
    assert digest_of(tmp_path / "facenn" / "engine") == before


def test_another_version_of_the_schema_never_continues_a_folder(tmp_path: Path, sketcher: Sketcher) -> None:
    draw(tmp_path, count=2)
    recipe = json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    (tmp_path / "recipe.json").write_text(json.dumps({**recipe, "version": 99}), encoding="utf-8")
    with pytest.raises(ConfigError, match="version=99"):
        draw(tmp_path, count=2)


def test_foreign_pictures_are_left_alone(tmp_path: Path, sketcher: Sketcher) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "face_000000.jpg").write_bytes(b"somebody else's")
    with pytest.raises(ConfigError, match="not drawn here"):
        draw(tmp_path)
    assert files(tmp_path) == {"images/face_000000.jpg": b"somebody else's"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seed": 1}', '{"character": "portrait", "version": 0, "sed": 1}'])
def test_a_damaged_recipe_is_named(tmp_path: Path, sketcher: Sketcher, text: str) -> None:
    (tmp_path / "recipe.json").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"recipe\.json: expected the recipe"):
        draw(tmp_path)


def test_an_unknown_character_touches_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of the embedded characters"):
        draw(tmp_path / "new", name="hero")
    assert not (tmp_path / "new").exists()
