"""The two ways to search for the parameters of a face, opened for many photos: through an Imitator, on the engine."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

import facenn.fitting
from facenn.alignment import AlignedFace
from facenn.config import FitConfig
from facenn.engine.characters import CHARACTERS, character
from facenn.engine.digest import engine_digest
from facenn.engine.renderer import Engine
from facenn.errors import CheckpointError, ConfigError
from facenn.fitting.critic import Weights, backdrop, draw
from facenn.fitting.descent import FitResult, fit
from facenn.fitting.irises import with_clear_irises
from facenn.fitting.library import Library, library_folder, load_library
from facenn.fitting.locks import Lock
from facenn.fitting.painter import Observer, Setting
from facenn.fitting.search import fit_on_engine
from facenn.fitting.sight import SIDE, Eyes
from facenn.fitting.studio import Studio
from facenn.fitting.target import Target, see
from facenn.images import to_pixels
from facenn.networks.checkpoints import load_imitator, schema_difference
from facenn.networks.frozen import RECOGNITION, Frozen
from facenn.report.summary import Pixels
from facenn.schema import ParameterSchema, Vector

Log = Callable[[int, Mapping[str, float]], None]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """What a search found for one photo.

    Attributes:
        vector: (P,) valid parameters.
        relaxed: (P,) what they were when the choices were to be made: entries of a choice are probabilities.
        history: per loss, what each step ended or started with.
        imitated: the Imitator's picture of the parameters, where one took part.
        drawn: how many pictures the engine drew for it.
    """

    vector: Vector
    relaxed: Vector
    history: Mapping[str, list[float]]
    imitated: Pixels | None
    drawn: int


class Searcher(Protocol):
    """One way to search."""

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
        """What searches, for the report."""

    @property
    def together(self) -> int:
        """How many faces it takes at once."""

    @property
    def digest(self) -> str:
        """What decides its results beside options and photo: code of search and engine, schema, model file."""

    def search(self, aligned: Sequence[AlignedFace], log: Log) -> list[Found]:
        """The parameters of aligned faces; what it finds for one does not depend on the others."""


class ImitatorSearcher:
    """Gradient descent through an Imitator.

    Args:
        config: of the fits.
        model: Imitator file.
        frozen: the networks that look.
        device: where to compute.
    """

    def __init__(self, config: FitConfig, model: Path, frozen: Frozen, *, device: str) -> None:
        self._config, self._frozen, self._device = config, frozen, device
        self._imitator, self.schema = load_imitator(model, device=device)
        self._lock = Lock.of(config.lock, self.schema)
        self._imitator.requires_grad_(False)
        self._wall = backdrop(self._imitator, self.schema)
        self.engine, self.made_by = _engine_of(self.schema, model), model.stem
        self.together, self.digest = config.batch, _digest(self.schema, model)

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the renders that the Imitator learned from."""
        return self._imitator.frame

    def search(self, aligned: Sequence[AlignedFace], log: Log) -> list[Found]:
        """The parameters of aligned faces, all at once; see ``facenn.fitting.descent``.

        Several threads may search at once.
        """
        config = self._config
        target = Target.of_all([see(a.picture[None], a.landmarks[None], self._frozen, wall=self._wall)
                                for a in aligned])
        found = fit(target, self._imitator, self.schema, self._frozen, steps=config.steps, rate=config.rate,
                    weights=weights_of(config), candidates=config.candidates, seed=config.seed,
                    lock=self._lock, log=log)
        vectors = torch.from_numpy(found.vectors).to(self._device)
        with torch.no_grad():
            imitated = [to_pixels(draw(self._imitator, vector[None]))[0] for vector in vectors]
        return [_found(found, i, picture, drawn=0) for i, picture in enumerate(imitated)]


