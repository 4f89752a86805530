from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from facenn import people
from facenn.arrays import Vector
from facenn.engine.characters import CHARACTERS, character
from facenn.people import BEARD_SLIDERS, HAIR_WEIGHTS, Person, sample, sample_person
from facenn.schema import Choice, ParameterSchema, Slider

PORTRAIT = character("portrait").schema
MANY = 1500


def draw(schema: ParameterSchema, count: int = MANY) -> Vector:
    return np.stack([sample(schema, np.random.default_rng([3, i])) for i in range(count)])


@pytest.fixture(scope="module")
def faces() -> Vector:
    """As generation draws them: believable and broad."""
    return draw(PORTRAIT)


@pytest.fixture(scope="module")
def believable() -> Vector:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "BROAD_SHARE", 0.0)
        return draw(PORTRAIT)


def column(faces: Vector, name: str) -> NDArray[np.float32]:
    return faces[:, PORTRAIT.columns.index(name)]


def women(faces: Vector) -> NDArray[np.bool_]:
    return column(faces, "person.gender") < 0.5


def test_sample_depends_on_the_generator_alone() -> None:
    face = sample(PORTRAIT, np.random.default_rng(5))
    assert np.array_equal(face, sample(PORTRAIT, np.random.default_rng(5)))
    assert not np.array_equal(face, sample(PORTRAIT, np.random.default_rng(6)))


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_sample_is_a_valid_face(name: str) -> None:
    schema = character(name).schema
    faces = draw(schema, 200)
    assert faces.dtype == np.float32
    assert faces.shape == (200, schema.size)
    assert np.array_equal(schema.project(faces), faces)


def test_sample_gives_unknown_sliders_and_options_values_too() -> None:
    schema = ParameterSchema("hero", 1, (Slider("horn.length", "Horn", "Length", 0.2, two_sided=False),),
                             (Choice("hair.style", "Hair", "Style", ("crop", "antlers"), "crop"),
                              Choice("hat", "Hat", "Hat", ("none", "cap", "crown"), "none")))
    faces = draw(schema, 400)
    assert np.median(faces[:, 0]) == pytest.approx(0.2, abs=0.1)
    assert 0.02 < faces[:, schema.columns.index("hair.style:antlers")].mean() < 0.4
    assert faces[:, schema.slices["hat"]].any(0).all()


def test_every_slider_reaches_both_its_ends(faces: Vector) -> None:
    sliders = faces[:, : len(PORTRAIT.sliders)]
    assert [s.name for s, low in zip(PORTRAIT.sliders, sliders.min(0), strict=True) if low > 0.15] == []
    assert [s.name for s, high in zip(PORTRAIT.sliders, sliders.max(0), strict=True) if high < 0.85] == []


def test_every_option_occurs(faces: Vector) -> None:
    for name, where in PORTRAIT.slices.items():
        assert (faces[:300, where].sum(0) > 0).all(), name


def test_believable_shapes_stay_nearer_to_neutral_than_even_ones(believable: Vector) -> None:
    shapes = believable[:, : len(character("classic").schema.sliders) - 1]  # without gender
    spread = (shapes - PORTRAIT.neutral()[: shapes.shape[1]]).std(0)
    assert spread.max() < 0.24  # even: 0.29
    assert spread.min() > 0.10


def test_women_have_no_beard_and_many_men_have(believable: Vector) -> None:
    beard = np.max([column(believable, name) for name in BEARD_SLIDERS], 0)
    assert (beard[women(believable)] == 0).all()
    assert 0.4 < (beard[~women(believable)] > 0.5).mean() < 0.8


def test_lipstick_is_mostly_for_women(believable: Vector) -> None:
    lipstick = column(believable, "lips.colour") > 0.2
    assert lipstick[women(believable)].mean() > 0.3
    assert lipstick[~women(believable)].mean() < 0.05


@pytest.mark.parametrize("name", ["hair.grey", "age.folds", "age.forehead", "age.corners", "eyes.bags", "chin.jowls",
                                  "neck.double"])
