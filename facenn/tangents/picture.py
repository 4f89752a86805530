"""A picture and how it changes: gradients back to the sliders, tangents forward, from what one render knows.

A slider moves vertices, and the picture moves with them; it changes their normals and their light, and the shader
answers; it changes colours and strengths of the look, and the shader answers again. What each sample sees is taken as
it is, so what a motion uncovers is not known, and a hairline, which switches strands on and off, has no derivative but
that of the hair painted on the scalp: a search draws a true picture for each step it takes.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Array, Floats, Ints, Vector
from facenn.engine.camera import FRAME, STUDIO, Conditions
from facenn.engine.characters import Look
from facenn.engine.kernels.tables import Hits, Lights
from facenn.engine.layout import Colour, Material, Strength
from facenn.engine.renderer import Engine, Render, Stage
from facenn.tangents.entries import Entries, carriers, entries_of, gather, gather_flow, spread, spread_flow
from facenn.tangents.geometry import Geometry
from facenn.tangents.shading import LIGHT, Fixed, Looks, brow_map, shaded, tone_curve, view_directions

BEYOND = 3  # pixels outside of the silhouette that move with it, ever less
STEP = 0.02  # of a slider, for differences of what is smooth and cheap: looks, and vertices of single columns
TURN, SHARE = 0.5, 0.02  # of a condition: degrees of an angle, and the step of everything else
WHOLE = 4.0  # samples of a pixel


class TangentEngine:
    """An engine that can say how its pictures change. Not for several threads at once.

    Example:
        >>> drawer = TangentEngine(Engine("classic", side=64))
        >>> picture = drawer.draw(drawer.engine.schema.neutral())
        >>> brighter = picture.pull_back(np.ones((64, 64, 3), np.float32))  # how each slider changes the sum of levels
        >>> brighter.shape == (len(drawer.engine.schema.sliders),)
        True

    Args:
        engine: draws; about 60 MB of tables are added to its own.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.geometry = engine, Geometry(engine)

    def twin(self) -> "TangentEngine":
        """The same for another thread; see ``Engine.twin``."""
        other = copy(self)
        other.engine = self.engine.twin()
        return other

    def draw(self, vector: Vector, conditions: Conditions = STUDIO) -> "LinearPicture":
        """Draw one face, and remember how its picture came to be; see ``Engine.draw``."""
        vector = self.engine.schema.project(vector)
        stage = self.engine.stage(vector, conditions)
        render = self.engine.photograph(stage)
        triangle, first, second = self.engine.hits
        hits = Hits(triangle.copy(), first.copy(), second.copy())
        return LinearPicture(self, vector, conditions, stage, render, hits)


@dataclass(frozen=True)
class _Shade:
    """The shaded entries of a picture, ready to be differentiated by looks and light."""

    looks: Looks
    light: Mapping[Material, Tensor]
    levels: Mapping[Material, Tensor]


