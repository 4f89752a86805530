"""Where the landmarks of a character's neutral face are: what the spots of the skin are tied to."""

from pathlib import Path

import torch

from facenn.arrays import Floats
from facenn.engine.renderer import Engine
from facenn.errors import FormatError
from facenn.images import to_tensor
from facenn.networks.landmarks import load_finder
from facenn.perception.observation import SIDE


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
