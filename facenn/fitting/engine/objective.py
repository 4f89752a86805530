"""Draws parameters and compares them with one photo; see ``facenn.fitting.choices``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from facenn.arrays import Array, Floats, Vector
from facenn.fitting.choices import Terms, hair_columns
from facenn.fitting.engine.least_squares import boxed_step, robust_loss
from facenn.fitting.engine.observer import EngineObserver
from facenn.fitting.engine.residuals import Residuals
from facenn.perception.observation import Observation
from facenn.processes import Threads
from facenn.schema import ParameterSchema
from facenn.tangents.picture import LinearPicture

PASSES = 2  # of the landmark network over pictures whose faces may be anywhere near
COLOURING = 3  # Gauss-Newton steps of a colour
COLOUR_STEP, COLOUR_DAMPING = 0.08, 0.05  # of its differences, and of its steps
MOVES = (-0.16, -0.08, 0.08, 0.16)  # that are tried of what paint cannot show
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class EngineObjective:
    """Draws parameters and compares them with one photo; see ``facenn.fitting.choices.Objective``.

    Attributes:
        observers: draw and look; candidates are shared among them, each in a thread of its own.
        threads: as many as there are observers.
        residuals: compare with the photo, one for each view of it.
        schema: of the parameters.
        near: (478, 2) landmarks near which those of the next pictures are looked for.
        view: number of the view that is compared.
        rare: loss of an option for each power of e by which fewer people wear it: a fifth of what hair that fits badly
            costs.
        drawn: pictures so far.
        history: per term, the loss that each round ended with.
    """

    observers: Sequence[EngineObserver]
    threads: Threads
    residuals: Sequence[Residuals]
    schema: ParameterSchema
    near: Floats
    view: int = 0
    rare: float = 0.06
    drawn: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def current(self) -> Residuals:
        """Compares with the photo, as it is looked at now."""
        return self.residuals[self.view]

    def draw(self, vectors: Vector) -> list[LinearPicture]:
        """Pictures of (B, P) parameters."""
        self.drawn += len(vectors)
        return self._shared(lambda observer, vector: observer.draw(vector), list(vectors))

    def see(self, picture: LinearPicture, *, passes: int = 1) -> tuple[Observation, Array]:
        """What is seen of a picture, and its (R,) residuals."""
        seen = self.observers[0].see(picture, self.near, passes=passes, view=self.view)
        return seen, self._residuals(seen, picture.vector)

    def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
        """Number of the best of (B, P) parameters, whose faces may be anywhere near; the next are sought there.

        Hair decides by itself, without a network; heads that differ in their look alone are repainted.
        """
        if by == "hair":
            losses = [self.current.hair(*self.observers[0].hair(picture)) for picture in self.draw(vectors)]
            return int((np.array(losses) + price).argmin())
        if self._same_head(vectors):
            (picture,) = self.draw(vectors[:1])
            points = self.see(picture, passes=PASSES)[0].points[0]
            seen = self._shared(lambda one, vector: one.see_repainted(picture, vector, points, view=self.view),
                                list(vectors))
        else:
            seen = self._shared(lambda one, picture: one.see(picture, self.near, passes=PASSES, view=self.view),
                                self.draw(vectors))
        losses = [float(robust_loss(self._residuals(one, vector), self.current.scales))
                  for one, vector in zip(seen, vectors, strict=True)]
        chosen = int((np.array(losses) + price).argmin())
        self.near = seen[chosen].points[0]
        return chosen

    def moved(self, vector: Vector, sliders: Sequence[int], *, by: Terms) -> Vector:
        """(P,) with the colour of hair or of irises as near to the photo's as some sliders can bring it.

        What paint cannot show, such as a hairline, which switches strands on and off, is tried in pictures.
        """
        (picture,) = self.draw(vector[None])
        points, observer = self.near, self.observers[0]
        if by == "iris":
            points = self.see(picture, passes=PASSES)[0].points[0]

        def colour(painted: Vector) -> Floats:
            return (observer.repainted_irises(picture, painted, points) if by == "iris"
                    else observer.repainted_hair(picture, painted))

        ends = {k: [colour(_with(vector, [k], np.array([end]))) for end in (0.0, 1.0)] for k in sliders}
        free = [k for k, (low, high) in ends.items() if not np.array_equal(low, high)]
        compare = self.current.iris if by == "iris" else self.current.hair_colour
        changed = _with(vector, free, coloured(vector[free].astype(np.float64),
                                               lambda values: compare(colour(_with(vector, free, values)))))
        for k in sliders:
            if by == "hair" and k not in free:
                tried = np.stack([_with(changed, [k], np.clip(changed[[k]] + move, 0, 1)) for move in (0, *MOVES)])
                changed = tried[self.choose(tried, np.zeros(len(tried)), by="hair")]
        return changed

    def note(self, residuals: Array) -> None:
        """Add the losses of (R,) residuals to the history."""
        for name, loss in self.current.losses(residuals).items():
            self.history.setdefault(name, []).append(loss)

    def _residuals(self, seen: Observation, vector: Vector) -> Array:
        residuals: Array = self.current.of(seen, self.schema.sliders_in(vector[None]))[0]
        return residuals

    def _same_head(self, vectors: Vector) -> bool:
        """Whether (B, P) parameters differ in choices alone, and not in hair."""
        heads = [*range(len(self.schema.sliders)), *hair_columns(self.schema)]
        return len(vectors) > 1 and bool((vectors[:, heads] == vectors[0, heads]).all())

    def _shared(self, work: Callable[[EngineObserver, T], R], tasks: Sequence[T]) -> list[R]:
        """The results of tasks, which are shared among the observers."""
        count = min(len(self.observers), len(tasks))

        def part(k: int) -> list[R]:
            return [work(self.observers[k], task) for task in tasks[k::count]]

        parts = self.threads.run([partial(part, k) for k in range(count)])
        return [parts[i % count][i // count] for i in range(len(tasks))]


def _with(vector: Vector, columns: Sequence[int], values: Array) -> Vector:
    """(P,) the same parameters with other values in some columns."""
    changed = vector.copy()
    changed[list(columns)] = values
    return changed


def coloured(values: Array, residuals: Callable[[Array], Array]) -> Array:
    """(D,) values in [0, 1] where few residuals, which cost little, are least: Gauss-Newton with differences."""
    if not len(values):
        return values
    best, loss = values, float(np.square(residuals(values)).sum())
    for _ in range(COLOURING):
        here, steps = residuals(best), np.where(best > 0.5, -COLOUR_STEP, COLOUR_STEP)
        jacobian = np.stack([(residuals(best + step * unit) - here) / step
                             for step, unit in zip(steps, np.eye(len(best)), strict=True)], 1)
        there = boxed_step(best, jacobian.T @ jacobian, jacobian.T @ here, COLOUR_DAMPING)
        found = float(np.square(residuals(there)).sum())
        if found >= loss:
            break
        best, loss = there, found
    return best
