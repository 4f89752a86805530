from dataclasses import fields, replace

import numpy as np
import pytest

from facenn.arrays import Vector
from facenn.fitting.engine.least_squares import robust_loss, robust_weights
from facenn.fitting.engine.residuals import CENTRE, ENOUGH, JAW, LEARNED, Residuals, Weights, as_if_drawn
from facenn.fitting.prior import Population
from facenn.networks.facemesh import MESH, OUTER_EYE_CORNERS
from facenn.perception.observation import Observation
from tests.fitting.conftest import SCHEMA, ToyObserver

TINY = 1e-3


def residuals_of(observer: ToyObserver, vector: Vector, people: Vector, weights: Weights | None = None) -> Residuals:
    return Residuals(observer.photo(vector), observer.spots, Population.of(SCHEMA.sliders_in(people)),
                     weights or Weights())


def found_for(residuals: Residuals, observer: ToyObserver, vector: Vector) -> np.ndarray:
    found: np.ndarray = residuals.of(observer.photo(vector), SCHEMA.sliders_in(vector[None]))[0]
    return found


@pytest.fixture
def seen(observer: ToyObserver, people: Vector) -> Observation:
    return observer.photo(people[3])


def test_residuals_of_the_face_itself_are_its_prior_alone(observer: ToyObserver, people: Vector) -> None:
    photo = observer.photo(people[5])
    residuals = residuals_of(observer, people[5], people)
    drawn = replace(photo, points=as_if_drawn(photo.points))
    losses = residuals.losses(residuals.of(drawn, SCHEMA.sliders_in(people[5:6]))[0])
    assert losses["prior"] > 0
    assert losses["total"] == pytest.approx(losses["prior"], abs=1e-6)


def test_lower_corners_of_the_jaw_are_seen_too_far_inside(observer: ToyObserver, people: Vector) -> None:
    points = observer.observe(people[:3], observer.reference).points
    moved = as_if_drawn(points) - points
    left, right = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(points[:, left] - points[:, right], axis=-1, keepdims=True)
    lengths = np.linalg.norm(moved[:, list(JAW)], axis=-1) / eyes
    assert lengths == pytest.approx(np.tile(list(JAW.values()), (3, 1)), rel=1e-4)
    inwards = points[:, CENTRE].mean(1, keepdims=True) - points[:, list(JAW)]
    assert (moved[:, list(JAW)] * inwards).sum(-1).min() > 0
    assert not np.delete(moved, list(JAW), 1).any()


def test_losses_of_the_terms_add_up_to_the_robust_loss(observer: ToyObserver, people: Vector) -> None:
    residuals = residuals_of(observer, people[5], people)
    found = found_for(residuals, observer, people[3])
    losses = residuals.losses(found)
    assert losses["total"] == pytest.approx(float(robust_loss(found, residuals.scales)))
    assert losses["total"] == pytest.approx(sum(loss for name, loss in losses.items() if name != "total"))


def test_terms_and_their_weights_are_the_same(observer: ToyObserver, people: Vector) -> None:
    residuals = residuals_of(observer, people[5], people)
    assert list(residuals.terms) == [field.name for field in fields(Weights)]
    assert residuals.terms["prior"].stop == len(residuals.scales)
    assert LEARNED.keys() < residuals.terms.keys()


@pytest.mark.parametrize("name", [field.name for field in fields(Weights)])
def test_a_term_counts_as_much_as_its_weight_says(observer: ToyObserver, people: Vector, name: str) -> None:
    losses = []
    for factor in (1, 4):
        weights = replace(Weights(), **{name: factor * getattr(Weights(), name)})
        residuals = residuals_of(observer, people[5], people, weights)
        losses.append(residuals.losses(found_for(residuals, observer, people[6])))
    for term in residuals.terms:
        assert losses[1][term] == pytest.approx((4 if term == name else 1) * losses[0][term])


def test_slopes_are_half_the_derivatives_of_the_loss(observer: ToyObserver, people: Vector, seen: Observation) -> None:
    residuals, values = residuals_of(observer, people[5], people), SCHEMA.sliders_in(people[3:4])
    found = residuals.of(seen, values)[0]
    slopes = residuals.slopes(robust_weights(found, residuals.scales) * found, seen)
    chance = np.random.default_rng(0)
    for name, slope in zip(("embedding", "skin"), slopes, strict=True):
        direction = chance.standard_normal(slope.shape).astype(np.float32)
        ends = []
        for way in (-TINY, TINY):
            moved = replace(seen, **{name: getattr(seen, name) + np.float32(way) * direction})
            ends.append(float(robust_loss(residuals.of(moved, values)[0], residuals.scales)))
        assert 2 * float((slope * direction).sum()) == pytest.approx((ends[1] - ends[0]) / (2 * TINY), rel=0.01)


