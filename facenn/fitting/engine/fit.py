"""The fit on the engine: a start from one look at the photo, Gauss-Newton, choices by the common policy."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Floats, Log, Vector
from facenn.fitting.choices import choose_options, decide, with_hair, with_irises
from facenn.fitting.engine.least_squares import robust_loss
from facenn.fitting.engine.objective import PASSES, EngineObjective
from facenn.fitting.engine.observer import EngineObserver
from facenn.fitting.engine.residuals import Residuals, Weights
from facenn.fitting.engine.search import Search
from facenn.fitting.guess import Guess, Translator, plausible
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Prior, crowd
from facenn.fitting.result import FitResult
from facenn.networks.traits import Traits
from facenn.perception.features import VIEW
from facenn.perception.irises import cleared
from facenn.perception.observation import Observation
from facenn.processes import Threads, one_thread_each

UNSURE = (0.15, 0.85)  # probability of a man between which a person is tried as either
STYLES = 6  # the most probable styles of hair, which are tried on
CHOOSING = 4  # rounds after which choices but hair are made, for the first time


@dataclass(frozen=True)
class Person:
    """One aligned photo.

    Attributes:
        picture: (1, 3, SIDE, SIDE) RGB in [0, 1].
        landmarks: (1, 478, 3) in its pixels.
        traits: (1, 2) years, and the logit of a man against a woman.
    """

    picture: Tensor
    landmarks: Tensor
    traits: Floats


@dataclass(frozen=True)
class Start:
    """Where a search may begin, and what is known then.

    Attributes:
        prior: of the person.
        vector: (P,) parameters.
    """

    prior: Prior
    vector: Vector


class EngineFit:
    """Fits photos on the engine.

    Args:
        observers: draw and look, each in a thread of its own.
        translator: says where to start, and how what is seen changes with the sliders in the mean of many faces.
        lock: parameters that stay as they are from the start to the result.
        weights: of the terms.
        rounds: Gauss-Newton steps of each fit.
        seed: of the random people that say what is usual.
    """

    def __init__(self, observers: Sequence[EngineObserver], translator: Translator, lock: Lock, weights: Weights, *,
                 rounds: int, seed: int) -> None:
        self._observers, self._translator, self._lock, self._weights = observers, translator, lock, weights
        self._rounds, self._crowd = rounds, crowd(translator.schema, seed=seed)

    def all(self, people: Sequence[Person], log: Log) -> list[FitResult]:
        """What is found for each photo; as many at once as there are observers, and one alone has them all.

        A fit in one thread finds what it finds in many.

        Args:
            people: photos.
            log: called with the number of rounds that all of them have finished, and their mean losses.
        """
        with one_thread_each():
            if len(people) == 1:
                with Threads(len(self._observers)) as threads:
                    return [self._fit(people[0], self._observers, threads, log)]
            idle: SimpleQueue[EngineObserver] = SimpleQueue()
            for observer in self._observers:
                idle.put(observer)
            shared = _SharedLog(len(people), log)

            def fit(number: int) -> FitResult:
                observer = idle.get()
                try:
                    return self._fit(people[number], [observer], Threads(1), shared.of(number))
                finally:
                    idle.put(observer)

            with Threads(len(self._observers)) as threads:
                return threads.run([partial(fit, number) for number in range(len(people))])

    def _fit(self, person: Person, observers: Sequence[EngineObserver], threads: Threads, log: Log) -> FitResult:
        """Parameters whose engine picture differs least from a photo.

        The best of a few starts, with hair and irises by their colours; then rounds of one Gauss-Newton step each. Its
        gradient is exact: what networks see of the picture, by one backward pass through them, and how the picture
        changes, by one more through the engine. Its curvature is that of many faces in the mean, corrected by each
        gradient and each step; that of landmarks follows from how vertices move. A step counts when a true picture of
        it is better. Each round looks at the next view: what pleases recognition networks in one alone is undone by the
        others. Choices, hair and irises are decided once more at the end.
        """
        schema = self._translator.schema
        seen = observers[0].observer.see_at(person.picture, person.landmarks, view=VIEW)
        guess, photos = self._translator.guess(seen, person.traits), self._photos(person, seen, observers[0])
        objective, prior, vector = self._best_of(self._starts(guess, person), photos, observers, threads)
        worn = _wearing(guess, vector, prior)
        vector = with_irises(objective, with_hair(objective, vector, worn, prior), prior)
        # Rounds over the sliders, but for hair and irises, each with another view of the photo.
        free = np.array([i for i in range(len(schema.sliders))
                         if not prior.lock.held[i] and i not in schema.with_role("hair", "iris")], np.intp)
        search = Search(objective, free, objective.current.guessed(self._translator.jacobian))
        search.go_to(vector)
        for done in range(1, self._rounds + 1):
            objective.view = done % len(photos)
            search.step()
            if done == CHOOSING:
                search.go_to(choose_options(objective, search.vector, prior, hair=False))
            log(done, {name: losses[-1] for name, losses in objective.history.items()})
        # Hair, choices and irises once more, now that the face is known.
        vector = decide(objective, search.vector, worn, prior)
        return FitResult(vector, vector, objective.history, first_step=0, drawn=objective.drawn)

    @torch.no_grad()
    def _photos(self, person: Person, seen: Observation, observer: EngineObserver) -> list[Observation]:
        """What is seen in the photo by each view, given what is seen by one."""
        seen = replace(seen, iris=cleared(seen.iris))
        return [replace(seen, embedding=view.embed(person.picture, person.landmarks).numpy())
                for view in observer.observer.views]

    def _starts(self, guess: Guess, person: Person) -> list[Start]:
        """Where to begin: what the Translator says, of a man and of a woman where it is not sure which."""
        schema, sex = self._translator.schema, self._translator.schema.slider_of("sex")
        told = sex is None or self._lock.held[sex] or not UNSURE[0] < guess.man < UNSURE[1]
        starts = []
        for man in ([guess.man > 0.5] if told else [True, False]):
            prior = Prior.of(Traits(man, float(person.traits[0, 0])), self._crowd, schema, self._lock)
            vector = schema.project(plausible(replace(guess, man=float(man)), schema, self._lock).vector())
            starts.append(Start(prior, prior.lock.applied(prior.with_likely_hair(vector))))
        return starts

    def _best_of(self, starts: Sequence[Start], photos: Sequence[Observation], observers: Sequence[EngineObserver],
                 threads: Threads) -> tuple[EngineObjective, Prior, Vector]:
        """The start that looks most like the photo, and what compares with the photo."""
        spots, found = observers[0].observer.spots, []
        for start in starts:
            residuals = [Residuals(photo, spots, start.prior.population, self._weights) for photo in photos]
            objective = EngineObjective(observers, threads, residuals, start.prior.schema,
                                        self._translator.reader.reference)
            (picture,) = objective.draw(start.vector[None])
            seen, differences = objective.see(picture, passes=PASSES)
            objective.near = seen.points[0]
            found.append((float(robust_loss(differences, objective.current.scales)), objective, start))
        _, objective, start = min(found, key=lambda one: one[0])
        objective.drawn = len(found)
        return objective, start.prior, start.vector


def _wearing(guess: Guess, vector: Vector, prior: Prior) -> Vector:
    """(N, P) the same person with the most probable styles of hair."""
    schema = prior.schema
    for choice in schema.choices:
        if choice.role == "hair":
            styles = np.argsort(-guess.options[choice.name], kind="stable")[:STYLES]
            worn = np.repeat(vector[None], len(styles), 0)
            worn[:, schema.slices[choice.name]] = np.eye(len(choice.options), dtype=np.float32)[styles]
            return prior.lock.applied(worn)
    return vector[None][:0]


class _SharedLog:
    """Makes one log of those of several fits, which may run in several threads.

    Args:
        count: of the fits.
        log: called for each round that all of them have finished, with their mean losses.
    """

    def __init__(self, count: int, log: Log) -> None:
        self._log, self._lock, self._told = log, threading.Lock(), 0
        self._found: list[list[Mapping[str, float]]] = [[] for _ in range(count)]

    def of(self, number: int) -> Log:
        """The log of one of the fits."""
        def note(done: int, losses: Mapping[str, float]) -> None:
            with self._lock:
                self._found[number].append(losses)
                while min(len(found) for found in self._found) > self._told:
                    row = [found[self._told] for found in self._found]
                    self._told += 1
                    self._log(self._told, {name: float(np.mean([one[name] for one in row])) for name in row[0]})

        return note
