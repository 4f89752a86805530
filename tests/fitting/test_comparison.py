import numpy as np
import pytest

from facenn.fitting.comparison import Comparison, Population, sliders_of, superimposed, surroundings, wall_colour
from facenn.fitting.library import Library
from facenn.fitting.newton import robust_loss
from facenn.fitting.sight import Floats, Sights
from facenn.fitting.target import CELLS, FACE_OVAL


def test_superimposed_undoes_a_similarity() -> None:
    points = np.random.default_rng(0).random((20, 2)).astype(np.float32)
    turn = 1.3 * np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    moved = np.stack([points @ turn.T + 0.2, points])
    assert superimposed(moved, points) == pytest.approx(np.stack([points, points]), abs=1e-5)


def test_residuals_of_the_face_itself_are_its_prior_alone(library: Library) -> None:
    photo = library.sights.take([5])
    comparison = Comparison(photo, library.layout, library.population)
    clear = Sights(photo.embedding, photo.points, photo.skin, photo.around, 0 * photo.background)
    residuals = comparison.residuals(clear, sliders_of(library.vectors[5:6], library.schema))
    losses = comparison.losses(residuals[0])
    assert losses["prior"] > 0
    assert losses["total"] == pytest.approx(losses["prior"], abs=1e-6)


def test_losses_of_the_terms_add_up_to_the_robust_loss(library: Library) -> None:
    comparison = Comparison(library.sights.take([5]), library.layout, library.population)
    residuals = comparison.residuals(library.sights, sliders_of(library.vectors, library.schema))
    losses = comparison.losses(residuals[3])
    assert losses["total"] == pytest.approx(float(robust_loss(residuals[3], comparison.scales)))
    assert comparison.only(residuals, "tone")[3] == pytest.approx(losses["tone"])


def test_surroundings_leave_out_the_face_and_what_is_below_it(library: Library) -> None:
    points = centred(library)
    region = surroundings(points)
    oval = points[list(FACE_OVAL)]
    middle = (oval.mean(0) * CELLS).astype(int)
    assert region[middle[1], middle[0]] == 0
    assert region[int(oval[:, 1].min() * CELLS) - 2, middle[0]] == 1
    assert region[int(oval[:, 1].max() * CELLS) + 1:].max() == 0


def test_wall_colour_is_what_is_far_from_the_face(library: Library) -> None:
    photo = library.sights.take([0])
    points = centred(library)
    around = np.full((1, CELLS, CELLS, 3), 0.9, np.float32)
    around[:, 8:, 8:24] = 0.2
    seen = Sights(photo.embedding, points[None], photo.skin, around, 0 * photo.background)
    assert wall_colour(seen) == pytest.approx(np.full(3, 0.9))


def centred(library: Library) -> Floats:
    """(478, 2) the reference moved to the middle of the picture."""
    oval = library.reference[list(FACE_OVAL)]
    moved: Floats = library.reference - (oval.min(0) + oval.max(0)) / 2 + 0.5
    return moved


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