def test_jacobian_of_landmarks_is_how_their_residuals_change(observer: ToyObserver, people: Vector) -> None:
    residuals, vector = residuals_of(observer, people[5], people), people[3]
    where = residuals.terms["landmark"]
    found = residuals.of_landmarks(observer.photo(vector), observer.motion(observer.draw(vector)))
    assert found.shape == (2 * MESH, len(SCHEMA.sliders))
    for k in range(4):
        low, high = vector.copy(), vector.copy()
        low[k], high[k] = low[k] - 0.02, high[k] + 0.02
        true = (found_for(residuals, observer, high) - found_for(residuals, observer, low))[where] / 0.04
        assert np.abs(true).max() > 0.01
        assert found[:, k] == pytest.approx(true, abs=0.03 * float(np.abs(true).max()))
    assert not found[:, 4:].any()


def test_landmarks_that_move_together_change_nothing(observer: ToyObserver, people: Vector) -> None:
    residuals = residuals_of(observer, people[5], people)
    shift = np.ones((1, MESH, 2))
    assert residuals.of_landmarks(observer.photo(people[3]), shift) == pytest.approx(0, abs=2e-3)


def test_jacobian_of_the_prior_is_how_its_residuals_change(observer: ToyObserver, people: Vector) -> None:
    residuals = residuals_of(observer, people[5], people)
    where = residuals.terms["prior"]
    moved = SCHEMA.sliders_in(people[4] - people[3])
    change = (found_for(residuals, observer, people[4]) - found_for(residuals, observer, people[3]))[where]
    assert residuals.of_prior() @ moved == pytest.approx(change, abs=1e-5)


def test_guessed_jacobian_has_the_weights_of_its_terms(observer: ToyObserver, people: Vector) -> None:
    residuals = residuals_of(observer, people[5], people)
    one, other = (observer.photo(people[i]) for i in (3, 4))
    mean = {"embedding": (other.embedding - one.embedding).T,
            "tones": (observer.spots.tones(other.skin) - observer.spots.tones(one.skin)).reshape(-1, 1),
            "relief": (observer.spots.relief(other.skin) - observer.spots.relief(one.skin)).T}
    change = found_for(residuals, observer, people[4]) - found_for(residuals, observer, people[3])
    learned = np.concatenate([change[residuals.terms[name]] for name in LEARNED])
    assert residuals.guessed(mean)[:, 0] == pytest.approx(learned, abs=1e-5)


def test_hair_alone_has_the_loss_of_its_terms(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    residuals = residuals_of(observer, planted, people)
    long = planted.copy()
    long[SCHEMA.slices["hair.style"]] = (0, 0, 1)
    long[SCHEMA.columns.index("hair.lightness")] = 0.6
    losses, seen = residuals.losses(found_for(residuals, observer, long)), observer.photo(long)
    assert losses["cover"] > 0 < losses["hair"]
    assert residuals.hair(seen.cover[0], seen.hair[0]) == pytest.approx(losses["cover"] + losses["hair"], rel=1e-5)
    own = observer.photo(planted)
    assert residuals.hair(own.cover[0], own.hair[0]) == 0


def test_colours_of_irises_and_hair_have_the_residuals_of_their_terms(observer: ToyObserver, people: Vector,
                                                                      planted: Vector) -> None:
    residuals, other = residuals_of(observer, planted, people), planted.copy()
    other[[SCHEMA.columns.index("iris.lightness"), SCHEMA.columns.index("hair.lightness")]] = 0.7, 0.5
    found, seen = found_for(residuals, observer, other), observer.photo(other)
    assert residuals.iris(seen.iris[0]) == pytest.approx(found[residuals.terms["iris"]], rel=1e-5)
    assert residuals.hair_colour(seen.hair[0]) == pytest.approx(found[residuals.terms["hair"]], rel=1e-5)


def test_hair_of_the_bald_has_no_colour(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    bald = planted.copy()
    bald[SCHEMA.slices["hair.style"]] = (1, 0, 0)
    residuals = residuals_of(observer, bald, people)
    assert observer.photo(bald).cover.mean() < ENOUGH
    assert not residuals.hair_colour(np.ones(3, np.float32)).any()
    assert not found_for(residuals, observer, planted)[residuals.terms["hair"]].any()
