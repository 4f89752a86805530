from dataclasses import fields, replace

import numpy as np
import pytest

from facenn.fitting.engine.least_squares import robust_loss
from facenn.fitting.engine.library import Library
from facenn.fitting.engine.residuals import CENTRE, JAW, Residuals, Weights, as_if_drawn
from facenn.fitting.prior import Population
from facenn.networks.facemesh import OUTER_EYE_CORNERS


def everybody(library: Library) -> Population:
    return Population.of(library.schema.sliders_in(library.vectors))


def test_residuals_of_the_face_itself_are_its_prior_alone(library: Library) -> None:
    photo = library.observations.take([5])
    residuals = Residuals(photo, library.spots, everybody(library), Weights())
    drawn = replace(photo, points=as_if_drawn(photo.points))
    found = residuals.of(drawn, library.schema.sliders_in(library.vectors[5:6]))
    losses = residuals.losses(found[0])
    assert losses["prior"] > 0
    assert losses["total"] == pytest.approx(losses["prior"], abs=1e-6)


def test_lower_corners_of_the_jaw_are_seen_too_far_inside(library: Library) -> None:
    points = library.observations.points[:3]
    moved = as_if_drawn(points) - points
    left, right = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(points[:, left] - points[:, right], axis=-1, keepdims=True)
    lengths = np.linalg.norm(moved[:, list(JAW)], axis=-1) / eyes
    assert lengths == pytest.approx(np.tile(list(JAW.values()), (3, 1)), rel=1e-4)
    inwards = points[:, CENTRE].mean(1, keepdims=True) - points[:, list(JAW)]
    assert (moved[:, list(JAW)] * inwards).sum(-1).min() > 0
    assert not np.delete(moved, list(JAW), 1).any()


def test_losses_of_the_terms_add_up_to_the_robust_loss(library: Library) -> None:
    residuals = Residuals(library.observations.take([5]), library.spots, everybody(library), Weights())
    found = residuals.of(library.observations, library.schema.sliders_in(library.vectors))
    losses = residuals.losses(found[3])
    assert losses["total"] == pytest.approx(float(robust_loss(found[3], residuals.scales)))
    assert residuals.only(found, "tone")[3] == pytest.approx(losses["tone"])


def test_counted_keeps_the_named_terms_alone(library: Library) -> None:
    residuals = Residuals(library.observations.take([5]), library.spots, everybody(library), Weights())
    found = residuals.of(library.observations, library.schema.sliders_in(library.vectors))[3]
    losses, kept = residuals.losses(found), residuals.losses(found * residuals.counted(["tone", "prior"]))
    assert kept["total"] == pytest.approx(losses["tone"] + losses["prior"])
    assert residuals.counted(None).all()


def test_terms_and_their_weights_are_the_same(library: Library) -> None:
    residuals = Residuals(library.observations.take([5]), library.spots, everybody(library), Weights())
    assert list(residuals.terms) == [field.name for field in fields(Weights)]
    assert residuals.terms["prior"].stop == len(residuals.scales)


@pytest.mark.parametrize("name", [field.name for field in fields(Weights)])
def test_a_term_counts_as_much_as_its_weight_says(library: Library, name: str) -> None:
    photo, drawn = library.observations.take([5]), library.observations.take([6])
    values = library.schema.sliders_in(library.vectors[6:7])
    losses = []
    for factor in (1, 4):
        weights = replace(Weights(), **{name: factor * getattr(Weights(), name)})
        residuals = Residuals(photo, library.spots, everybody(library), weights)
        losses.append(residuals.losses(residuals.of(drawn, values)[0]))
    for term in residuals.terms:
        assert losses[1][term] == pytest.approx((4 if term == name else 1) * losses[0][term])
