"""Which file holds which frozen network, and loading them from a folder."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from facenn.networks import cropping, facemesh, recognition
from facenn.networks.graph import load_graph
from facenn.networks.landmarks import FaceFinder
from facenn.networks.recognition import DLIB, FACERES, SFACE, Ensemble, Recognizer
from facenn.networks.traits import TraitsNetwork

Device = torch.device | str

SHARES = {"sface": 0.42, "faceres": 0.58}  # strangers are about as far apart to either then
# By scale and by degrees: what pleases a network in one crop alone is no likeness either.
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
        sface: recognition; fits, so it must not judge.
        faceres: recognition; fits, so it must not judge.
        dlib: recognition; judges, so it must not fit.
        traits: sex and age.
    """

    finder: FaceFinder
    sface: Recognizer
    faceres: Recognizer
    dlib: Recognizer
    traits: TraitsNetwork

    @cached_property
    def views(self) -> tuple[Ensemble, ...]:
        """The recognition networks that fit, as one, for each way to crop a face."""
        return _views(self.sface, self.faceres)

    @cached_property
    def ensemble(self) -> Ensemble:
        """Some of the views as one."""
        seen = self.views[:TOGETHER]
        return Ensemble(tuple(member for view in seen for member in view.members),
                        tuple(share / len(seen) for view in seen for share in view.shares))


def load_frozen(folder: Path, device: Device = "cpu") -> Frozen:
    """All of them.

    Args:
        folder: with ``blazeface``, ``facemesh``, ``iris``, ``sface``, ``faceres``, ``dlib`` and ``traits``
            ``.safetensors``.
        device: where they run.

    Raises:
        MissingFileError: a file is not there.
        CheckpointError: a file is damaged.
    """
    return Frozen(load_finder(folder, device), load_recognizer(folder, "sface", device),
                  load_recognizer(folder, "faceres", device), load_recognizer(folder, "dlib", device),
                  load_traits(folder, device))


def load_finder(folder: Path, device: Device = "cpu") -> FaceFinder:
    """The three networks that find faces and landmarks; see ``load_frozen``."""
    names = ("blazeface", "facemesh", "iris")
    return FaceFinder(*(load_graph(file(folder, name), device=device) for name in names))


def load_recognizer(folder: Path, name: Literal["sface", "faceres", "dlib"], device: Device = "cpu") -> Recognizer:
    """One recognition network; see ``load_frozen``."""
    network = load_graph(file(folder, name), device=device)
    template = {"sface": SFACE, "faceres": FACERES, "dlib": DLIB}[name]
    return Recognizer(name, network, template, "euclidean" if name == "dlib" else "cosine")


def load_views(folder: Path, device: Device = "cpu") -> tuple[Ensemble, ...]:
    """The recognition networks that fit, as one, for each way to crop a face; see ``load_frozen``."""
    return _views(load_recognizer(folder, "sface", device), load_recognizer(folder, "faceres", device))


def _views(*members: Recognizer) -> tuple[Ensemble, ...]:
    shares = tuple(SHARES[member.name] for member in members)
    return tuple(Ensemble(tuple(replace(member, template=member.template.framed(scale=scale, turn=turn))
                                for member in members), shares) for scale, turn in FRAMINGS)


def load_traits(folder: Path, device: Device = "cpu") -> TraitsNetwork:
    """The network of sex and age; see ``load_frozen``."""
    return TraitsNetwork(load_graph(file(folder, "traits"), device=device))


def file(folder: Path, name: str) -> Path:
    """Where the network of that name is stored."""
    return folder / f"{name}.safetensors"