def test_signs_of_age_grow_with_age(believable: Vector, name: str) -> None:
    age = column(believable, "person.age")
    assert np.corrcoef(age, column(believable, name))[0, 1] > 0.15
    assert column(believable, name)[age > 0.7].mean() > column(believable, name)[age < 0.3].mean() + 0.05


def test_fair_hair_and_light_eyes_come_with_fair_skin(believable: Vector) -> None:
    dark = column(believable, "skin.tone") > 0.5
    for name, light in (("hair.lightness", 0.5), ("iris.hue", 0.5), ("skin.freckles", 0.35)):
        assert (column(believable, name)[dark] > light).mean() < 0.03
        assert (column(believable, name)[~dark] > light).mean() > 0.08


def test_features_go_with_the_tone_of_the_skin(believable: Vector) -> None:
    african = column(believable, "person.african") > 0.6
    assert column(believable, "skin.tone")[african].mean() > 0.6
    assert column(believable, "skin.tone")[column(believable, "person.caucasian") > 0.8].mean() < 0.3
    assert column(believable, "nose.width3")[african].mean() > column(believable, "nose.width3")[~african].mean() + 0.05


def test_long_hair_is_mostly_womens_and_bald_heads_mens(believable: Vector) -> None:
    assert column(believable, "hair.style:long")[women(believable)].mean() > 0.15
    assert column(believable, "hair.style:long")[~women(believable)].mean() < 0.1
    bald = column(believable, "hair.style:bald") > 0
    assert bald[~women(believable)].mean() > 5 * bald[women(believable)].mean()


def test_hair_weights_favour_what_people_wear() -> None:
    young = Person(woman=True, years=25, asian=0, african=0, caucasian=1, tone=0.1, fair=True)
    old = Person(woman=False, years=75, asian=0, african=0, caucasian=1, tone=0.1, fair=False)
    african = Person(woman=True, years=25, asian=0, african=1, caucasian=0, tone=0.8, fair=False)
    of_young, of_old, of_african = (people._hair_weights(person) for person in (young, old, african))
    assert of_young.keys() == HAIR_WEIGHTS.keys()
    assert of_old["receding"] > 0.3 > 0 == of_young["receding"]
    assert of_african["afro"] > 0.3 > 0.05 > of_young["afro"]
    assert of_african["long"] < of_young["long"]
    for name in ("swept", "bun"):
        assert of_young[name] > 0.1 > of_old[name]
    youth = Person(woman=False, years=20, asian=0, african=1, caucasian=0, tone=0.8, fair=False)
    assert people._hair_weights(youth)["high_top"] > 0.1 > of_old["high_top"]


def test_sample_person_finds_all_kinds_of_people() -> None:
    met = [sample_person(np.random.default_rng([1, i])) for i in range(500)]
    assert 0.4 < np.mean([p.woman for p in met]) < 0.6
    assert min(p.years for p in met) < 22
    assert max(p.years for p in met) > 72
    for features in ([p.asian for p in met], [p.african for p in met], [p.caucasian for p in met]):
        assert 0.04 < np.mean(np.array(features) > 0.6) < 0.6
        assert np.mean((np.array(features) > 0.2) & (np.array(features) < 0.6)) > 0.05  # mixtures


def test_roles_stand_for_names_in_another_language() -> None:
    """Of a character in another language sex, age, skin, hair, beard and make-up go together as in ours."""
    sliders = tuple(replace(s, name=f"regler.{i}") for i, s in enumerate(PORTRAIT.sliders))
    schema = ParameterSchema("puppe", 1, sliders)
    drawn = draw(schema, 600)
    of_role = {role: drawn[:, schema.with_role(role)].mean(1) for role in
               ("sex", "age", "hair.grey", "beard", "make-up")}
    men, old = of_role["sex"] > 0.5, of_role["age"] > 0.6
    assert 0.35 < men.mean() < 0.65
    assert of_role["hair.grey"][old].mean() > of_role["hair.grey"][~old].mean() + 0.2
    assert of_role["beard"][men].mean() > of_role["beard"][~men].mean() + 0.1
    assert of_role["make-up"][~men].mean() > of_role["make-up"][men].mean() + 0.1
