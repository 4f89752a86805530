from dataclasses import replace

import numpy as np
import pytest

from facenn.fitting.comparison import CENTRE, JAW, Comparison, as_if_drawn, sliders_of
from facenn.fitting.library import Library
from facenn.fitting.newton import robust_loss
from facenn.fitting.population import Population
from facenn.networks.facemesh import OUTER_EYE_CORNERS


def everybody(library: Library) -> Population:
    return Population.of(sliders_of(library.vectors, library.schema))


def test_residuals_of_the_face_itself_are_its_prior_alone(library: Library) -> None:
    photo = library.sights.take([5])
    comparison = Comparison(photo, library.layout, everybody(library))
    drawn = replace(photo, points=as_if_drawn(photo.points))
    residuals = comparison.residuals(drawn, sliders_of(library.vectors[5:6], library.schema))
    losses = comparison.losses(residuals[0])
    assert losses["prior"] > 0
    assert losses["total"] == pytest.approx(losses["prior"], abs=1e-6)


def test_lower_corners_of_the_jaw_are_seen_too_far_inside(library: Library) -> None:
    points = library.sights.points[:3]
    moved = as_if_drawn(points) - points
    left, right = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(points[:, left] - points[:, right], axis=-1, keepdims=True)
    lengths = np.linalg.norm(moved[:, list(JAW)], axis=-1) / eyes
    assert lengths == pytest.approx(np.tile(list(JAW.values()), (3, 1)), rel=1e-4)
    inwards = points[:, CENTRE].mean(1, keepdims=True) - points[:, list(JAW)]
    assert (moved[:, list(JAW)] * inwards).sum(-1).min() > 0
    assert not np.delete(moved, list(JAW), 1).any()


def test_losses_of_the_terms_add_up_to_the_robust_loss(library: Library) -> None:
    comparison = Comparison(library.sights.take([5]), library.layout, everybody(library))
    residuals = comparison.residuals(library.sights, sliders_of(library.vectors, library.schema))
    losses = comparison.losses(residuals[3])
    assert losses["total"] == pytest.approx(float(robust_loss(residuals[3], comparison.scales)))
    assert comparison.only(residuals, "tone")[3] == pytest.approx(losses["tone"])


def test_population_knows_what_goes_together_and_leaves_the_strangest_out() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(0.5, 0.1, 900)
    people = np.stack([first, first + generator.normal(0, 0.02, 900)], 1)
    crowd = np.concatenate([people, generator.random((300, 2))])
    population = Population.of(crowd)
    along, against = (np.square(population.whitening @ np.array(step)).sum() for step in ((0.1, 0.1), (0.1, -0.1)))
    assert against > 3 * along
    assert np.abs(population.mean - people.mean(0)).max() < 0.02
    untrimmed = np.linalg.inv(np.cov(crowd, rowvar=False))
    assert against > 2 * np.array((0.1, -0.1)) @ untrimmed @ np.array((0.1, -0.1))


def test_population_given_one_slider_knows_what_goes_with_it() -> None:
    first = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    crowd = np.stack([first, first + np.random.default_rng(1).normal(0, 0.02, 2000)], 1)
    given = Population.of(crowd).given(0, 0.7, 0.01)
    assert given.mean[0] == pytest.approx(0.7, abs=0.01)
    assert given.mean[1] > 0.62
    deviation = np.sqrt(np.diag(np.linalg.inv(given.whitening.T @ given.whitening)))
    assert deviation[0] == pytest.approx(0.01, abs=0.002)


def test_counted_keeps_the_named_terms_alone(library: Library) -> None:
    comparison = Comparison(library.sights.take([5]), library.layout, everybody(library))
    residuals = comparison.residuals(library.sights, sliders_of(library.vectors, library.schema))[3]
    losses, kept = comparison.losses(residuals), comparison.losses(residuals * comparison.counted(["tone", "prior"]))
    assert kept["total"] == pytest.approx(losses["tone"] + losses["prior"])
    assert comparison.counted(None).all()