class LinearPicture:
    """A picture that is linear in parameters and conditions around those it was drawn with.

    It costs what a render costs; what derivatives need is worked out when the first one is asked for. 8 MB, and 90 MB
    from then on, at 256 pixels.

    Attributes:
        vector: (P,) parameters.
        stage: what it was drawn from.
        render: what the engine drew.
    """

    def __init__(self, drawer: TangentEngine, vector: Vector, conditions: Conditions, stage: Stage, render: Render,
                 hits: Hits) -> None:
        self._drawer, self._conditions, self._hits = drawer, conditions, hits
        self.vector, self.stage, self.render = vector, stage, render
        self._side = len(render.picture)

    def pull_back(self, gradient: Floats) -> Array:
        """How a function of the picture changes with each slider, all of them for the cost of about two renders.

        Args:
            gradient: (S, S, 3) its derivative by the picture, sRGB in [0, 1].

        Returns:
            (D,) its derivative by the sliders.
        """
        engine, stage, entries = self._drawer.engine, self.stage, self._entries
        # Through the shading, at each entry.
        flat = torch.from_numpy(np.ascontiguousarray(gradient, np.float32).reshape(-1, 3))
        seeds = [flat[torch.from_numpy(e.place >> 2).long()].T * (torch.from_numpy(e.samples) / WHOLE)
                 for e in entries.values()]
        shade = self._shade
        found = torch.autograd.grad([shade.levels[kind] for kind in entries],
                                    [shade.looks.colours, shade.looks.strengths, *shade.light.values()], seeds,
                                    retain_graph=True)
        # To the vertices: their light, and their places on the screen. Sliders change no other light than skin's.
        of_light = np.zeros((len(stage.positions), LIGHT[1] - LIGHT[0]), np.float32)
        of_screen = np.zeros((len(stage.positions), 2), np.float32)
        for kind, slope in zip(shade.light, found[2:], strict=True):
            if kind in (Material.SKIN, Material.CLOTH):
                spread(entries[kind], slope.contiguous().numpy(), self._hits, stage.mesh.triangles, of_light)
        right, down = self._slopes
        pull = -np.stack([(gradient * right).sum(-1), (gradient * down).sum(-1)], -1).astype(np.float32)
        spread_flow(pull, *self._carried, self._hits, stage.mesh.triangles, of_screen)
        # To the sliders of shape, and to those of looks.
        vertices = self._drawer.geometry.pull_back(stage, of_screen, of_light)
        total: Array = self._look_slopes @ torch.cat([f.flatten() for f in found[:2]]).double().numpy()
        total[engine.from_vector] += self._drawer.geometry.along(stage, vertices)
        return total

    def tangents(self, columns: Sequence[int | str]) -> Floats:
        """How the picture changes with some sliders or conditions, one after the other; each costs about three renders.

        Args:
            columns: K numbers of sliders, or names: those of ``Conditions`` that are a number, ``light.red``,
                ``light.green``, ``light.blue``, and ``expression.`` with the name of one.

        Returns:
            (K, S, S, 3) change of the picture, sRGB in [0, 1], per unit: of a slider, of a degree, of a factor.

        Raises:
            ConfigError: a condition that does not exist.
        """
        right, down = self._slopes
        found = []
        for column in columns:
            low, high, wide = self._ends(column)
            motion = np.ascontiguousarray((high.screen - low.screen)[:, :2] / np.float32(wide))
            flow = np.empty((self._side, self._side, 2), np.float32)
            gather_flow(motion, *self._carried, self._hits, self.stage.mesh.triangles, flow)
            material = (self._lit_as(high) - self._lit_as(low)) / np.float32(wide)
            found.append(material - right * flow[..., :1] - down * flow[..., 1:])
        return np.stack(found)

    def prepare(self) -> None:
        """Work out what ``pull_back`` needs and no gradient decides, such as in another thread."""
        _ = self._shade, self._carried, self._slopes, self._look_slopes

    @torch.no_grad()
    def repainted(self, vector: Vector, *, only: Sequence[Material] = tuple(Material)) -> Floats:
        """(S, S, 3) the picture with the look of other parameters: the same head, hair and light in other colours.

        A third of a render; differs from it by less than a level where only looks differ.

        Args:
            vector: (P,) parameters; those that move vertices or hair count as they are in the picture.
            only: materials that are painted again.
        """
        engine = self._drawer.engine
        look = engine.look(engine.schema.project(vector))
        looks, brows = _looks(look, self.stage.lamps), brow_map(engine.brow_map(look.brow_style))
        return self._wall + self._mixed({
            kind: tone_curve(shaded(kind, fixed.with_brows(brows), fixed.light, looks)) if kind in only
            else self._levels[kind] for kind, fixed in self._fixed.items()})

    @cached_property
    def _levels(self) -> Mapping[Material, Tensor]:
        """(3, n) levels of the entries of each material as they are in the picture."""
        looks = _looks(self.stage.look, self.stage.lamps)
        with torch.no_grad():
            return {kind: tone_curve(shaded(kind, fixed, fixed.light, looks)) for kind, fixed in self._fixed.items()}

    @cached_property
    def _entries(self) -> Mapping[Material, Entries]:
        stage = self.stage
        return entries_of(self._hits, stage.mesh, stage.textures, stage.look.strengths, stage.background,
                          FRAME / self._side)

    @cached_property
    def _fixed(self) -> Mapping[Material, Fixed]:
        brows = brow_map(self.stage.textures.brows)
        return {kind: Fixed(torch.from_numpy(e.table), torch.from_numpy(e.zone).long(),
                            view_directions(torch.from_numpy(e.place >> 2), self._side, self.stage.view.half_tangent),
                            brows, 2 * FRAME / self._side) for kind, e in self._entries.items()}

    @cached_property
    def _carried(self) -> tuple[Ints, Floats]:
        """Which pixel's surface moves each pixel, and by which part; see ``carriers``."""
        carrier = np.empty((self._side, self._side), np.int32)
        fade = np.empty((self._side, self._side), np.float32)
        carriers(self._hits.triangle, BEYOND, carrier, fade)
        return carrier, fade

    @cached_property
    def _shade(self) -> _Shade:
        looks = _looks(self.stage.look, self.stage.lamps)
        for tensor in (looks.colours, looks.strengths):
            tensor.requires_grad_()
        light = {kind: fixed.light.clone().requires_grad_() for kind, fixed in self._fixed.items()}
        levels = {kind: tone_curve(shaded(kind, fixed, light[kind], looks)) for kind, fixed in self._fixed.items()}
        return _Shade(looks, light, levels)

    @cached_property
    def _slopes(self) -> tuple[Floats, Floats]:
        """(S, S, 3) change of the picture per sample, which is half a pixel, to the right and downwards."""
        levels = self.render.picture.astype(np.float64) / 255
        down, right = np.gradient(levels, axis=(0, 1))
        return np.asarray(0.5 * right, np.float32), np.asarray(0.5 * down, np.float32)

    @cached_property
    def _wall(self) -> Floats:
        """(S, S, 3) the background, as far as it is seen."""
        covered = np.zeros(self._side * self._side, np.float32)
        for entries in self._entries.values():
            covered += np.bincount(entries.place >> 2, entries.samples, len(covered)).astype(np.float32) / WHOLE
        share = (1 - covered).reshape(self._side, self._side, 1)
        wall: Floats = (share * self.stage.background / 255).astype(np.float32)
        return wall

    @cached_property
    def _look_slopes(self) -> Array:
        """(D, Q) change of all colours and strengths with each slider."""
        engine = self._drawer.engine
        named, sliders = engine.schema.to_named(self.vector), engine.schema.sliders
        slopes, here = np.zeros((len(sliders), 3 * len(Colour) + len(Strength))), _table(self.stage.look)
        for k in engine.colouring:
            step = STEP if self.vector[k] < 0.5 else -STEP
            there = engine.look_of({**named, sliders[k].name: float(self.vector[k]) + step})
            slopes[k] = (_table(there) - here) / step
        return slopes

    def _ends(self, column: int | str) -> tuple[Stage, Stage, float]:
        """The stages a little below and above the value of a column, and how far they are apart."""
        stage = self._drawer.engine.stage
        if isinstance(column, str):
            step = TURN if column in ("yaw", "pitch", "roll", "light_yaw", "light_pitch") else SHARE
            below, above, wide = self._conditions.beside(column, step)
            return stage(self.vector, below), stage(self.vector, above), wide
        low, high = self.vector.copy(), self.vector.copy()
        low[column], high[column] = max(low[column] - STEP, 0), min(high[column] + STEP, 1)
        return stage(low, self._conditions), stage(high, self._conditions), float(high[column] - low[column])

    @torch.no_grad()
    def _lit_as(self, stage: Stage) -> Floats:
        """(S, S, 3) the surfaces of this picture in the light and the look of another stage; black for the wall."""
        looks, levels = _looks(stage.look, stage.lamps), {}
        attributes = np.ascontiguousarray(stage.mesh.attributes[:, LIGHT[0]:LIGHT[1]])
        for kind, entries in self._entries.items():
            light = np.empty((LIGHT[1] - LIGHT[0], len(entries.place)), np.float32)
            gather(entries, attributes, self._hits, self.stage.mesh.triangles, light)
            levels[kind] = tone_curve(shaded(kind, self._fixed[kind], torch.from_numpy(light), looks))
        return self._mixed(levels)

    def _mixed(self, levels: Mapping[Material, Tensor]) -> Floats:
        """(S, S, 3) the levels (3, n) of entries, as far as they cover their pixels."""
        picture = np.zeros((3, self._side * self._side))
        for kind, found in levels.items():
            pixels, share = self._entries[kind].place >> 2, self._entries[kind].samples / WHOLE
            for channel, level in zip(picture, found.numpy(), strict=True):
                channel += np.bincount(pixels, share * level, len(channel))
        whole: Floats = picture.T.reshape(self._side, self._side, 3).astype(np.float32)
        return whole


def _looks(look: Look, lamps: Lights) -> Looks:
    return Looks(*(torch.from_numpy(a.copy()) for a in (look.colours, look.strengths, lamps.directions, lamps.colours)))


def _table(look: Look) -> Array:
    table: Array = np.r_[look.colours.ravel(), look.strengths].astype(np.float64)
    return table
