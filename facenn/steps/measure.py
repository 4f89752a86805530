"""Measures an Imitator on faces that no training saw: random ones, and those that fits through it find."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facenn.arrays import Log, Vector
from facenn.config import FitConfig
from facenn.engine.characters import character
from facenn.engine.renderer import Engine
from facenn.errors import ConfigError
from facenn.evaluation import Gap, Pair, drawn_by, measure_gap
from facenn.files import replace_text
from facenn.fitting.imitator.descent import fit
from facenn.fitting.imitator.objective import Weights, backdrop
from facenn.fitting.imitator.target import see
from facenn.fitting.locks import Lock
from facenn.images import to_tensor, write_pixels
from facenn.networks.checkpoints import load_imitator
from facenn.networks.frozen import Frozen, load_frozen
from facenn.networks.imitator import Imitator
from facenn.people import sample
from facenn.schema import ParameterSchema
from facenn.steps.sheets import side_by_side

FRESH = 1  # keeps these faces apart from those of ``facenn render``, whatever its seed
SHOWN = 6
DECIMALS = 6  # of the written figures


@dataclass(frozen=True)
class Fresh:
    """Which faces an Imitator is measured on.

    Attributes:
        character: embedded character that draws them.
        count: random faces.
        seed: face i depends on the seed and i alone. No seed of ``facenn render`` draws the same faces.
        fitted: how many of them, from the first on, are fitted again through the Imitator.

    Raises:
        ConfigError: unknown character, or a number out of bounds.
    """

    character: str
    count: int
    seed: int = 1
    fitted: int = 0

    def __post_init__(self) -> None:
        character(self.character)
        if self.count < 1:
            raise ConfigError(f"expected a --count of 1 face or more, got {self.count}")
        if self.seed < 0:
            raise ConfigError(f"expected a --seed of 0 or more, got {self.seed}")
        if not 0 <= self.fitted <= self.count:
            raise ConfigError(f"expected --fitted between 0 and the {self.count} faces of --count, got {self.fitted}")

    def vector(self, schema: ParameterSchema, index: int) -> Vector:
        """(P,) parameters of face ``index``."""
        return sample(schema, np.random.default_rng([self.seed, index, FRESH]))

    def fit_steps(self, config: FitConfig) -> int:
        """How many steps the fits take, ``config.imitator.batch`` faces at a time."""
        return -(-self.fitted // config.imitator.batch) * config.imitator.steps


@dataclass(frozen=True)
class Measures:
    """How good an Imitator is on engine pictures that no training saw.

    Attributes:
        random: on random faces.
        fitted: on the vectors that fits of the first of these faces found, where descent may have gone to what looks
            right on the Imitator alone; None when none was asked for, or when the networks find no face.
    """

    random: Gap
    fitted: Gap | None

    def figures(self) -> dict[str, float]:
        """All that was measured, by name."""
        found = _figures(self.random, "")
        return found if self.fitted is None else found | _figures(self.fitted, "fitted/")


def measure(model: Path, out: Path, fresh: Fresh, fit_config: FitConfig, *, pretrained: Path, device: str,
            progress: Callable[[int], None], log: Log) -> Measures:
    """Measure an Imitator against the engine, on fresh faces.

    Writes the figures as JSON into ``out``, and beside it a picture of the same name: engine | Imitator | difference
    of the first faces.

    Args:
        model: Imitator file.
        out: the file to write, ``.json``.
        fresh: which faces.
        fit_config: how to fit some of them again.
        pretrained: folder of the frozen networks.
        device: where to compute.
        progress: called with how many random faces are measured.
        log: called with the finished steps of all fits, one batch of them after the other, and their losses.

    Raises:
        ConfigError: a file of another kind to write.
        CheckpointError: not an Imitator, or one of another character or version of the schema.
    """
    schema = character(fresh.character).schema
    if out.suffix != ".json":
        raise ConfigError(f"expected a .json file to write, got {out}")
    imitator, _ = load_imitator(model, device=device, expect=schema)
    engine, frozen = Engine(fresh.character), load_frozen(pretrained, device)
    shown: list[Pair] = []

    def watched(pairs: Iterable[Pair]) -> Iterator[Pair]:
        for done, pair in enumerate(pairs):
            progress(done)
            if done < SHOWN:
                shown.append(pair)
            yield pair
        progress(fresh.count)

    vectors = (fresh.vector(schema, i) for i in range(fresh.count))
    random = measure_gap(watched(_pairs(engine, imitator, vectors)), frozen)
    found = _found(engine, imitator, fresh, frozen, fit_config, log)
    measures = Measures(random, measure_gap(_pairs(engine, imitator, found), frozen) if found else None)
    about = {"model": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
             "character": fresh.character, "resolution": imitator.resolution, "seed": fresh.seed}
    text = json.dumps({**about, **asdict(random), "fitted": asdict(measures)["fitted"]})
    rounded = json.loads(text, parse_float=lambda digits: round(float(digits), DECIMALS))
    replace_text(out, json.dumps(rounded, indent=1) + "\n")
    write_pixels(out.with_suffix(".png"), side_by_side(*(torch.stack([getattr(pair, whose) for pair in shown])
                                                         for whose in ("engine", "imitated"))))
    return measures


def fit_renders(pictures: Iterable[NDArray[np.uint8]], imitator: Imitator, schema: ParameterSchema, frozen: Frozen,
                config: FitConfig, log: Log) -> tuple[list[int], Vector]:
    """Fit the engine's own pictures through an Imitator, all at once and with no parameter locked.

    Args:
        pictures: (SIDE, SIDE, 3) renders.
        imitator: of the schema's parameters.
        schema: what the parameters mean.
        frozen: the networks that compare.
        config: how to fit; what a person locks says nothing about an Imitator.
        log: called with the step and the losses.

    Returns:
        The numbers of the B renders that show a face, and (B, P) what was found for them.
    """
    device, seen = next(imitator.parameters()).device, []
    for number, pixels in enumerate(pictures):
        picture = to_tensor(pixels).to(device)
        points = frozen.finder.find(picture[None])
        if points is not None:
            seen.append((number, picture, points[0]))
    if not seen:
        return [], np.empty((0, schema.size), np.float32)
    numbers, faces, landmarks = zip(*seen, strict=True)
    target = see(torch.stack(faces), torch.stack(landmarks), frozen, wall=backdrop(imitator, schema))
    options = config.imitator
    found = fit(target, imitator.requires_grad_(False), schema, frozen, steps=options.steps, rate=options.rate,
                weights=Weights(**options.model_dump(include=set(Weights._fields))),
                candidates=options.candidates, seed=config.seed, lock=Lock.of((), schema), log=log)
    return list(numbers), np.stack([one.vector for one in found])


def _found(engine: Engine, imitator: Imitator, fresh: Fresh, frozen: Frozen, config: FitConfig, log: Log
           ) -> list[Vector]:
    """What fits of the first faces find, as many faces at once as in a folder of photos."""
    found, batch = list[Vector](), config.imitator.batch
    for first in range(0, fresh.fitted, batch):
        pictures = (engine.draw(fresh.vector(engine.schema, i)).picture
                    for i in range(first, min(first + batch, fresh.fitted)))
        after = _after(first // batch * config.imitator.steps, log)
        found += list(fit_renders(pictures, imitator, engine.schema, frozen, config, after)[1])
    return found


def _after(steps: int, log: Log) -> Log:
    return lambda step, losses: log(steps + step, losses)


def _pairs(engine: Engine, imitator: Imitator, vectors: Iterable[Vector]) -> Iterator[Pair]:
    """Each vector drawn by both, when it is asked for."""
    for vector in vectors:
        render = engine.draw(vector)
        drawn = drawn_by(imitator, torch.from_numpy(vector)[None], side=len(render.picture))[0]
        yield Pair(to_tensor(render.picture).to(drawn), render.labels, drawn)


def _figures(gap: Gap, prefix: str) -> dict[str, float]:
    whole = {name: value for name, value in asdict(gap).items() if isinstance(value, float)}
    return {f"{prefix}{name}": value for name, value in whole.items()} | {
        f"{prefix}l1/{part}": value for part, value in gap.parts.items()}
