"""The two ways to fit, opened for many photos: through an Imitator, on the engine."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from torch import Tensor, from_numpy
from torch.nn import functional as F

from facenn.alignment import AlignedFace
from facenn.arrays import Log, Progress
from facenn.config import FitConfig
from facenn.engine.characters import CHARACTERS, character
from facenn.engine.digest import engine_digest
from facenn.engine.renderer import Engine
from facenn.errors import CheckpointError, ConfigError
from facenn.fitting import engine as engine_room
from facenn.fitting import imitator as imitator_room
from facenn.fitting.engine.gauss_newton import fit_on_engine
from facenn.fitting.engine.library import Library, library_folder, load_library
from facenn.fitting.engine.observer import ObserverPool, ObserverSetting, RenderObserver
from facenn.fitting.engine.residuals import Weights as EngineWeights
from facenn.fitting.imitator.descent import fit
from facenn.fitting.imitator.objective import Weights, backdrop
from facenn.fitting.imitator.target import Target, see
from facenn.fitting.locks import Lock
from facenn.fitting.result import FitResult
from facenn.images import SIDE
from facenn.networks.checkpoints import load_imitator, schema_difference
from facenn.networks.frozen import RECOGNITION, Frozen
from facenn.people import people_digest
from facenn.perception import observation
from facenn.perception.irises import cleared
from facenn.perception.observation import Observer
from facenn.schema import ParameterSchema
from facenn.steps.project import Project

SEEN_BY_BOTH = ("alignment.py", "losses.py", "schedule.py", "networks/detection.py", "networks/landmarks.py",
                "networks/traits.py")


class Method(Protocol):
    """One way to fit."""

    @property
    def schema(self) -> ParameterSchema:
        """Of the parameters."""

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the engine's pictures, in pixels of a picture of 512."""

    @property
    def engine(self) -> Engine | None:
        """What draws the parameters; None for a game that cannot be called from here."""

    @property
    def made_by(self) -> str:
        """What fits, for the report."""

    @property
    def together(self) -> int:
        """How many faces it takes at once."""

    @property
    def digest(self) -> str:
        """What decides its results beside options and photo: its code, engine, schema, model file."""

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        """The parameters of aligned faces; what is found for one does not depend on the others."""


class ImitatorMethod:
    """Gradient descent through an Imitator.

    Args:
        config: of the fits.
        model: Imitator file.
        frozen: the networks that look.
        device: where to compute.
    """

    def __init__(self, config: FitConfig, model: Path, frozen: Frozen, *, device: str) -> None:
        self._config, self._frozen, self._device = config, frozen, device
        self._imitator, schema = load_imitator(model, device=device)
        self.engine = _engine_of(schema, model)
        self.schema = schema if self.engine is None else self.engine.schema  # the file's may lack roles
        self._lock = Lock.of(config.lock, self.schema)
        self._imitator.requires_grad_(False)
        self._wall = backdrop(self._imitator, self.schema)
        self.made_by, self.together = model.stem, config.imitator.batch
        self.digest = _digest(self.schema, imitator_room.__path__[0], model)

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the renders that the Imitator learned from."""
        return self._imitator.frame

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        """The parameters of aligned faces, all at once; see ``facenn.fitting.imitator.descent``.

        Several threads may fit at once.
        """
        target = Target.of_all([see(a.picture[None], a.landmarks[None], self._frozen, wall=self._wall)
                                for a in aligned])
        options = self._config.imitator
        weights = Weights(**options.model_dump(include=set(Weights._fields)))
        return fit(target, self._imitator, self.schema, self._frozen, steps=options.steps, rate=options.rate,
                   weights=weights, candidates=options.candidates, seed=self._config.seed, lock=self._lock, log=log)


class EngineMethod:
    """Gauss-Newton on the engine.

    Args:
        config: of the fits.
        library: where they start.
        lock: parameters that the fits leave alone.
        observer: draws and looks.
        frozen: the networks that look.
    """

    def __init__(self, config: FitConfig, library: Library, lock: Lock, observer: RenderObserver, frozen: Frozen
                 ) -> None:
        self._config, self._library, self._lock, self._observer = config, library, lock, observer
        self._observer_of_photos, self._traits = Observer(frozen.finder, frozen.views, library.spots), frozen.traits
        self.schema, self.engine = library.schema, Engine(config.character)
        self.together, self.digest = 1, _digest(library.schema, engine_room.__path__[0])
        self.made_by = f"Gauss-Newton on the engine, from {len(library.vectors):,} drawn people"

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the library's people."""
        return from_numpy(self._library.frame) * SIDE

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        """The parameters of aligned faces, one after the other; see ``facenn.fitting.engine.gauss_newton``."""
        return [self._fit(face, log) for face in aligned]

    def _fit(self, aligned: AlignedFace, log: Log) -> FitResult:
        shrink = aligned.picture.shape[-1] // observation.SIDE
        picture = F.avg_pool2d(aligned.picture[None].cpu(), shrink)
        landmarks = aligned.landmarks[None].cpu() / shrink
        seen = self._observer_of_photos.see_at(picture, landmarks)
        photo = replace(seen, iris=cleared(seen.iris))
        photos = [replace(photo, embedding=view.embed(picture, landmarks).numpy())
                  for view in self._observer_of_photos.views]
        traits = self._traits.of(aligned.picture[None], aligned.landmarks[None])
        options = self._config.engine
        weights = EngineWeights(**options.model_dump(exclude={"rounds", "library", "workers"}))
        return fit_on_engine(photos, traits, self._library, self._observer, rounds=options.rounds, weights=weights,
                             lock=self._lock, log=log)


