import numpy as np
import pytest

from facenn.fitting.kin import (
    AGE,
    ASH,
    BROWN,
    DARK,
    GREY,
    LIGHTNESS,
    SEX,
    TONE,
    kin_of,
    kin_of_all,
    settle,
    settled,
    with_likely_hair,
)
from facenn.fitting.library import Library
from facenn.fitting.locks import Lock
from facenn.fitting.sight import Floats, Sights
from facenn.networks.traits import Traits
from facenn.people import random_vector
from facenn.schema import ParameterSchema, Vector
from tests.fitting.conftest import SCHEMA as TOY


@pytest.fixture(scope="module")
def crowd(portrait: ParameterSchema) -> Library:
    """Random people of whom nothing is seen but a number."""
    count = 400
    vectors = np.stack([random_vector(portrait, 0, i) for i in range(count)])
    nothing = np.zeros((count, 3), np.float32)
    numbers = np.arange(count, dtype=np.float32)[:, None]
    points: Floats = np.zeros((478, 2), np.float32)
    return Library(portrait, vectors, Sights(numbers, nothing, nothing, nothing, nothing, nothing), points)


def column(library: Library, name: str) -> Vector:
    values: Vector = library.vectors[:, [s.name for s in library.schema.sliders].index(name)]
    return values


@pytest.mark.parametrize("man", [True, False])
def test_kin_are_of_the_same_sex(crowd: Library, man: bool) -> None:
    kin = kin_of(Traits(man, 35), crowd)
    assert ((column(kin.people, SEX) > 0.5) == man).all()
    assert len(kin.people.vectors) == ((column(crowd, SEX) > 0.5) == man).sum()


def test_peers_are_of_about_the_same_age(crowd: Library) -> None:
    kin = kin_of(Traits(True, 45), crowd)
    ages, peers = (np.sort(np.abs(20 + 50 * column(some, AGE) - 45)) for some in (kin.people, kin.peers))
    assert peers == pytest.approx(ages[:len(peers)])
    assert 0.3 < len(peers) / len(ages) < 0.5


def test_the_old_are_expected_to_be_grey_and_women_to_have_no_beard(crowd: Library) -> None:
    names = [s.name for s in crowd.schema.sliders]
    young, old, woman = (kin_of(Traits(man, years), crowd).population.mean for man, years in
                         ((True, 22), (True, 65), (False, 22)))
    assert old[names.index("hair.grey")] > young[names.index("hair.grey")] + 0.2
    assert woman[names.index("beard.stubble")] < young[names.index("beard.stubble")] - 0.1


def test_make_up_of_men_and_beards_of_women_are_settled(crowd: Library) -> None:
    sliders = crowd.schema.sliders
    man, woman = ({sliders[i].name for i in kin_of(Traits(man, 30), crowd).settled} for man in (True, False))
    make_up, beard = ({s.name for s in sliders if s.group == group} for group in ("Make-up", "Beard"))
    assert len(make_up) == len(beard) == 4
    assert man >= make_up and not man & beard
    assert woman >= beard and not woman & make_up
    lines = {s.name for s in sliders if s.group == "Lines"}
    assert len(lines) == 6 and man & woman == {SEX, AGE, "iris.size", "skin.moles", *lines}
    assert man | woman == (man & woman) | make_up | beard


@pytest.mark.parametrize(("years", "most"), [(25, ASH), (39, ASH), (41, 1), (70, 1)])
def test_hair_is_ash_at_most_of_the_young_and_brown_at_most_over_dark_skin(portrait: ParameterSchema, years: float,
                                                                           most: float) -> None:
    grey, tone, lightness = ([s.name for s in portrait.sliders].index(name) for name in (GREY, TONE, LIGHTNESS))
    vectors = np.stack([random_vector(portrait, 0, i) for i in range(80)])
    changed = with_likely_hair(vectors, Traits(True, years), portrait)
    assert np.array_equal(changed[:, grey], np.minimum(vectors[:, grey], np.float32(most)))
    dark = vectors[:, tone] > DARK
    assert 3 < dark.sum() < 60
    assert (vectors[dark, lightness] > BROWN).any()
    assert np.array_equal(changed[dark, lightness], np.minimum(vectors[dark, lightness], np.float32(BROWN)))
    assert np.array_equal(changed[~dark, lightness], vectors[~dark, lightness])
    assert np.array_equal(np.delete(changed, [grey, lightness], 1), np.delete(vectors, [grey, lightness], 1))
    assert np.array_equal(with_likely_hair(vectors[0], Traits(True, years), portrait), changed[0])


def test_settle_changes_settled_sliders_alone(crowd: Library) -> None:
    kin = kin_of(Traits(False, 60), crowd)
    changed, where = settle(crowd.vectors, kin, crowd.schema), list(kin.settled)
    assert {crowd.schema.sliders[i].name for i in where} > {SEX, AGE, "age.forehead"}
    assert np.ptp(changed[:, where], 0) == pytest.approx(0)
    others = [i for i in range(crowd.vectors.shape[1]) if i not in where]
    assert changed[:, others] == pytest.approx(crowd.vectors[:, others])


def test_random_relatives_have_sex_age_and_lines_of_somebody_and_keep_what_is_locked(portrait: ParameterSchema) -> None:
    names = [s.name for s in portrait.sliders]
    lock = Lock.of(("nose.hump=0.3", "age.forehead=0.9"), portrait)
    man, woman = kin_of_all([Traits(True, 60), Traits(False, 25)], portrait, lock, count=5, seed=0)
    for kin, of_man, years in ((man, True, 60), (woman, False, 25)):
        assert kin.candidates.shape == (6, portrait.size)
        assert ((kin.candidates[:, names.index(SEX)] > 0.5) == of_man).all()
        assert kin.candidates[:, names.index(AGE)] == pytest.approx((years - 20) / 50, abs=0.1)
        assert (kin.candidates[:, names.index("nose.hump")] == np.float32(0.3)).all()
        assert (kin.candidates[:, names.index("age.forehead")] == np.float32(0.9)).all()
        assert set(np.flatnonzero(kin.lock.held)) == {*settled(portrait, man=of_man), names.index("nose.hump")}
        assert np.array_equal(kin.lock.applied(kin.candidates), kin.candidates)
    assert not lock.held[names.index(SEX)]


def test_a_locked_sex_or_age_is_truer_than_what_is_seen(portrait: ParameterSchema) -> None:
    names = [s.name for s in portrait.sliders]
    lock = Lock.of((f"{SEX}=0", f"{AGE}=0.9"), portrait)
    locked, = kin_of_all([Traits(True, 22)], portrait, lock, count=12, seed=0)
    woman, = kin_of_all([Traits(False, 65)], portrait, Lock.of((), portrait), count=12, seed=0)
    free = [i for i in range(portrait.size) if i not in settled(portrait, man=False)]
    assert np.array_equal(locked.candidates[:, free], woman.candidates[:, free])
    assert (locked.candidates[:, names.index(AGE)] == np.float32(0.9)).all()


def test_many_candidates_can_be_had(portrait: ParameterSchema) -> None:
    kin, = kin_of_all([Traits(True, 40)], portrait, Lock.of((), portrait), count=400, seed=0)
    assert len(kin.candidates) == 401


def test_a_character_without_sex_has_kin_of_everybody() -> None:
    lock = Lock.of((), TOY)
    man, woman = kin_of_all([Traits(True, 60), Traits(False, 25)], TOY, lock, count=5, seed=0)
    assert np.array_equal(man.candidates, woman.candidates) and not man.lock.held.any()
