"""The training of the Translator, and its measures on people it did not learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Floats, Log, Mask, Rows, Vector
from facenn.networks.translator import AXES, HIDDEN, MOVED, Translation, TranslatorNetwork
from facenn.schema import ParameterSchema

HELD_OUT = 10  # the last one of so many people is learned from by no training, so that Translators can be compared
OPTION, SEX = 0.1, 0.1  # weights of a choice's cross-entropy and of sex beside the mean square of all sliders
FORGET, DROP = 0.1, 0.3  # shares of the reading and of hidden units that are left out: photos are unlike renders
DECAY = 0.01
RIDGE = 30.0  # people: what keeps sliders that vary together from sharing an effect wildly
# How wrong a network of sex and age is that has learned from photos: years of deviation, share of wrong sexes, and the
# least difference of probabilities that it says. On drawn faces it would be wrong more often and in other ways, so a
# Translator does not learn from what it says of them, but from the truth with such errors.
YEARS_OFF, SEX_OFF, LEAST_SURE = 8.0, 0.08, 0.5
YOUNGEST, AGEING = 20.0, 50.0  # years at which the slider of the role age is 0, and until it is 1
WARM_UP = 0.1  # part of the training until the learning rate is highest
MALE = 0.5  # slider of the role sex from which on a person is a man


@dataclass(frozen=True)
class TranslatorMeasures:
    """How well parameters are told from drawn pictures that were not learned from.

    Attributes:
        examples: how many.
        error: mean absolute error of the sliders of each group, in [0, 1].
        explained: share of the variance of the sliders of each group that is told; 1 is all, 0 what the mean tells.
        accuracy: share of right options of each choice.
        sex: share of right sexes; None for a character without a slider of that role.
    """

    examples: int
    error: Mapping[str, float]
    explained: Mapping[str, float]
    accuracy: Mapping[str, float]
    sex: float | None

    def figures(self) -> dict[str, float]:
        """All of them by name; ``error`` alone is the mean over groups."""
        found = {"error": float(np.mean([*self.error.values()])),
                 "explained": float(np.mean([*self.explained.values()]))}
        for name, values in (("error", self.error), ("explained", self.explained), ("accuracy", self.accuracy)):
            found |= {f"{name}/{part}": value for part, value in values.items()}
        return found | ({} if self.sex is None else {"accuracy/sex": self.sex})


def held_out(numbers: Rows) -> Mask:
    """(N,) which of people with these numbers are learned from by no training."""
    out: Mask = numbers % HELD_OUT == HELD_OUT - 1
    return out


def told_traits(vectors: Vector, schema: ParameterSchema, generator: np.random.Generator) -> Floats:
    """(N, 2) years, and the logit of a man against a woman, as a network might tell them from photos of (N, P) people.

    A character without sliders of the roles sex and age has people of whom nothing is told.
    """
    count, sex, age = len(vectors), schema.slider_of("sex"), schema.slider_of("age")
    years = np.zeros(count) if age is None else YOUNGEST + AGEING * vectors[:, age]
    years = years + (age is not None) * generator.normal(0, YEARS_OFF, count)
    sure = generator.uniform(LEAST_SURE, 0.999, count) * np.where(generator.random(count) < SEX_OFF, -1, 1)
    logit = np.zeros(count) if sex is None else 2 * np.arctanh(np.where(vectors[:, sex] > MALE, sure, -sure))
    return np.stack([years, logit], 1).astype(np.float32)


def train_translator(features: Mapping[str, Floats], vectors: Vector, schema: ParameterSchema, *, reference: Floats,
                     frame: Floats, epochs: int, batch_size: int, rate: float, seed: int, log: Log,
                     hidden: int = HIDDEN) -> TranslatorNetwork:
    """A network that tells parameters from features.

    Minimises the mean square of the sliders' errors, each in deviations of its own, so that all count alike, plus the
    cross-entropies of choices and sex, by AdamW with a one-cycle learning rate.

    Args:
        features: (N, F) of each kind, of drawn people.
        vectors: (N, P) their parameters.
        schema: what they mean.
        reference: (478, 2) landmarks to which the features are tied.
        frame: (478, 2) mean landmarks of the drawn pictures.
        epochs: how often each person is seen.
        batch_size: people per step.
        rate: highest learning rate.
        seed: of weights and order.
        log: called with the number of finished epochs and the mean loss.
        hidden: width of the layers.

    Returns:
        The network in eval mode; its ``residual`` is still 0, see ``measure_translator``.
    """
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator alone
        torch.manual_seed(seed)
        kinds = {kind: (features[kind].shape[1], min(axes, *features[kind].shape)) for kind, (axes, _) in AXES.items()}
        network = TranslatorNetwork(kinds, len(schema.sliders), [len(c.options) for c in schema.choices], hidden=hidden)
        network.standardise(features)
        for kind in MOVED:
            slopes = mean_jacobian(features[kind], vectors)[:, :len(schema.sliders)]
            network.jacobian(kind).copy_(torch.from_numpy(slopes))
        network.reference.copy_(torch.from_numpy(reference))
        network.frame.copy_(torch.from_numpy(frame))
        sliders = torch.from_numpy(vectors[:, :len(schema.sliders)])
        network.middle.copy_(sliders.mean(0))
        network.deviation.copy_(sliders.std(0, correction=0).clamp_min(1e-3))
        wanted = Wanted.of(vectors, schema, network)
        read, count = network.read(features), len(vectors)
        steps = -(-count // batch_size) * epochs
        optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=WARM_UP)
        for epoch in range(1, epochs + 1):
            losses = []
            for rows in torch.split(torch.randperm(count), batch_size):
                loss = wanted.take(rows).loss(network(read[rows], forget=FORGET, drop=DROP))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            log(epoch, {"train/loss": float(np.mean(losses))})
    return network.eval().requires_grad_(False)


def mean_jacobian(features: Floats, vectors: Vector) -> Floats:
    """(F, P) how features change with parameters in the mean of many faces: their linear regression.

    Args:
        features: (N, F).
        vectors: (N, P) parameters of the faces.
    """
    apart = (vectors - vectors.mean(0)).astype(np.float64)
    system = apart.T @ apart
    system[np.diag_indices_from(system)] += RIDGE
    slopes: Floats = np.linalg.solve(system, apart.T @ (features - features.mean(0))).T.astype(np.float32)
    return slopes


@dataclass(frozen=True)
class Wanted:
    """What a Translator should say of B people.

    Attributes:
        sliders: (B, D) in deviations from the mean of people.
        options: (B,) number of the option of each choice.
        man: (B,) 1 for men, 0 for women; None for a character without a slider of that role.
    """

    sliders: Tensor
    options: tuple[Tensor, ...]
    man: Tensor | None

    @classmethod
    def of(cls, vectors: Vector, schema: ParameterSchema, network: TranslatorNetwork) -> "Wanted":
        """What to say of (B, P) parameters."""
        sliders = torch.from_numpy(vectors[:, :len(schema.sliders)])
        sex = schema.slider_of("sex")
        options = tuple(torch.from_numpy(vectors[:, where].argmax(1)) for where in schema.slices.values())
        return cls((sliders - network.middle) / network.deviation, options,
                   None if sex is None else (sliders[:, sex] > MALE).float())

    def take(self, rows: Tensor) -> "Wanted":
        """Some of the people."""
        return Wanted(self.sliders[rows], tuple(option[rows] for option in self.options),
                      None if self.man is None else self.man[rows])

    def loss(self, said: Translation) -> Tensor:
        """() how wrong a Translator is."""
        loss = F.mse_loss(said.sliders, self.sliders)
        for logits, option in zip(said.options, self.options, strict=True):
            loss = loss + OPTION * F.cross_entropy(logits, option)
        if self.man is not None:
            loss = loss + SEX * F.binary_cross_entropy_with_logits(said.man, self.man)
        return loss


@torch.no_grad()
def measure_translator(network: TranslatorNetwork, features: Mapping[str, Floats], vectors: Vector,
                       schema: ParameterSchema) -> TranslatorMeasures:
    """How well a Translator tells the parameters of people it did not learn from; sets its ``residual`` to its errors.

    Args:
        network: changed in place.
        features: (N, F) of each kind.
        vectors: (N, P) their parameters.
        schema: what they mean.
    """
    wanted, said = Wanted.of(vectors, schema, network), network(network.read(features))
    apart = (said.sliders - wanted.sliders) * network.deviation
    network.residual.copy_(apart.square().mean(0).sqrt())
    explained = 1 - apart.square().sum(0) / (wanted.sliders * network.deviation).square().sum(0).clamp_min(1e-9)
    groups = {group: [i for i, slider in enumerate(schema.sliders) if slider.group == group]
              for group, sliders, _ in schema.by_group() if sliders}
    return TranslatorMeasures(
        len(vectors), {group: float(apart[:, rows].abs().mean()) for group, rows in groups.items()},
        {group: float(explained[rows].mean()) for group, rows in groups.items()},
        {choice.name: float((logits.argmax(1) == option).float().mean())
         for choice, logits, option in zip(schema.choices, said.options, wanted.options, strict=True)},
        None if wanted.man is None else float(((said.man > 0) == (wanted.man > 0.5)).float().mean()))
