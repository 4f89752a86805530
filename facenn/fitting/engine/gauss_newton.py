"""The fit on the engine: a start from the library, Gauss-Newton on the sliders, choices by the common policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facenn.arrays import Array, Floats, Log, Vector
from facenn.fitting.choices import Terms, choose, choose_options, decide, with_hair, with_irises
from facenn.fitting.engine.initial import donors, starts
from facenn.fitting.engine.least_squares import Point, best, jacobian_at, proposals, robust_loss, updated
from facenn.fitting.engine.library import Library
from facenn.fitting.engine.observer import PASSES, RenderObserver
from facenn.fitting.engine.residuals import Residuals, Weights
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Prior
from facenn.fitting.result import FitResult
from facenn.networks.traits import Traits
from facenn.perception.observation import Observation
from facenn.schema import ParameterSchema

NEAREST = 6  # people of the library that are tried as starts; the hair of twice as many is tried on
TERMS: Mapping[Terms, tuple[str, ...] | None] = {
    "all": None, "hair": ("tone", "relief", "cover", "hair", "prior"), "iris": ("iris",)}
CHEAP_STEPS = 2  # after each Gauss-Newton step, with the Jacobian that the last step has corrected
SATURATED = 0.02  # a round that lowers the loss by a smaller part is the last one


@dataclass
class EngineObjective:
    """Draws parameters and compares them with one photo; see ``facenn.fitting.choices.Objective``.

    Attributes:
        observer: draws and looks.
        residuals: compare with the photo, one for each view of it.
        schema: of the parameters.
        near: (478, 2) landmarks near which those of the next pictures are looked for.
        view: number of the view that is compared.
        rare: loss of an option for each power of e by which fewer people wear it: a fifth of what hair that fits badly
            costs.
        evaluations: pictures drawn so far.
        history: per term, the loss that each round ended with.
    """

    observer: RenderObserver
    residuals: Sequence[Residuals]
    schema: ParameterSchema
    near: Floats
    view: int = 0
    rare: float = 0.06
    evaluations: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def current(self) -> Residuals:
        """Compares with the photo, as it is looked at now."""
        return self.residuals[self.view]

    def see(self, vectors: Vector, *, passes: int = 1) -> tuple[Observation, Array]:
        """What is seen of (B, P) parameters, and their (B, R) residuals."""
        vectors = self.schema.project(vectors)
        self.evaluations += len(vectors)
        seen = self.observer.observe(vectors, self.near, passes=passes, view=self.view)
        return seen, self.current.of(seen, self.schema.sliders_in(vectors))

    def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
        """Number of the best of (B, P) parameters, whose faces may be anywhere near; the next are sought there."""
        seen, residuals = self.see(vectors, passes=PASSES)
        names = TERMS[by]
        losses = (robust_loss(residuals, self.current.scales) if names is None
                  else np.sum([self.current.only(residuals, name) for name in names], 0))
        chosen = int((losses + price).argmin())
        self.near = seen.points[chosen]
        return chosen

    def moved(self, vector: Vector, sliders: Sequence[int], *, by: Terms) -> Vector:
        """(P,) after one Gauss-Newton step of some sliders and the cheap ones."""
        return self.stepped(vector, sliders, by=by)[0]

    def stepped(self, vector: Vector, sliders: Sequence[int], *, by: Terms = "all") -> tuple[Vector, Point, Point]:
        """(P,) after a Gauss-Newton step of some sliders and the cheap ones, the point before it and the one after it.

        Args:
            vector: (P,) from where.
            sliders: numbers of those that move.
            by: which terms decide.
        """
        scales, counted = self.current.scales, self.current.counted(TERMS[by])

        def evaluate(values: Array) -> Array:
            vectors = np.repeat(vector[None], len(values), 0)
            vectors[:, sliders] = values
            return self.see(vectors)[1] * counted

        # The Jacobian, from one picture per slider.
        values = vector[sliders].astype(np.float64)
        residuals, jacobian = jacobian_at(values, evaluate)
        first = point = Point(values, residuals, float(robust_loss(residuals, scales)))
        # All dampings of a step at once; the next steps are cheap, by what the last one says about the Jacobian.
        for _ in range(1 + CHEAP_STEPS):
            tried = proposals(point, jacobian, scales)
            there = best(tried, evaluate(tried), scales, start=point)
            if there is point:
                break
            jacobian = updated(jacobian, there.values - point.values, there.residuals - point.residuals)
            point = there
        changed = vector.copy()
        changed[sliders] = point.values
        return changed, first, point

    def note(self, residuals: Array) -> None:
        """Add the losses of (R,) residuals to the history."""
        for name, loss in self.current.losses(residuals).items():
            self.history.setdefault(name, []).append(loss)


def fit_on_engine(photos: Sequence[Observation], traits: Traits, library: Library, observer: RenderObserver, *,
                  rounds: int, weights: Weights, lock: Lock, log: Log) -> FitResult:
    """Parameters whose engine picture differs least from a photo.

    A start from the library, with hair and irises by their colours; then rounds of: every option of every choice but
    hair, a Jacobian by finite differences, one Gauss-Newton step whose dampings are tried at once, and cheap ones with
    Broyden's update. Each round looks at the next view: what pleases recognition networks in one alone is undone by the
    others. Ends after the rounds or when a round gains little: they go on being pleased long after a judge is not. Hair
    and irises are decided once more at the end.

    Args:
        photos: what is seen in one photo, one for each view of the observer; the library was seen in the first.
        traits: sex and age of the person.
        library: of the engine's character.
        observer: draws and looks; the expensive part.
        rounds: at most.
        weights: of the terms.
        lock: parameters that stay as they are from the start to the result.
        log: called with the number of finished rounds and the losses.
    """
    # What is known beforehand, and what the photo is compared by.
    schema = library.schema
    prior = Prior.of(traits, library.vectors, schema, lock)
    residuals = [Residuals(photo, library.spots, prior.population, weights) for photo in photos]
    objective = EngineObjective(observer, residuals, schema, library.reference)
    # The start: the best of a few people, with the best hair of their peers and irises by their colour.
    begun = starts(photos[0], library, objective.current, prior, nearest=NEAREST)
    peers = library.take(prior.peers)
    worn = peers.vectors[donors(peers, objective.current, count=2 * NEAREST)]
    vector = with_hair(objective, choose(objective, begun, prior), worn, prior)
    vector = with_irises(objective, vector, prior)
    # Rounds over the sliders, but for hair and irises, each with another view of the photo.
    free = [i for i in range(len(schema.sliders))
            if not prior.lock.held[i] and i not in schema.with_role("hair", "iris")]
    for done in range(1, rounds + 1):
        objective.view = done % len(photos)
        vector = choose_options(objective, vector, prior, hair=False)
        vector, gained = step(objective, vector, free)
        log(done, {name: losses[-1] for name, losses in objective.history.items()})
        if gained < SATURATED:
            break
    # Hair, choices and irises once more, now that the face is known.
    vector = decide(objective, vector, worn, prior)
    return FitResult(vector, vector, objective.history, first_step=0, drawn=objective.evaluations)


def step(objective: EngineObjective, vector: Vector, free: Sequence[int]) -> tuple[Vector, float]:
    """(P,) after one Gauss-Newton step of the free sliders and the cheap ones, and which part of the loss they took."""
    if not free:
        objective.note(objective.see(vector[None])[1][0])
        return vector, 0.0
    vector, first, last = objective.stepped(vector, free)
    if not objective.history:
        objective.note(first.residuals)
    objective.note(last.residuals)
    return vector, 1 - last.loss / first.loss
