import numpy as np
import pytest

from facenn.arrays import Vector
from facenn.fitting.locks import Lock
from facenn.fitting.prior import ASH, BROWN_HAIR, DARK_SKIN, Population, Prior, held_sliders
from facenn.networks.traits import Traits
from facenn.people import random_vector
from facenn.schema import ParameterSchema
from tests.fitting.conftest import SCHEMA as TOY


@pytest.fixture(scope="module")
def crowd(portrait: ParameterSchema) -> Vector:
    return np.stack([random_vector(portrait, 0, i) for i in range(400)])


def prior_of(man: bool, years: float, crowd: Vector, schema: ParameterSchema, *locked: str) -> Prior:
    return Prior.of(Traits(man, years), crowd, schema, Lock.of(locked, schema))


def column(vectors: Vector, schema: ParameterSchema, name: str) -> Vector:
    values: Vector = vectors[:, schema.columns.index(name)]
    return values


@pytest.mark.parametrize("man", [True, False])
def test_people_are_of_the_same_sex(crowd: Vector, portrait: ParameterSchema, man: bool) -> None:
    prior = prior_of(man, 35, crowd, portrait)
    of_sex = (column(crowd, portrait, "person.gender") > 0.5) == man
    assert np.array_equal(prior.people, np.flatnonzero(of_sex))


def test_peers_are_of_about_the_same_age(crowd: Vector, portrait: ParameterSchema) -> None:
    prior = prior_of(True, 45, crowd, portrait)
    apart = np.abs(20 + 50 * column(crowd, portrait, "person.age") - 45)
    assert apart[prior.peers] == pytest.approx(np.sort(apart[prior.people])[:len(prior.peers)])
    assert 0.3 < len(prior.peers) / len(prior.people) < 0.5
    assert prior.usual == pytest.approx(crowd[prior.peers].mean(0))


def test_the_old_are_expected_to_be_grey_and_women_to_have_no_beard(crowd: Vector, portrait: ParameterSchema) -> None:
    grey, stubble = (portrait.columns.index(name) for name in ("hair.grey", "beard.stubble"))
    young, old, woman = (prior_of(man, years, crowd, portrait).population.mean for man, years in
                         ((True, 22), (True, 65), (False, 22)))
    assert old[grey] > young[grey] + 0.2
    assert woman[stubble] < young[stubble] - 0.1


def test_make_up_of_men_and_beards_of_women_are_held(portrait: ParameterSchema) -> None:
    man, woman = ({portrait.sliders[i].name for i in held_sliders(portrait, man=man)} for man in (True, False))
    make_up, beard = ({s.name for s in portrait.sliders if s.role == role} for role in ("make-up", "beard"))
    assert len(make_up) == len(beard) == 4
    assert man >= make_up and not man & beard
    assert woman >= beard and not woman & make_up
    lines = {s.name for s in portrait.sliders if s.role == "lines"}
    assert len(lines) == 6 and man & woman == {"person.gender", "person.age", "iris.size", "skin.moles", *lines}
    assert man | woman == (man & woman) | make_up | beard


@pytest.mark.parametrize(("years", "most"), [(25, ASH), (39, ASH), (41, 1), (70, 1)])
def test_hair_is_ash_at_most_of_the_young_and_brown_at_most_over_dark_skin(
        crowd: Vector, portrait: ParameterSchema, years: float, most: float) -> None:
    grey, tone, lightness = (portrait.columns.index(n) for n in ("hair.grey", "skin.tone", "hair.lightness"))
    prior, vectors = prior_of(True, years, crowd, portrait), crowd[:80]
    changed = prior.with_likely_hair(vectors)
    assert np.array_equal(changed[:, grey], np.minimum(vectors[:, grey], np.float32(most)))
    dark = vectors[:, tone] > DARK_SKIN
    assert 3 < dark.sum() < 60
    assert (vectors[dark, lightness] > BROWN_HAIR).any()
    assert np.array_equal(changed[dark, lightness], np.minimum(vectors[dark, lightness], np.float32(BROWN_HAIR)))
    assert np.array_equal(changed[~dark, lightness], vectors[~dark, lightness])
    assert np.array_equal(np.delete(changed, [grey, lightness], 1), np.delete(vectors, [grey, lightness], 1))
    assert np.array_equal(prior.with_likely_hair(vectors[0]), changed[0])


def test_lock_holds_what_the_user_locked_and_the_held_sliders_as_peers_have_them(
        crowd: Vector, portrait: ParameterSchema) -> None:
    for man, years in ((True, 60), (False, 25)):
        prior = prior_of(man, years, crowd, portrait, "nose.hump=0.3", "age.forehead=0.9")
        held = prior.lock.applied(crowd)
        assert ((column(held, portrait, "person.gender") > 0.5) == man).all()
        assert column(held, portrait, "person.age") == pytest.approx((years - 20) / 50, abs=0.1)
        assert (column(held, portrait, "nose.hump") == np.float32(0.3)).all()
        assert (column(held, portrait, "age.forehead") == np.float32(0.9)).all()
        assert set(np.flatnonzero(prior.lock.held)) == {
            *held_sliders(portrait, man=man), portrait.columns.index("nose.hump")}


def test_free_sliders_of_a_role_are_those_that_nothing_holds(crowd: Vector, portrait: ParameterSchema) -> None:
    prior = prior_of(True, 30, crowd, portrait, "hair.grey")
    assert [portrait.columns[i] for i in prior.free("hair")] == ["hair.lightness", "hair.redness", "hair.hairline"]
    assert [portrait.columns[i] for i in prior.free("iris")] == ["iris.lightness", "iris.hue"]


def test_a_locked_sex_or_age_is_truer_than_what_is_seen(crowd: Vector, portrait: ParameterSchema) -> None:
    locked = prior_of(True, 22, crowd, portrait, "person.gender=0", "person.age=0.9")
    woman = prior_of(False, 65, crowd, portrait)
    assert not locked.traits.man and locked.traits.years == pytest.approx(65)
    assert np.array_equal(locked.peers, woman.peers)
    assert locked.lock.values[portrait.columns.index("person.age")] == np.float32(0.9)


def test_rarity_is_what_few_people_wear(crowd: Vector, portrait: ParameterSchema) -> None:
    prior = prior_of(True, 30, crowd, portrait)
    bun, crop = (portrait.from_named({**portrait.to_named(crowd[0]), "hair.style": style}) for style in ("bun", "crop"))
    assert np.diff(prior.rarity(np.stack([crop, bun])))[0] > 0.5


def test_a_character_without_sex_has_peers_of_everybody() -> None:
    people = np.stack([random_vector(TOY, 0, i) for i in range(50)])
    man, woman = (prior_of(man, years, people, TOY) for man, years in ((True, 60), (False, 25)))
    assert np.array_equal(man.peers, woman.peers)
    assert len(man.peers) == 50 and not man.lock.held.any()


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


