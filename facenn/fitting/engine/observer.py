"""What draws parameters and looks at the pictures, forwards and backwards: an engine and the networks."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Array, Floats, Pixels, Vector
from facenn.engine.layout import LABELS, Material
from facenn.engine.renderer import Engine
from facenn.images import to_tensor
from facenn.networks.cropping import sample_at
from facenn.networks.facemesh import MESH
from facenn.networks.frozen import Frozen
from facenn.networks.recognition import Recognizer
from facenn.perception.cells import CELLS
from facenn.perception.hair import hair_colour
from facenn.perception.observation import SIDE, Observation, Observer, smoothed
from facenn.perception.skin import SkinSpots
from facenn.processes import Threads
from facenn.tangents.picture import LinearPicture, TangentEngine
from facenn.tangents.points import SurfacePoints

HAIR = LABELS.index("hair")


class EngineObserver:
    """Draws parameters, and says what is seen of the pictures and how that changes. Not for several threads at once.

    Args:
        engine: draws; pictures of SIDE pixels.
        frozen: the networks that look.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
    """

    def __init__(self, engine: Engine, frozen: Frozen, reference: Floats) -> None:
        self._drawer = TangentEngine(engine)
        self._points = SurfacePoints(self._drawer.engine, reference[:MESH])
        self.observer = Observer(frozen.finder, frozen.views, SkinSpots(reference))

    def twin(self) -> "EngineObserver":
        """The same for another thread."""
        other = copy(self)
        other._drawer = self._drawer.twin()
        return other

    def draw(self, vector: Vector) -> LinearPicture:
        """One face of (P,) parameters."""
        return self._drawer.draw(vector)

    def see(self, picture: LinearPicture, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        """What is seen of a drawn face; landmarks are looked for near (478, 2) others."""
        hair = torch.from_numpy(picture.render.labels == HAIR)[None]
        return self.observer.see(to_tensor(picture.render.picture)[None], torch.from_numpy(near * SIDE)[None],
                                 hair=hair, passes=passes, view=view)

    def see_repainted(self, picture: LinearPicture, vector: Vector, points: Floats, *, view: int = 0) -> Observation:
        """What is seen of the same head in another look, whose landmarks (478, 2) are therefore the same."""
        hair = torch.from_numpy(picture.render.labels == HAIR)[None]
        pixels = torch.from_numpy(picture.repainted(vector)).movedim(-1, 0)[None].contiguous()
        return self.observer.see_at(pixels, torch.from_numpy(points * SIDE)[None], hair=hair, view=view)

    def hair(self, picture: LinearPicture) -> tuple[Floats, Floats]:
        """(CELLS, CELLS) cover and (3,) colour of the hair of a drawn face, for which no network has to look."""
        mask = picture.render.labels == HAIR
        cover = F.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None, None], CELLS)[0, 0].numpy()
        return cover, hair_colour(_shares(picture.render.picture), mask)

    def repainted_irises(self, picture: LinearPicture, vector: Vector, points: Floats) -> Floats:
        """(3,) colour of the irises of the same head, whose landmarks are (478, 2), in another look."""
        pixels = picture.repainted(vector, only=(Material.EYE,))
        colour: Floats = self.observer.irises(torch.from_numpy(pixels).movedim(-1, 0)[None], points[None])[0]
        return colour

    def repainted_hair(self, picture: LinearPicture, vector: Vector) -> Floats:
        """(3,) colour of the hair of the same head in another look."""
        pixels = picture.repainted(vector, only=(Material.HAIR, Material.SKIN))
        return hair_colour(pixels, picture.render.labels == HAIR)

    def look(self, picture: LinearPicture, points: Floats, threads: Threads, *, view: int) -> "Look":
        """What the recognition networks see of a drawn face whose landmarks (478, 2) are known.

        Args:
            picture: of the face.
            points: its landmarks, as parts of the picture's side.
            threads: one for each network.
            view: number of the view.
        """
        at, ensemble = torch.from_numpy(points)[None] * SIDE, self.observer.views[view]

        def seen(member: Recognizer, share: float) -> tuple[Tensor, Tensor]:
            pixels = to_tensor(picture.render.picture)[None].requires_grad_()
            return pixels, share**0.5 * F.normalize(member.embed(pixels, at), dim=-1)[0]

        parts = threads.run([partial(seen, *member) for member in zip(ensemble.members, ensemble.shares, strict=True)])
        return Look(tuple(pixels for pixels, _ in parts), tuple(part for _, part in parts))

    def pull_back(self, picture: LinearPicture, points: Floats, look: "Look", threads: Threads, *, embedding: Floats,
                  skin: Floats) -> Array:
        """(D,) derivative by the sliders of a function of what is seen of a drawn face.

        Args:
            picture: of the face.
            points: (478, 2) its landmarks, as parts of the picture's side.
            look: what the recognition networks saw.
            threads: share the networks and what the engine has to prepare.
            embedding: (E,) derivative by the embedding.
            skin: (T, 3) derivative by the colours of the spots, which move with the landmarks.
        """
        def through_skin() -> Tensor:
            pixels = to_tensor(picture.render.picture)[None].requires_grad_()
            places = torch.from_numpy(self.observer.spots.places(points[None]))
            colours = sample_at(smoothed(pixels), places)[0]
            return torch.autograd.grad(colours, pixels, torch.from_numpy(skin))[0]

        def prepared() -> Tensor:
            picture.prepare()
            return torch.zeros(1)

        tasks: list[Callable[[], Tensor]] = [prepared, through_skin]
        start = 0
        for part, pixels in zip(look.parts, look.pixels, strict=True):
            slope = torch.from_numpy(embedding[start:start + len(part)])
            tasks.append(partial(_slope, part, pixels, slope))
            start += len(part)
        total = sum(threads.run(tasks), torch.zeros(1))
        return picture.pull_back(total[0].movedim(0, -1).numpy())

    def motion(self, picture: LinearPicture) -> Array:
        """(D, 468, 2) how each slider moves the landmarks of the face, as parts of the picture's side."""
        return self._points.motion(picture)


@dataclass(frozen=True)
class Look:
    """What each recognition network saw of a drawn face, ready for derivatives.

    Attributes:
        pixels: (1, 3, SIDE, SIDE) what it looked at.
        parts: (E_i,) what it says of it: its part of the embedding.
    """

    pixels: tuple[Tensor, ...]
    parts: tuple[Tensor, ...]

    @property
    def embedding(self) -> Floats:
        """(1, E) all parts."""
        whole: Floats = torch.cat(self.parts).detach().numpy()[None]
        return whole


def _slope(part: Tensor, pixels: Tensor, slope: Tensor) -> Tensor:
    """(1, 3, SIDE, SIDE) derivative by the pixels of what has one (E_i,) by a part of the embedding."""
    return torch.autograd.grad(part, pixels, slope)[0]


def _shares(pixels: Pixels) -> Floats:
    """(S, S, 3) of bytes as parts of 255."""
    shares: Floats = pixels.astype(np.float32) / np.float32(255)
    return shares
