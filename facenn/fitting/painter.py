"""An engine and the networks that look at its pictures: parameters go in, what is seen of them comes out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from facenn.engine.layout import LABELS
from facenn.engine.renderer import Engine
from facenn.errors import FormatError
from facenn.fitting.sight import SIDE, Eyes, Floats, Layout, Sights
from facenn.images import to_tensor
from facenn.networks.frozen import load_finder, load_views
from facenn.schema import Vector

HAIR = LABELS.index("hair")
BATCH = 4  # pictures looked at together; a constant, as sums depend on it: a result must not depend on the workers
PASSES = 2  # of the landmark network over pictures whose faces may be anywhere near


class Observer(Protocol):
    """Draws parameters and says what is seen of them."""

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Sights:
        """Sights of (B, P) parameters; landmarks are looked for near (478, 2) others, ``passes`` times.

        The view is the number of the crops by which recognition networks tell people apart.
        """


@dataclass(frozen=True)
class Setting:
    """What a process needs to draw and look.

    Attributes:
        character: embedded character.
        pretrained: folder of the frozen networks.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
    """

    character: str
    pretrained: Path
    reference: Floats


class Painter:
    """An engine and the networks that look at its pictures, in one process."""

    def __init__(self, setting: Setting) -> None:
        self._engine = Engine(setting.character, side=SIDE)
        self._eyes = Eyes(load_finder(setting.pretrained), load_views(setting.pretrained),
                          Layout(setting.reference))

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Sights:
        """What is seen of (B, P) parameters; see ``Observer``."""
        renders = [self._engine.draw(vector) for vector in vectors]
        pictures = to_tensor(np.stack([r.picture for r in renders]))
        hair = torch.from_numpy(np.stack([r.labels == HAIR for r in renders]))
        near_pixels = torch.from_numpy(near * SIDE)[None].expand(len(vectors), -1, -1)
        return self._eyes.see(pictures, near_pixels, hair=hair, passes=passes, view=view)


def reference_points(character: str, pretrained: Path) -> Floats:
    """(478, 2) landmarks of a character's neutral face, as parts of the picture's side.

    Raises:
        FormatError: the networks see no face in the engine's picture.
    """
    engine, finder = Engine(character, side=SIDE), load_finder(pretrained)
    picture = to_tensor(engine.draw(engine.schema.neutral()).picture)
    faces = finder.detect(picture)
    if not faces:
        raise FormatError(f"expected a face in the neutral picture of character {character}, found none")
    with torch.no_grad():
        landmarks, _ = finder.landmarks(picture[None], finder.settle(picture, faces[:1]))
    points: Floats = (landmarks[0, :, :2] / SIDE).numpy()
    return points