@contextmanager
def open_method(config: FitConfig, model: Path | None, frozen: Frozen, project: Project, *, device: str,
                  progress: Progress) -> Iterator[Method]:
    """The way to fit that the options ask for; its processes end with the block.

    Args:
        config: of the fits.
        model: Imitator file; None with the method engine, which has no use for it.
        frozen: the networks that look.
        project: where other processes find the same, and the libraries of drawn people are.
        device: where the Imitator computes; the method engine computes on the CPU.
        progress: called with how many people of the library are drawn, if any has to be.

    Raises:
        ConfigError: a method without its model, a model that the method does not use, an unknown character, a lock
            of something that the character has not got.
    """
    if config.method == "imitator":
        if model is None:
            raise ConfigError("expected a model for --method imitator, got none")
        yield ImitatorMethod(config, model, frozen, device=device)
        return
    if model is not None:
        raise ConfigError(f"expected no --model with --method engine, which draws with the engine itself, got {model}")
    lock = Lock.of(config.lock, character(config.character).schema)
    pretrained = project.pretrained.resolve()
    folder = library_folder(project.libraries, config.character, seed=config.seed)
    library = load_library(folder, config.character, pretrained, count=config.engine.library, seed=config.seed,
                           workers=config.engine.workers, progress=progress)
    setting = ObserverSetting(config.character, pretrained, library.reference)
    with ObserverPool(setting, workers=config.engine.workers) as pool:
        yield EngineMethod(config, library, lock, pool, frozen)


def code_of(room: str) -> list[Path]:
    """The files that decide what a method finds, beside the engine's: its own, what methods share, and what both see.

    Args:
        room: folder of the method's own code; what methods share lies in the folder above it.
    """
    own, seen = Path(room), Path(observation.__file__).parent
    return [*sorted([*own.parent.glob("*.py"), *own.rglob("*.py"), *seen.rglob("*.py")]),
            *(seen.parent / name for name in SEEN_BY_BOTH), *RECOGNITION]


def _digest(schema: ParameterSchema, room: str, *models: Path) -> str:
    """What tells whether two fits end alike: engine, people, schema, models, and code that the method runs."""
    digest = hashlib.sha256(f"{engine_digest()} {people_digest()} {schema.to_json()}".encode())
    for path in [*code_of(room), *models]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _engine_of(schema: ParameterSchema, model: Path) -> Engine | None:
    """The embedded engine that draws these parameters; None for a game's own."""
    known = CHARACTERS.get(schema.character)
    if known is None:
        return None
    if difference := schema_difference(known.schema, schema):
        raise CheckpointError(f"{model}: {difference}; train an Imitator on renders of this engine")
    return Engine(schema.character)
