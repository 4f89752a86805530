"""Draws many random faces into a folder, on several processes; what is there already is not drawn again."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from facenn.arrays import Vector
from facenn.engine.characters import character
from facenn.engine.digest import engine_digest
from facenn.engine.renderer import Engine
from facenn.errors import ConfigError, FormatError
from facenn.files import replace_text
from facenn.images import write_pixels
from facenn.people import people_digest, random_vector
from facenn.processes import process_pool

UNRECORDED = {"people": "unrecorded"}  # in recipes of old: they never continue, but can be replaced
CHUNK = 8  # pictures per task: small enough for a smooth progress bar, large enough to hide the hand-over


@dataclass(frozen=True)
class Recipe:
    """What a folder of random faces was drawn from; another recipe never continues it.

    Attributes:
        character: name of an embedded character.
        version: of its schema.
        seed: of all faces.
        engine: digest of the engine's code and head.
        people: digest of what random people are like.
    """

    character: str
    version: int
    seed: int
    engine: str
    people: str


def face_name(index: int) -> str:
    """File stem of the picture with this number."""
    return f"face_{index:06d}"


def image_paths(folder: Path, index: int) -> tuple[Path, Path]:
    """Where the picture and the label map of a face go."""
    return folder / "images" / f"{face_name(index)}.jpg", folder / "labels" / f"{face_name(index)}.png"


def generate(folder: Path, *, name: str, count: int, seed: int, workers: int, labels: bool,
             replace: bool = False, progress: Callable[[int], None]) -> tuple[list[str], Vector]:
    """Draw ``count`` random faces of a character.

    Memory is about 510 MB per worker. A killed run continues where it stopped; a larger count extends a
    folder.

    Args:
        folder: gets ``images/`` and, on request, ``labels/``.
        name: embedded character.
        count: pictures.
        seed: picture i depends on the seed and i alone, whatever the number of workers.
        workers: processes.
        labels: True to write label maps too.
        replace: True to throw away faces of another recipe; otherwise they are an error.
        progress: called with how many pictures are there, first before any is drawn.

    Returns:
        File stems and (count, size) parameters.

    Raises:
        ConfigError: unknown character, or a folder begun with another recipe.
    """
    schema = character(name).schema
    _claim(folder, Recipe(name, schema.version, seed, engine_digest(), people_digest()), replace=replace)
    missing = [i for i in range(count) if not _is_drawn(folder, i, labels=labels)]
    done = count - len(missing)
    progress(done)
    for drawn in _draw_all(folder, missing, name=name, seed=seed, workers=workers, labels=labels):
        done += drawn
        progress(done)
    _remove_others(folder, {face_name(i) for i in range(count)})
    vectors = np.stack([random_vector(schema, seed, i) for i in range(count)])
    return [face_name(i) for i in range(count)], vectors


def _claim(folder: Path, recipe: Recipe, *, replace: bool) -> None:
    path = folder / "recipe.json"
    if path.is_file():
        try:
            begun = Recipe(**UNRECORDED | json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise FormatError(f"{path}: expected the recipe of a renders folder, got {error}") from None
        if begun == recipe:
            return
        if not replace:
            raise ConfigError(f"{folder} holds faces of {begun}, asked for {recipe}: choose another folder or replace")
        for begun_folder in (folder / "images", folder / "labels"):
            shutil.rmtree(begun_folder, ignore_errors=True)
    elif (folder / "images").is_dir() and any((folder / "images").iterdir()):
        raise ConfigError(f"{folder} holds pictures that were not drawn here: choose another folder")
    replace_text(path, json.dumps(asdict(recipe)) + "\n")


def _remove_others(folder: Path, names: set[str]) -> None:
    """Pictures of an earlier, larger count and of killed runs: what a folder holds shall follow from its recipe."""
    for inside in (folder / "images", folder / "labels"):
        for path in inside.glob("*"):
            if path.stem not in names:
                path.unlink()


def _is_drawn(folder: Path, index: int, *, labels: bool) -> bool:
    picture, label_map = image_paths(folder, index)
    return picture.is_file() and (not labels or label_map.is_file())


def _draw_all(folder: Path, indices: list[int], *, name: str, seed: int, workers: int, labels: bool
              ) -> Iterator[int]:
    """Draw the faces of these numbers, and yield how many each finished task has drawn."""
    chunks = [indices[k:k + CHUNK] for k in range(0, len(indices), CHUNK)]
    if workers == 1 or len(chunks) <= 1:
        if chunks:
            engine = Engine(name)
            yield from (_draw(engine, folder, chunk, seed, labels) for chunk in chunks)
        return
    with process_pool(min(workers, len(chunks))) as pool:
        tasks = [pool.submit(_draw_in_worker, name, folder, chunk, seed, labels) for chunk in chunks]
        try:
            for task in as_completed(tasks):
                yield task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or a full disk would be tried thousands of times
            raise


_of_worker: dict[str, Engine] = {}  # a worker process keeps its engine from task to task


def _draw_in_worker(name: str, folder: Path, indices: list[int], seed: int, labels: bool) -> int:
    if name not in _of_worker:
        _of_worker[name] = Engine(name)
    return _draw(_of_worker[name], folder, indices, seed, labels)


def _draw(engine: Engine, folder: Path, indices: list[int], seed: int, labels: bool) -> int:
    with threadpool_limits(1):  # one process per core draws faster than threads that wait for each other
        for i in indices:
            render = engine.draw(random_vector(engine.schema, seed, i))
            picture, label_map = image_paths(folder, i)
            if labels:
                write_pixels(label_map, render.labels)
            write_pixels(picture, render.picture)
    return len(indices)
