"""The fit on the engine itself: a start from the library, Gauss-Newton on the sliders, a search over the choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facenn.fitting.comparison import Comparison, sliders_of
from facenn.fitting.descent import FitResult
from facenn.fitting.kin import HAIR, IRISES, as_locked, hair_columns, kin_of, rarity, settle, with_likely_hair
from facenn.fitting.library import Library
from facenn.fitting.locks import Lock
from facenn.fitting.newton import Array, Point, best, jacobian_at, robust_loss, steps, updated
from facenn.fitting.painter import PASSES, Observer
from facenn.fitting.sight import Floats, Sights
from facenn.fitting.starts import Regression, alike, donors
from facenn.networks.traits import Traits
from facenn.schema import ParameterSchema, Vector

NEAREST = 6  # people of the library that are tried as starts; the hair of twice as many is tried on
# They decide hair: a recognition network would rather hide a forehead under it.
HAIR_TERMS = ("tone", "relief", "cover", "hair", "prior")
RARE = 0.06  # what a third of the share costs, about: a fifth of what hair that fits badly does
CHEAP_STEPS = 2  # after each Gauss-Newton step, with the Jacobian that the last step has corrected
SATURATED = 0.02  # a round that lowers the loss by a smaller part is the last one

Log = Callable[[int, Mapping[str, float]], None]


@dataclass
class Search:
    """One fit that is going on.

    Attributes:
        observer: draws and looks.
        comparisons: with the photo, one for each view of it.
        schema: of the parameters.
        lock: parameters that stay as they are in every picture.
        near: (478, 2) landmarks near which those of the next pictures are looked for.
        usual: (P,) mean parameters of people like this one: how common each option of a choice is.
        settled: numbers of the sliders that are as such people have them in the mean.
        view: number of the view that is compared.
        evaluations: pictures drawn so far.
        history: per term, the loss that each round ended with.
    """

    observer: Observer
    comparisons: Sequence[Comparison]
    schema: ParameterSchema
    lock: Lock
    near: Floats
    usual: Vector
    settled: tuple[int, ...]
    view: int = 0
    evaluations: int = 0
    history: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def comparison(self) -> Comparison:
        """With the photo, as it is looked at now."""
        return self.comparisons[self.view]

    def see(self, vectors: Vector, *, passes: int = 1) -> tuple[Sights, Array]:
        """What is seen of (B, P) parameters, and their (B, R) residuals."""
        vectors = self.schema.project(vectors)
        self.evaluations += len(vectors)
        seen = self.observer.observe(vectors, self.near, passes=passes, view=self.view)
        return seen, self.comparison.residuals(seen, sliders_of(vectors, self.schema))

    def pick(self, vectors: Vector, *, by: Sequence[str] | None = None) -> Vector:
        """(P,) the best of (B, P) parameters, whose faces may be anywhere near; the next ones are sought there.

        What few people wear has to look clearly better.

        Args:
            vectors: to choose from.
            by: terms that decide; None means all.
        """
        vectors = self.lock.applied(vectors)
        seen, residuals = self.see(vectors, passes=PASSES)
        losses = (robust_loss(residuals, self.comparison.scales) if by is None
                  else np.sum([self.comparison.only(residuals, name) for name in by], 0))
        chosen = int((losses + RARE * rarity(vectors, self.usual, self.schema)).argmin())
        self.near = seen.points[chosen]
        best_one: Vector = vectors[chosen]
        return best_one

    def free(self, wanted: Callable[[str], bool]) -> list[int]:
        """Numbers of the sliders of some groups that may move."""
        return [i for i, s in enumerate(self.schema.sliders)
                if wanted(s.group) and i not in self.settled and not self.lock.held[i]]

    def note(self, residuals: Array) -> dict[str, float]:
        """Remember the losses of (R,) residuals."""
        losses = self.comparison.losses(residuals)
        for name, loss in losses.items():
            self.history.setdefault(name, []).append([loss])
        return losses


def fit_on_engine(photos: Sequence[Sights], traits: Traits, library: Library, observer: Observer, *, rounds: int,
                  lock: Lock, log: Log) -> tuple[FitResult, int]:
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
        lock: parameters that stay as they are from the start to the result.
        log: called with the number of finished rounds and the losses.

    Returns:
        What was found, and how many pictures were drawn for it.
    """
    traits = as_locked(traits, library.schema, lock)
    kin = kin_of(traits, library)
    comparisons = [Comparison(photo, library.layout, kin.population) for photo in photos]
    search = Search(observer, comparisons, library.schema, lock, library.reference, kin.peers.vectors.mean(0),
                    kin.settled)
    near = kin.people.vectors[alike(kin.people, search.comparison, count=NEAREST)]
    guess = Regression(kin.people).guess(photos[0])[0]
    begun = settle(starts(near, guess, library.schema), kin, library.schema)
    worn = kin.peers.vectors[donors(kin.peers, search.comparison, count=2 * NEAREST)]
    vector = search.pick(begun)
    vector = with_irises(search, dressed(search, vector, worn, traits))
    for done in range(1, rounds + 1):
        search.view = done % len(photos)
        vector = choose_options(search, vector, hair=False)
        vector, gained = step(search, vector)
        log(done, {name: values[-1][0] for name, values in search.history.items()})
        if gained < SATURATED:
            break
    vector = dressed(search, vector, worn, traits)
    vector = with_irises(search, choose_options(search, vector, hair=True))
    return FitResult(vector[None], vector[None], search.history), search.evaluations


