"""Examples for a Translator: random people, drawn under random conditions, and what is seen of them."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import facenn.perception
from facenn import people
from facenn.arrays import Floats, Mask, Progress, Vector
from facenn.engine.camera import Conditions
from facenn.engine.characters import character
from facenn.engine.digest import engine_digest
from facenn.engine.head.sliders import EXPRESSIONS
from facenn.engine.renderer import Engine
from facenn.files import replacing
from facenn.images import to_tensor
from facenn.making import reference
from facenn.making.reference import reference_points
from facenn.networks import landmarks
from facenn.networks.frozen import RECOGNITION, load_views
from facenn.networks.landmarks import load_finder
from facenn.people import random_vector
from facenn.perception.features import VIEW
from facenn.perception.observation import SIDE, Observation, Observer
from facenn.perception.skin import SkinSpots
from facenn.processes import process_pool
from facenn.schema import ParameterSchema

PART = 64  # people in a file: what a killed worker loses at most
STORED = np.float16  # colours and points to 1/2000: finer than what a picture of 256 pixels tells
PASSES = 2  # of the landmark network over a picture whose face may be anywhere near the neutral one
PRESENT = 0.5  # presence of a face from which on a picture counts
CHANCE = 2  # stream of random numbers, so that conditions do not go together with people
SMILE = 0.45  # share of it among the expressions, which come first in their table
EXPRESSION_SHARES = (SMILE, 0.2, 0.13, 0.12, 0.1)


@dataclass(frozen=True)
class Examples:
    """N random people of one character, and what is seen of a picture of each.

    Attributes:
        schema: what their parameters mean.
        vectors: (N, P).
        seen: of the N pictures, as if they were photos: hair is found by its colour.
        presence: (N,) how sure the landmark network is that there is a face, 0 to 1.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
    """

    schema: ParameterSchema
    vectors: Vector
    seen: Observation
    presence: Floats
    reference: Floats

    @cached_property
    def shown(self) -> Mask:
        """(N,) True for the pictures that show a face; of the others nothing can be learnt."""
        shown: Mask = self.presence > PRESENT
        return shown


def random_conditions(seed: int, index: int) -> Conditions:
    """How the picture of person ``index`` is taken: a function of seed and index alone.

    Heads turn a little, half of them with an expression; lights of many tints stand anywhere in front; walls have any
    colour, cameras any distance from an arm's length to a room's.
    """
    generator = np.random.default_rng([seed, index, CHANCE])
    yaw, pitch = np.clip(generator.normal(0, (7, 5)), -20, 20)
    roll = float(np.clip(generator.normal(0, 2), -8, 8))
    expression: tuple[tuple[str, float], ...] = ()
    if generator.random() < 0.5:
        name = list(EXPRESSIONS)[int(generator.choice(len(EXPRESSION_SHARES), p=EXPRESSION_SHARES))]
        expression = ((name, float(generator.uniform(0, 0.7))),)
    light_yaw, light_pitch = np.clip(generator.normal(0, (25.0, 14.0)), -60, 40)
    brightness = generator.normal(0, 0.12)
    red, green, blue = np.exp(brightness + generator.normal(0, (0.06, 0.02, 0.08)))
    contrast = float(np.clip(generator.normal(1, 0.3), 0.2, 1.8))
    background = None
    if generator.random() < 0.6:
        grey = generator.uniform(0, 1) * 0.5
        background = tuple(float(c) for c in grey + generator.uniform(0, 0.5, 3))
    distance = float(np.exp(generator.uniform(np.log(0.5), np.log(2.0))))
    return Conditions(float(yaw), float(pitch), roll, expression, float(light_yaw), float(light_pitch),
                      (float(red), float(green), float(blue)), contrast, background, distance)  # type: ignore[arg-type]


def examples_folder(root: Path, name: str, *, seed: int) -> Path:
    """Where the examples of a character are kept: other people, another engine or way to look get another folder.

    Args:
        root: of all examples.
        name: embedded character.
        seed: of the people and the conditions.
    """
    digest = hashlib.sha256(character(name).schema.to_json().encode())
    seeing = sorted(Path(facenn.perception.__path__[0]).rglob("*.py"))
    modules = (landmarks, people, reference)
    for path in [*seeing, Path(__file__), *RECOGNITION, *(Path(str(module.__file__)) for module in modules)]:
        digest.update(path.read_bytes())
    return root / f"{name}-{seed}-{engine_digest()}-{digest.hexdigest()[:8]}"


def load_examples(folder: Path, name: str, pretrained: Path, *, count: int, seed: int, workers: int,
                  progress: Progress) -> Examples:
    """The first of the examples; those that are not there yet are drawn. A killed build goes on where it stopped.

    Args:
        folder: of these examples, see ``examples_folder``.
        name: embedded character.
        pretrained: folder of the frozen networks.
        count: people; example i depends on the seed and i alone, so a larger count extends a folder.
        seed: of the people and the conditions.
        workers: processes that draw; about 1.2 GB of memory each.
        progress: called with how many people are there, if some have to be drawn.
    """
    reference = _reference(folder / "reference.npy", name, pretrained)
    schema, starts = character(name).schema, range(0, count, PART)
    missing = [start for start in starts if not _part(folder, start).is_file()]
    if missing:
        done = count - PART * len(missing)
        progress(max(0, done))
        for drawn in _draw_all(folder, missing, name, pretrained, reference, seed=seed, workers=workers):
            done += drawn
            progress(min(max(0, done), count))
    parts = [_read(_part(folder, start)) for start in starts]
    seen = {field: np.concatenate([part[field] for part in parts])[:count].astype(np.float32) for field in parts[0]}
    observation = Observation(*(seen[field.name] for field in fields(Observation)))
    vectors = np.stack([random_vector(schema, seed, i) for i in range(count)])
    return Examples(schema, vectors, observation, seen["presence"], reference)


class Photographer:
    """Draws random people under random conditions and looks at the pictures, in one process.

    Args:
        name: embedded character.
        pretrained: folder of the frozen networks.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
        seed: of the people and the conditions.
    """

    def __init__(self, name: str, pretrained: Path, reference: Floats, seed: int) -> None:
        self._engine, self._seed, self._reference = Engine(name, side=SIDE), seed, reference
        self._observer = Observer(load_finder(pretrained), load_views(pretrained), SkinSpots(reference))

    def look_at(self, index: int) -> dict[str, Floats]:
        """What is seen of person ``index``: the fields of an ``Observation``, and presence."""
        vector = random_vector(self._engine.schema, self._seed, index)
        picture = to_tensor(self._engine.draw(vector, random_conditions(self._seed, index)).picture)[None]
        points = torch.from_numpy(self._reference * SIDE)[None]
        with torch.no_grad():
            for _ in range(PASSES):
                points, presence = self._observer.finder.landmarks(picture, self._observer.finder.square(points))
        seen = self._observer.see_at(picture, points, view=VIEW)
        return {**{field.name: getattr(seen, field.name)[0].astype(STORED) for field in fields(Observation)},
                "presence": presence[0].numpy()}


def _draw_all(folder: Path, starts: list[int], name: str, pretrained: Path, reference: Floats, *, seed: int,
              workers: int) -> Iterator[int]:
    """Draw the parts that begin with these people, and yield how many people each of them has."""
    with process_pool(min(workers, len(starts)), partial(_open, name, pretrained, reference, seed)) as pool:
        tasks = [pool.submit(_draw, folder, start) for start in starts]
        try:
            for task in as_completed(tasks):
                yield task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or a full disk would be tried again for every part
            raise


_of_worker: list[Photographer] = []  # a worker process keeps its engine and networks from task to task


def _open(name: str, pretrained: Path, reference: Floats, seed: int) -> None:
    torch.set_num_threads(1)  # one process per core draws faster than threads that wait for each other
    threadpool_limits(1)
    _of_worker[:] = [Photographer(name, pretrained, reference, seed)]


def _draw(folder: Path, start: int) -> int:
    people = [_of_worker[0].look_at(index) for index in range(start, start + PART)]
    with replacing(_part(folder, start)) as temporary:
        arrays = {name: np.stack([seen[name] for seen in people]) for name in people[0]}
        np.savez(temporary, allow_pickle=False, **arrays)
    return PART


def _part(folder: Path, start: int) -> Path:
    return folder / f"part_{start:06d}.npz"


def _read(path: Path) -> dict[str, Floats]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _reference(path: Path, name: str, pretrained: Path) -> Floats:
    if not path.is_file():
        points = reference_points(name, pretrained)
        with replacing(path) as temporary:
            np.save(temporary, points)
    loaded: Floats = np.load(path, allow_pickle=False)
    return loaded
