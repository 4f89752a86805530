"""Which file holds which frozen network, and loading them from a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from facenn.errors import ConfigError
from facenn.networks import cropping, facemesh, recognition
from facenn.networks.graph import load_graph, network_file
from facenn.networks.landmarks import FaceFinder, load_finder
from facenn.networks.recognition import FITTING, JUDGE, RECOGNISERS, Ensemble, Recognizer
from facenn.networks.traits import TraitsNetwork

Device = torch.device | str

# By scale and by degrees: a picture that deceives a network in one crop seldom does so in all.
FRAMINGS = ((1.07, 0.0), (1.0, 12.0), (1.0, 0.0), (0.95, -10.0))
TOGETHER = 2  # of them that are looked at in every step of a fit which does not look at one after the other
# The files on which embeddings of the ensemble depend.
RECOGNITION = tuple(Path(str(module)) for module in (__file__, recognition.__file__, cropping.__file__,
                                                     facemesh.__file__))


@dataclass(frozen=True)
class Frozen:
    """The networks that see faces in every fit.

    Attributes:
        finder: faces and landmarks.
        recognisers: the recognition networks by name, those of ``RECOGNISERS``.
        traits: sex and age.
    """

    finder: FaceFinder
    recognisers: Mapping[str, Recognizer]
    traits: TraitsNetwork

    @property
    def fitting(self) -> tuple[Recognizer, ...]:
        """The recognition networks whose distances fits minimise, so that none of them can judge a fit."""
        return tuple(self.recognisers[name] for name in FITTING)

    @property
    def judge(self) -> Recognizer:
        """The recognition network that judges fits, so that it takes no part in them."""
        return self.recognisers[JUDGE]

    @cached_property
    def views(self) -> tuple[Ensemble, ...]:
        """The recognition networks that fit, as one, for each way to crop a face."""
        return _views(self.fitting)

    @cached_property
    def ensemble(self) -> Ensemble:
        """Some of the views as one."""
        seen = self.views[:TOGETHER]
        return Ensemble(tuple(member for view in seen for member in view.members),
                        tuple(share / len(seen) for view in seen for share in view.shares))


def load_frozen(folder: Path, device: Device = "cpu") -> Frozen:
    """All frozen networks.

    Args:
        folder: with ``blazeface``, ``facemesh``, ``iris``, ``traits`` and the names of ``RECOGNISERS``, each
            ``.safetensors``.
        device: where they run.

    Raises:
        MissingFileError: a file is not there.
        CheckpointError: a file is damaged.
    """
    return Frozen(load_finder(folder, device), {name: load_recognizer(folder, name, device) for name in RECOGNISERS},
                  load_traits(folder, device))


def load_recognizer(folder: Path, name: str, device: Device = "cpu") -> Recognizer:
    """One recognition network; see ``load_frozen``.

    Raises:
        ConfigError: a name that is not in ``RECOGNISERS``.
    """
    if name not in RECOGNISERS:
        raise ConfigError(f"expected a recognition network among {', '.join(RECOGNISERS)}, got {name!r}")
    row = RECOGNISERS[name]
    return Recognizer(name, load_graph(network_file(folder, name), device=device), row.template, row.metric)


def load_views(folder: Path, device: Device = "cpu") -> tuple[Ensemble, ...]:
    """The recognition networks that fit, as one, for each way to crop a face; see ``load_frozen``."""
    return _views([load_recognizer(folder, name, device) for name in FITTING])


def _views(members: Sequence[Recognizer]) -> tuple[Ensemble, ...]:
    shares = tuple(RECOGNISERS[member.name].share for member in members)
    return tuple(Ensemble(tuple(replace(member, template=member.template.framed(scale=scale, turn=turn))
                                for member in members), shares) for scale, turn in FRAMINGS)


def load_traits(folder: Path, device: Device = "cpu") -> TraitsNetwork:
    """The network of sex and age; see ``load_frozen``."""
    return TraitsNetwork(load_graph(network_file(folder, "traits"), device=device))
