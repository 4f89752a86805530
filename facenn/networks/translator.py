"""The Translator: from what frozen networks see in a face to all parameters at once, and its file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from facenn.arrays import Floats
from facenn.errors import CheckpointError, SchemaError
from facenn.files import replace_bytes
from facenn.networks.checkpoints import FORMAT, HEADER, fill, read_network, schema_difference
from facenn.networks.facemesh import LANDMARKS
from facenn.schema import ParameterSchema

HIDDEN = 512
MOVED = ("embedding", "tones", "relief")  # kinds of features of which it knows how sliders move them
LEAST = 1e-3  # variation of a kind of features, or its weights would not fit into 16 bits
# How many of a kind of features' principal axes are read, and what the kind counts beside the others, all its axes
# together: colours and points tell more than embeddings, which see drawn faces unlike photos; what is told of sex and
# age counts most. A kind that has no line here is not read.
AXES = {"embedding": (400, 0.5), "points": (80, 1.0), "tones": (60, 1.0), "relief": (150, 0.3), "iris": (3, 0.2),
        "cover": (80, 0.3), "hair": (3, 0.3), "traits": (2, 2.5)}


@dataclass(frozen=True)
class Translation:
    """What a Translator says of B faces.

    Attributes:
        sliders: (B, D) in deviations from the mean of people.
        options: (B, O) logits of each choice.
        man: (B,) logit of a man against a woman.
    """

    sliders: Tensor
    options: tuple[Tensor, ...]
    man: Tensor


class TranslatorNetwork(nn.Module):
    """Two layers beside a linear path; a head for each group of sliders, each choice and sex is a part of the last one.

    Follows the Translator of arXiv:2008.07132 in what it is for, but reads several frozen networks instead of one, and
    learns from drawn faces whose parameters are known instead of through an Imitator.

    Args:
        kinds: features of each kind, and how many principal axes of them are read.
        sliders: D.
        options: how many each choice has.
        hidden: width of the layers.

    Attributes:
        middle: (D,) mean sliders of the people it learned from.
        deviation: (D,) their standard deviations.
        residual: (D,) standard deviations of its errors on people it did not learn from.
        reference: (478, 2) landmarks to which the spots of the skin are tied, as parts of the picture's side.
        frame: (478, 2) mean landmarks of the pictures it learned from, likewise.
    """

    middle: Tensor
    deviation: Tensor
    residual: Tensor
    reference: Tensor
    frame: Tensor

    def __init__(self, kinds: Mapping[str, tuple[int, int]], sliders: int, options: Sequence[int], *,
                 hidden: int = HIDDEN) -> None:
        super().__init__()
        self.kinds, self.options, self.hidden = dict(kinds), tuple(options), hidden
        for kind, (size, axes) in kinds.items():
            self.register_buffer(f"{kind}_mean", torch.zeros(size))
            self.register_buffer(f"{kind}_axes", torch.zeros(size, axes))
            if kind in MOVED:
                self.register_buffer(f"{kind}_jacobian", torch.zeros(size, sliders))
        for name in ("middle", "deviation", "residual"):
            self.register_buffer(name, torch.zeros(sliders))
        for name in ("reference", "frame"):
            self.register_buffer(name, torch.zeros(LANDMARKS, 2))
        read, said = sum(axes for _, axes in kinds.values()), sliders + sum(options) + 1
        self.direct = nn.Linear(read, said)
        self.first, self.second, self.last = nn.Linear(read, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, said)
        for layer in (self.direct, self.last):  # begins with the mean of people
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def standardise(self, features: Mapping[str, Floats]) -> None:
        """Take means and principal axes of each kind from (N, F) features, so that entries vary by about 1."""
        weights = {kind: AXES[kind][1] for kind in self.kinds}
        unit = np.sqrt(sum(axes for _, axes in self.kinds.values()) / sum(w * w for w in weights.values()))
        for kind, (_, axes) in self.kinds.items():
            values = torch.from_numpy(features[kind])
            mean = values.mean(0)
            # in single precision it fails on cells that hair hardly ever covers
            _, directions = torch.linalg.eigh(((values - mean).T @ (values - mean)).double())
            chosen = directions.flip(1)[:, :axes].float()
            size = ((values - mean) @ chosen).square().sum(1).mean().sqrt().clamp_min(LEAST)
            getattr(self, f"{kind}_mean").copy_(mean)
            getattr(self, f"{kind}_axes").copy_(unit * weights[kind] / size * chosen)

    def jacobian(self, kind: str) -> Tensor:
        """(F, D) how the features of a kind change with the sliders, per unit, in the mean of many faces."""
        jacobian: Tensor = getattr(self, f"{kind}_jacobian")
        return jacobian

    def read(self, features: Mapping[str, Floats]) -> Tensor:
        """(B, sum of axes) what the layers see of (B, F) features of each kind.

        Raises:
            CheckpointError: features of other networks than those whose features it learned.
        """
        for kind, (size, _) in self.kinds.items():
            if features[kind].shape[1] != size:
                raise CheckpointError(f"expected {size} features of the kind {kind} for this Translator, got "
                                      f"{features[kind].shape[1]}; train one: facenn train-translator")
        return torch.cat([(torch.from_numpy(features[kind]) - getattr(self, f"{kind}_mean"))
                          @ getattr(self, f"{kind}_axes") for kind in self.kinds], 1)

    def forward(self, read: Tensor, *, forget: float = 0.0, drop: float = 0.0) -> Translation:
        """What a (B, sum of axes) reading means.

        Args:
            read: see ``read``.
            forget: share of the reading that is left out at random while learning.
            drop: share of the hidden units that is.
        """
        read = F.dropout(read, forget, forget > 0)
        hidden = F.dropout(F.gelu(self.first(read)), drop, drop > 0)
        hidden = F.dropout(F.gelu(self.second(hidden)), drop, drop > 0)
        sliders, *options, man = (self.direct(read) + self.last(hidden)).split(
            [len(self.middle), *self.options, 1], 1)
        return Translation(sliders, tuple(options), man[:, 0])


def save_translator(path: Path, network: TranslatorNetwork, schema: ParameterSchema, *,
                    notes: Mapping[str, str] | None = None) -> None:
    """Write a Translator with the schema of its parameters, weights in 16 bits, offsets and statistics in 32.

    Args:
        path: the file, ``.safetensors``.
        network: the Translator.
        schema: whose parameters it says.
        notes: texts about its origin that stay with the file.

    Raises:
        SchemaError: a schema of other sliders or choices than the network's.
    """
    if (said := _said(schema)) != (len(network.middle), network.options):
        raise SchemaError(f"expected a schema of {len(network.middle)} sliders and choices of {network.options} "
                          f"options for this Translator, got {said[0]} and {said[1]} of character {schema.character}")
    header = {"format": FORMAT, "network": "translator", "schema": json.loads(schema.to_json()),
              "architecture": {"kinds": network.kinds, "hidden": network.hidden}, "notes": dict(notes or {})}
    tensors = {name: (tensor.half() if tensor.ndim > 1 and name not in {"reference", "frame"} else tensor).contiguous()
               for name, tensor in network.state_dict().items()}
    replace_bytes(path, save(tensors, metadata={HEADER: json.dumps(header)}))


def load_translator_network(path: Path, *, expect: ParameterSchema | None = None
                            ) -> tuple[TranslatorNetwork, ParameterSchema]:
    """Read what ``save_translator`` wrote.

    Args:
        path: the file.
        expect: the schema that the caller's parameters follow; None to take whatever the file says.

    Returns:
        The network, float32 and in eval mode, and its schema.

    Raises:
        MissingFileError: no such file.
        CheckpointError: damaged, of another format or network, or of another schema than expected.
    """
    header, tensors = read_network(path)
    if header.network != "translator":
        raise CheckpointError(f"{path}: expected a Translator, got a network called {header.network!r}; an Imitator "
                              "fits by --method imitator")
    if expect is not None and (difference := schema_difference(expect, header.schema)):
        raise CheckpointError(f"{path}: {difference}; train a Translator on this engine: facenn train-translator")
    try:
        kinds = {str(kind): (int(size), int(axes)) for kind, (size, axes) in header.architecture["kinds"].items()}
        network = TranslatorNetwork(kinds, *_said(header.schema), hidden=int(header.architecture["hidden"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: expected the architecture of a Translator, got {error!r}") from None
    fill(path, network, tensors)
    return network.eval().requires_grad_(False), header.schema


def _said(schema: ParameterSchema) -> tuple[int, tuple[int, ...]]:
    """How many sliders a schema has, and how many options each choice."""
    return len(schema.sliders), tuple(len(choice.options) for choice in schema.choices)
