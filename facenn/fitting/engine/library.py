"""People that the engine has drawn at random, with what is seen of them: where fits on the engine start."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import facenn.perception
from facenn import people
from facenn.arrays import Floats, Progress, Vector
from facenn.engine.characters import character
from facenn.engine.digest import engine_digest
from facenn.files import replacing
from facenn.fitting.engine import observer as observing
from facenn.fitting.engine.observer import PASSES, ObserverPool, ObserverSetting, RenderObserver, reference_points
from facenn.networks import landmarks
from facenn.networks.frozen import RECOGNITION
from facenn.people import random_vector
from facenn.perception.observation import Observation, joined
from facenn.perception.skin import SkinSpots
from facenn.schema import ParameterSchema

PART = 48  # people in a file: what a killed build loses at most
STORED = np.float16  # colours and points to 1/2000: finer than what a picture of 256 pixels tells


@dataclass(frozen=True)
class Library:
    """N random people of one character.

    Attributes:
        schema: what their parameters mean.
        vectors: (N, P).
        observations: of the N people.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
    """

    schema: ParameterSchema
    vectors: Vector
    observations: Observation
    reference: Floats

    @cached_property
    def frame(self) -> Floats:
        """(478, 2) mean landmarks: where the engine has its faces."""
        mean: Floats = self.observations.points.mean(0)
        return mean

    @cached_property
    def spots(self) -> SkinSpots:
        """The spots of the skin that were looked at."""
        return SkinSpots(self.reference)

    def take(self, rows: NDArray[np.intp]) -> "Library":
        """Some of its people, in the order of their numbers."""
        return Library(self.schema, self.vectors[rows], self.observations.take(rows), self.reference)


def library_folder(root: Path, name: str, *, seed: int) -> Path:
    """Where the library of a character is kept: other people, another engine, schema or way to look get another folder.

    Args:
        root: of all libraries.
        name: embedded character.
        seed: of the people.
    """
    digest = hashlib.sha256(character(name).schema.to_json().encode())
    seeing = [*Path(facenn.perception.__path__[0]).rglob("*.py"), Path(observing.__file__)]
    for path in [*sorted(seeing), Path(landmarks.__file__), *RECOGNITION, Path(people.__file__)]:
        digest.update(path.read_bytes())
    return root / f"{name}-{seed}-{engine_digest()}-{digest.hexdigest()[:8]}"


def load_library(folder: Path, name: str, pretrained: Path, *, count: int, seed: int, workers: int,
                 progress: Progress) -> Library:
    """The people of a library; those that are not there yet are drawn. A killed build goes on where it stopped.

    Args:
        folder: of this library, see ``library_folder``.
        name: embedded character.
        pretrained: folder of the frozen networks.
        count: people; person i depends on the seed and i alone, so a larger count extends a library.
        seed: of the people.
        workers: processes that draw.
        progress: called with how many people are there, if some have to be drawn.
    """
    reference = _reference(folder / "reference.npy", name, pretrained)
    schema = character(name).schema
    vectors = np.stack([random_vector(schema, seed, i) for i in range(count)])
    starts = range(0, count, PART)
    missing = [k for k in starts if not _part(folder, k, count).is_file()]
    if missing:
        done = count - sum(len(vectors[k:k + PART]) for k in missing)
        progress(done)
        with ObserverPool(ObserverSetting(name, pretrained, reference), workers=workers) as pool:
            for k in missing:
                seen = draw_people(pool, vectors[k:k + PART], reference)
                _write(_part(folder, k, count), seen)
                done += len(seen)
                progress(done)
    return Library(schema, vectors, joined([_read(_part(folder, k, count)) for k in starts]), reference)


def draw_people(observer: RenderObserver, vectors: Vector, reference: Floats) -> Observation:
    """What is seen of random people, whose faces are near the neutral one's place."""
    return observer.observe(vectors, reference, passes=PASSES)


def _reference(path: Path, name: str, pretrained: Path) -> Floats:
    if not path.is_file():
        points = reference_points(name, pretrained)
        with replacing(path) as temporary:
            np.save(temporary, points)
    loaded: Floats = np.load(path, allow_pickle=False)
    return loaded


def _part(folder: Path, start: int, count: int) -> Path:
    return folder / f"people_{start:06d}_{min(start + PART, count):06d}.npz"


def _write(path: Path, seen: Observation) -> None:
    arrays = {f.name: getattr(seen, f.name).astype(STORED) for f in fields(seen)}
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def _read(path: Path) -> Observation:
    with np.load(path, allow_pickle=False) as arrays:
        return Observation(*(arrays[f.name].astype(np.float32) for f in fields(Observation)))