def starts(alike: Vector, guess: Array, schema: ParameterSchema) -> Vector:
    """(B, P) people that may look like the photo: the nearest (N, P), a linear guess (D,) of the sliders, halfway."""
    guesses = alike.copy()
    guesses[:, :len(guess)] = guess
    halfway = (guesses + alike) / 2
    return schema.project(np.concatenate([alike, guesses[:1], halfway]))


def with_hair_of(vector: Vector, donors: Vector, schema: ParameterSchema) -> Vector:
    """(N + 1, P) the same person as drawn, and with the hair of each of (N, P) others."""
    columns = hair_columns(schema)
    dressed = np.repeat(vector[None], len(donors) + 1, 0)
    dressed[1:, columns] = donors[:, columns]
    return dressed


def choose_options(search: Search, vector: Vector, *, hair: bool) -> Vector:
    """(P,) the same sliders with the best option of each choice that is not locked, one choice at a time.

    Args:
        search: that goes on.
        vector: (P,) of the sliders.
        hair: whether to choose hair, too.
    """
    for choice in search.schema.choices:
        where = search.schema.slices[choice.name]
        if search.lock.held[where].any() or (choice.group == HAIR and not hair):
            continue
        tried = np.repeat(vector[None], len(choice.options), 0)
        tried[:, where] = np.eye(len(choice.options))
        vector = search.pick(tried, by=HAIR_TERMS if choice.group == HAIR else None)
    return vector


def dressed(search: Search, vector: Vector, donors: Vector, traits: Traits) -> Vector:
    """(P,) the same person with the hair of the best of some others, (N, P), in the photo's colour if it is likely."""
    vector = search.pick(with_hair_of(vector, donors, search.schema), by=HAIR_TERMS)
    coloured = fitted_group(search, vector, HAIR, by=HAIR_TERMS)
    return search.lock.applied(with_likely_hair(coloured, traits, search.schema))


def with_irises(search: Search, vector: Vector) -> Vector:
    """(P,) the same person with irises of the photo's colour; a recognition network would make its own of dark eyes."""
    return fitted_group(search, vector, IRISES, by=("iris",))


def fitted_group(search: Search, vector: Vector, group: str, *, by: Sequence[str]) -> Vector:
    """(P,) the same person with the sliders of one group fitted, by some terms alone."""
    free = search.free(lambda name: name == group)
    return moved(search, vector, free, by=by)[0] if free else vector


def step(search: Search, vector: Vector) -> tuple[Vector, float]:
    """(P,) after one Gauss-Newton step and the cheap ones, and which part of the loss they took away.

    Hair and irises stay, whose colours decide: a recognition network would rather colour them to its liking. What is
    settled at the start stays, and what is locked.
    """
    free = search.free(lambda group: group not in (HAIR, IRISES))
    if not free:
        search.note(search.see(vector[None])[1][0])
        return vector, 0.0
    vector, first, last = moved(search, vector, free)
    if not search.history:
        search.note(first.residuals)
    search.note(last.residuals)
    return vector, 1 - last.loss / first.loss


def moved(search: Search, vector: Vector, free: Sequence[int], *, by: Sequence[str] | None = None
          ) -> tuple[Vector, Point, Point]:
    """(P,) after a Gauss-Newton step of some sliders and the cheap ones, the point before it and the one after it.

    Args:
        search: that goes on.
        vector: (P,) from where.
        free: numbers of the sliders that move.
        by: terms that decide; None means all.
    """
    scales = search.comparison.scales
    counted = search.comparison.counted(by)

    def evaluate(values: Array) -> Array:
        vectors = np.repeat(vector[None], len(values), 0)
        vectors[:, free] = values
        return search.see(vectors)[1] * counted

    values = vector[free].astype(np.float64)
    residuals, jacobian = jacobian_at(values, evaluate)
    first = point = Point(values, residuals, float(robust_loss(residuals, scales)))
    for _ in range(1 + CHEAP_STEPS):
        tried = steps(point, jacobian, scales)
        there = best(tried, evaluate(tried), scales, start=point)
        if there is point:
            break
        jacobian = updated(jacobian, there.values - point.values, there.residuals - point.residuals)
        point = there
    changed = vector.copy()
    changed[free] = point.values
    return changed, first, point
