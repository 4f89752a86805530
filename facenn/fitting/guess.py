"""What a Translator says of a photo: all parameters at once, how sure it is of them, and of the person's sex."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from facenn.arrays import Floats, Vector
from facenn.fitting.locks import Lock
from facenn.networks.translator import MOVED, TranslatorNetwork, load_translator_network
from facenn.perception.features import FeatureReader
from facenn.perception.irises import cleared
from facenn.perception.observation import Observation
from facenn.schema import ParameterSchema

OWN, TOLD = 0.5, 0.5  # what the Translator's own logit of sex counts, and that of the network of sex and age
SURE = 0.9  # probability of a man from which on he has all of the beard that is seen, and no make-up
MOST = 1.5  # that a slider is emphasised at most


@dataclass(frozen=True)
class Guess:
    """What the parameters of one face may be.

    Attributes:
        sliders: (D,) in [0, 1], each the mean of what it may be.
        options: how probable each option of each choice is, by the choice's name.
        man: how probable it is that the person is a man; nobody is surely one or the other.
        strangeness: mean square of what the Translator read: about 1 for the pictures that it learned from, more for
            photos that are unlike them.

    Example:
        >>> guess = Guess(np.array([0.25]), {"hat": np.array([0.75, 0.25])}, man=0.98, strangeness=1.1)
        >>> guess.vector().tolist()
        [0.25, 0.75, 0.25]
    """

    sliders: Floats
    options: Mapping[str, Floats]
    man: float
    strangeness: float

    def vector(self) -> Vector:
        """(P,) the sliders, and for each choice how probable its options are; not yet projected."""
        vector: Vector = np.concatenate([self.sliders, *self.options.values()]).astype(np.float32)
        return vector


@dataclass(frozen=True)
class Translator:
    """Tells parameters from what is seen in a photo; see ``load_translator``.

    Attributes:
        schema: what the parameters mean.
        network: what has learned to tell them.
        reader: says in numbers what the network reads. What is seen has to be seen with its spots.

    Example:
        >>> translator = load_translator(Path("data/pretrained/translator-portrait.safetensors"))  # doctest: +SKIP
        >>> guess = translator.guess(seen, traits)                                                 # doctest: +SKIP
        >>> guess.man, guess.options["hair.style"].max(), guess.sliders.shape                      # doctest: +SKIP
        (0.98, 0.61, (144,))
    """

    schema: ParameterSchema
    network: TranslatorNetwork
    reader: FeatureReader

    @property
    def frame(self) -> Floats:
        """(478, 2) mean landmarks of the pictures it learned from, as parts of their side: photos are aligned to it."""
        return _numbers(self.network.frame)

    @property
    def spread(self) -> Floats:
        """(D,) standard deviations of the sliders' errors on drawn people that it did not learn from."""
        return _numbers(self.network.residual)

    @property
    def jacobian(self) -> Mapping[str, Floats]:
        """(F, D) how each kind of features changes with the sliders in the mean of many faces; see ``MOVED``."""
        return {kind: _numbers(self.network.jacobian(kind)) for kind in MOVED}

    def guess(self, seen: Observation, traits: Floats) -> Guess:
        """The parameters of the face in a photo.

        Sex is what the network of sex and age says, softened by what the Translator sees itself: either is wrong on
        some people.

        Args:
            seen: in one aligned photo (B = 1), by the view ``facenn.perception.features.VIEW``.
            traits: (1, 2) years, and the logit of a man against a woman.
        """
        reading = self.network.read(self.reader.read(replace(seen, iris=cleared(seen.iris)), traits))
        said = self.network(reading)
        sliders = self.network.middle + said.sliders[0] * self.network.deviation
        options = {choice.name: _numbers(logits[0].softmax(0))
                   for choice, logits in zip(self.schema.choices, said.options, strict=True)}
        logit = OWN * float(said.man[0]) + TOLD * float(traits[0, 1])
        return Guess(_numbers(sliders.clamp(0, 1)), options, float(1 / (1 + np.exp(-logit))),
                     float(reading.square().mean()))

    def emphasised(self, guess: Guess) -> Guess:
        """The same guess with sliders as different from the mean as people are.

        The mean of what a slider may be is nearer to the usual than people are: of a slider whose variance is told to
        a part r, by sqrt(r). Faces made of such means look alike.
        """
        middle, deviation = _numbers(self.network.middle), _numbers(self.network.deviation)
        told = np.clip(1 - np.square(self.spread / deviation), MOST**-2, 1)
        sliders: Floats = np.clip(middle + (guess.sliders - middle) / np.sqrt(told), 0, 1).astype(np.float32)
        return replace(guess, sliders=sliders)


def load_translator(path: Path, *, expect: ParameterSchema | None = None) -> Translator:
    """Read a Translator's file.

    Args:
        path: the file, ``.safetensors``.
        expect: the schema that the caller's parameters follow; None to take whatever the file says.

    Raises:
        MissingFileError: no such file.
        CheckpointError: damaged, of another format or network, or of another schema than expected.
    """
    network, schema = load_translator_network(path, expect=expect)
    return Translator(schema, network, FeatureReader.of(_numbers(network.reference)))


def plausible(guess: Guess, schema: ParameterSchema, lock: Lock) -> Guess:
    """The same guess without beards of people who may be women, and without make-up of those who are surely men.

    Between the two, both fade: what decides is a probability, no verdict. A sex that is locked is certain.
    """
    man, sex = guess.man, schema.slider_of("sex")
    if sex is None:
        return guess
    if lock.held[sex]:
        man = float(lock.values[sex] > 0.5)
    share = float(np.clip((man - 0.5) / (SURE - 0.5), 0, 1))
    sliders = guess.sliders.copy()
    sliders[schema.with_role("beard")] *= share
    sliders[schema.with_role("make-up")] *= 1 - share
    return replace(guess, sliders=sliders, man=man)


def _numbers(tensor: torch.Tensor) -> Floats:
    numbers: Floats = tensor.numpy()
    return numbers
