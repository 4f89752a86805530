"""The ways to fit, opened for many photos: through an Imitator, on the engine, by a Translator."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor, from_numpy
from torch.nn import functional as F

from facenn import tangents
from facenn.alignment import AlignedFace
from facenn.arrays import Log
from facenn.config import FitConfig
from facenn.engine.characters import CHARACTERS, character
from facenn.engine.digest import engine_digest
from facenn.engine.renderer import Engine
from facenn.errors import CheckpointError
from facenn.fitting import engine as engine_room
from facenn.fitting import imitator as imitator_room
from facenn.fitting import translator as translator_room
from facenn.fitting.engine.fit import EngineFit, Person
from facenn.fitting.engine.observer import EngineObserver
from facenn.fitting.engine.residuals import Weights as EngineWeights
from facenn.fitting.guess import load_translator
from facenn.fitting.imitator.descent import fit
from facenn.fitting.imitator.objective import Weights, backdrop
from facenn.fitting.imitator.target import Target, see
from facenn.fitting.locks import Lock
from facenn.fitting.result import FitResult
from facenn.fitting.translator.one_shot import translate
from facenn.images import SIDE
from facenn.networks import translator as translator_network
from facenn.networks.checkpoints import load_imitator, schema_difference
from facenn.networks.frozen import RECOGNITION, Frozen
from facenn.people import people_digest
from facenn.perception import observation
from facenn.perception.features import VIEW
from facenn.perception.observation import Observer
from facenn.schema import ParameterSchema

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
    """Gauss-Newton on the engine, from where a Translator says.

    Args:
        config: of the fits.
        model: Translator file.
        frozen: the networks that look.
    """

    def __init__(self, config: FitConfig, model: Path, frozen: Frozen) -> None:
        self.schema, self.engine = character(config.character).schema, Engine(config.character)
        self._translator = load_translator(model, expect=self.schema)
        lock, options = Lock.of(config.lock, self.schema), config.engine
        weights = EngineWeights(**options.model_dump(exclude={"rounds", "workers"}))
        observer = EngineObserver(self.engine.twin(side=observation.SIDE), frozen, self._translator.reader.reference)
        observers = [observer, *(observer.twin() for _ in range(options.workers - 1))]
        self._fit = EngineFit(observers, self._translator, lock, weights, rounds=options.rounds, seed=config.seed)
        self._traits, self.together = frozen.traits, options.workers
        self.digest = _digest(self.schema, engine_room.__path__[0], model, Path(translator_network.__file__),
                              *sorted(Path(tangents.__path__[0]).glob("*.py")))
        self.made_by = f"Gauss-Newton on the engine, from {model.stem}"

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the pictures that the Translator learned from."""
        return from_numpy(self._translator.frame) * SIDE

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        """The parameters of aligned faces, each on a core where there are several; one face has all of them."""
        return self._fit.all([self._person(face) for face in aligned], log)

    def _person(self, aligned: AlignedFace) -> Person:
        picture, landmarks = _shrunk(aligned)
        return Person(picture, landmarks, self._traits.estimate(picture, landmarks).numpy())


class TranslatorMethod:
    """A Translator, which tells all parameters at once.

    Args:
        config: of the fits.
        model: Translator file.
        frozen: the networks that look.
    """

    def __init__(self, config: FitConfig, model: Path, frozen: Frozen) -> None:
        self.schema = character(config.character).schema
        self._translator = load_translator(model, expect=self.schema)
        self._lock, self.engine = Lock.of(config.lock, self.schema), Engine(config.character)
        self._observer = Observer(frozen.finder, frozen.views, self._translator.reader.spots)
        self._traits = frozen.traits
        self.made_by, self.together = model.stem, 1
        self.digest = _digest(self.schema, translator_room.__path__[0], model, Path(translator_network.__file__))

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the pictures that the Translator learned from."""
        return from_numpy(self._translator.frame) * SIDE

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        """The parameters of aligned faces; see ``facenn.fitting.translator.one_shot``. Several threads may fit."""
        return [self._fit(face, log) for face in aligned]

    def _fit(self, aligned: AlignedFace, log: Log) -> FitResult:
        picture, landmarks = _shrunk(aligned)
        seen = self._observer.see_at(picture, landmarks, view=VIEW)
        found = translate(seen, self._traits.estimate(picture, landmarks).numpy(), self._translator, self._lock)
        log(1, {name: losses[-1] for name, losses in found.history.items()})
        return found


def _shrunk(aligned: AlignedFace) -> tuple[Tensor, Tensor]:
    """(1, 3, S, S) an aligned face as the methods that look at small pictures see it, and its landmarks, on the CPU."""
    shrink = aligned.picture.shape[-1] // observation.SIDE
    return F.avg_pool2d(aligned.picture[None].cpu(), shrink), aligned.landmarks[None].cpu() / shrink


def open_method(config: FitConfig, model: Path, frozen: Frozen, *, device: str) -> Method:
    """The way to fit that the options ask for.

    Args:
        config: of the fits.
        model: Imitator file for the method imitator, else Translator file.
        frozen: the networks that look.
        device: where the Imitator computes; the other methods compute on the CPU.

    Raises:
        ConfigError: an unknown character, a lock of something that the character has not got.
    """
    if config.method == "imitator":
        return ImitatorMethod(config, model, frozen, device=device)
    return (EngineMethod if config.method == "engine" else TranslatorMethod)(config, model, frozen)


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