class EngineSearcher:
    """Gauss-Newton on the engine.

    Args:
        config: of the fits.
        library: where they start.
        lock: parameters that the fits leave alone.
        observer: draws and looks.
        frozen: the networks that look.
    """

    def __init__(self, config: FitConfig, library: Library, lock: Lock, observer: Observer, frozen: Frozen) -> None:
        self._config, self._library, self._lock, self._observer = config, library, lock, observer
        self._eyes, self._traits = Eyes(frozen.finder, frozen.views, library.layout), frozen.traits
        self.schema, self.engine = library.schema, Engine(config.character)
        self.together, self.digest = 1, _digest(library.schema)
        self.made_by = f"Gauss-Newton on the engine, from {len(library.vectors):,} drawn people"

    @property
    def frame(self) -> Tensor:
        """(478, 2) mean landmarks of the library's people."""
        return torch.from_numpy(self._library.frame) * 512

    def search(self, aligned: Sequence[AlignedFace], log: Log) -> list[Found]:
        """The parameters of aligned faces, one after the other; see ``facenn.fitting.search``."""
        return [self._search(face, log) for face in aligned]

    def _search(self, aligned: AlignedFace, log: Log) -> Found:
        shrink = aligned.picture.shape[-1] // SIDE
        picture = F.avg_pool2d(aligned.picture[None].cpu(), shrink)
        landmarks = aligned.landmarks[None].cpu() / shrink
        photo = with_clear_irises(self._eyes.see_at(picture, landmarks))
        photos = [replace(photo, embedding=view.embed(picture, landmarks).numpy()) for view in self._eyes.views]
        traits = self._traits.of(aligned.picture[None], aligned.landmarks[None])
        result, drawn = fit_on_engine(photos, traits, self._library, self._observer,
                                      rounds=self._config.rounds, lock=self._lock, log=log)
        return _found(result, 0, None, drawn=drawn)


@contextmanager
def open_searcher(config: FitConfig, model: Path | None, frozen: Frozen, pretrained: Path, *, libraries: Path,
                  device: str, progress: Progress) -> Iterator[Searcher]:
    """The way to search that the options ask for; its processes end with the block.

    Args:
        config: of the fits.
        model: Imitator file; None with the method engine, which has no use for it.
        frozen: the networks that look.
        pretrained: folder of the same, for other processes.
        libraries: folder of the libraries of drawn people, for the method engine.
        device: where the Imitator computes; the method engine computes on the CPU.
        progress: called with how many people of the library are drawn, if any has to be.

    Raises:
        ConfigError: a method without its model, a model that the method does not use, an unknown character, a lock
            of something that the character has not got.
    """
    if config.method == "imitator":
        if model is None:
            raise ConfigError("expected a model for --method imitator, got none")
        yield ImitatorSearcher(config, model, frozen, device=device)
        return
    if model is not None:
        raise ConfigError(f"expected no --model with --method engine, which draws with the engine itself, got {model}")
    lock = Lock.of(config.lock, character(config.character).schema)
    folder = library_folder(libraries, config.character, seed=config.seed)
    library = load_library(folder, config.character, pretrained.resolve(), count=config.library, seed=config.seed,
                           workers=config.workers, progress=progress)
    setting = Setting(config.character, pretrained.resolve(), library.reference)
    with Studio(setting, workers=config.workers) as studio:
        yield EngineSearcher(config, library, lock, studio, frozen)


def weights_of(config: FitConfig) -> Weights:
    """The weights of the losses, as the fit through the Imitator takes them."""
    return Weights(identity=config.identity, landmark=config.landmark, colour=config.colour, prior=config.prior)


def _found(result: FitResult, face: int, imitated: Pixels | None, *, drawn: int) -> Found:
    history = {name: [step[face] for step in steps] for name, steps in result.history.items()}
    return Found(result.vectors[face], result.relaxed[face], history, imitated, drawn)


def _digest(schema: ParameterSchema, *models: Path) -> str:
    """What tells whether two searches end alike: a digest of engine, schema, models and the code that searches."""
    digest = hashlib.sha256(f"{engine_digest()} {schema.to_json()}".encode())
    for path in [*sorted(Path(facenn.fitting.__path__[0]).glob("*.py")), *RECOGNITION, *models]:
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
