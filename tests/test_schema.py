import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facenn.errors import MissingFileError, SchemaError
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema(
    character="test",
    version=3,
    sliders=(Slider("nose.width", "Nose", "Width"), Slider("skin.tone", "Skin", "Tone", 0.3, two_sided=False)),
    choices=(Choice("hair", "Hair", "Hair", ("short", "long", "bald"), "long"),
             Choice("brow", "Skin", "Brow", ("thin", "thick"), "thin")),
)

any_vector = arrays(np.float32, SCHEMA.size, elements=st.floats(-2, 2, width=32))
seeds = st.integers(0, 2**32 - 1)


def test_schema_lays_sliders_before_the_options_of_choices() -> None:
    assert SCHEMA.size == 7
    assert SCHEMA.columns == ("nose.width", "skin.tone", "hair:short", "hair:long", "hair:bald", "brow:thin",
                              "brow:thick")
    assert SCHEMA.slices == {"hair": slice(2, 5), "brow": slice(5, 7)}


def test_schema_lists_groups_in_the_order_of_their_first_use() -> None:
    assert SCHEMA.groups == ("Nose", "Skin", "Hair")
    grouped = {group: ([s.name for s in sliders], [c.name for c in choices])
               for group, sliders, choices in SCHEMA.by_group()}
    assert grouped == {"Nose": (["nose.width"], []), "Skin": (["skin.tone"], ["brow"]), "Hair": ([], ["hair"])}


def test_schema_neutral_is_the_neutral_of_each_parameter() -> None:
    assert SCHEMA.neutral().tolist() == pytest.approx([0.5, 0.3, 0, 1, 0, 1, 0])
    assert SCHEMA.to_named(SCHEMA.neutral()) == {"nose.width": 0.5, "skin.tone": 0.3, "hair": "long",
                                                 "brow": "thin"}


@given(any_vector)
def test_project_gives_valid_parameters_and_does_not_move_them_again(vector: np.ndarray) -> None:
    projected = SCHEMA.project(vector)
    assert projected.dtype == np.float32
    assert ((projected >= 0) & (projected <= 1)).all()
    for where in SCHEMA.slices.values():
        assert sorted(projected[where])[:-1] == [0] * (where.stop - where.start - 1)
        assert projected[where][vector[where].argmax()] == 1
    assert np.array_equal(SCHEMA.project(projected), projected)


def test_project_works_on_batches_and_leaves_its_input_alone() -> None:
    batch = np.array([[[2, -1, 0.1, 0.3, 0.2, -4, -5]], [[0.25, 0.5, 0, 0, 9, 0, 1]]])
    before = batch.copy()
    assert SCHEMA.project(batch).tolist() == [[[1, 0, 0, 1, 0, 1, 0]], [[0.25, 0.5, 0, 0, 1, 0, 1]]]
    assert np.array_equal(batch, before)


@given(seeds)
def test_sample_is_valid_and_a_function_of_its_generator(seed: int) -> None:
    face = SCHEMA.sample(np.random.default_rng(seed))
    assert np.array_equal(SCHEMA.project(face), face)
    assert np.array_equal(SCHEMA.sample(np.random.default_rng(seed)), face)


def test_sample_is_even_over_sliders_and_options() -> None:
    generator = np.random.default_rng(0)
    faces = np.stack([SCHEMA.sample(generator) for _ in range(4000)])
    assert faces.mean(0) == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2], abs=0.04)
    assert faces[:, 0].std() == pytest.approx(12**-0.5, abs=0.02)


@given(seeds)
def test_named_values_give_the_vector_back(seed: int) -> None:
    face = SCHEMA.sample(np.random.default_rng(seed))
    assert np.abs(SCHEMA.from_named(SCHEMA.to_named(face)) - face).max() <= 1e-6


def test_to_named_takes_the_largest_entry_of_a_choice() -> None:
    assert SCHEMA.to_named(np.array([0, 1, 0.2, 0.1, 0.3, 0.6, 0.5])) == {
        "nose.width": 0, "skin.tone": 1, "hair": "bald", "brow": "thin"}


@pytest.mark.parametrize("shape", [(6,), (8,), (7, 1), ()])
def test_check_refuses_another_length(shape: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError, match="expected 7 parameters per face for character test, got shape"):
        SCHEMA.check(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_check_names_the_column_that_is_not_a_number(value: float) -> None:
    faces = np.zeros((3, 7))
    faces[1, 3] = value
    with pytest.raises(SchemaError, match=f"parameter hair:long is {value}"):
        SCHEMA.check(faces)


def test_to_named_refuses_a_batch() -> None:
    with pytest.raises(SchemaError, match="expected one face"):
        SCHEMA.to_named(np.zeros((2, 7)))


@pytest.mark.parametrize(("change", "message"), [
    ({"nose.length": 0.5}, "has no parameter 'nose.length'"),
    ({"nose.width": 1.01}, r"slider nose.width: expected a number in \[0, 1\], got 1.01"),
    ({"nose.width": float("nan")}, "got nan"),
    ({"nose.width": "wide"}, "got 'wide'"),
    ({"nose.width": True}, "got True"),
    ({"nose.width": None}, "got None"),
    ({"nose.width": [0.5]}, r"got \[0.5\]"),
    ({"hair": "pink"}, "choice hair: expected one of .*'bald'.*, got 'pink'"),
    ({"hair": 1}, "got 1"),
])
def test_from_named_refuses(change: dict[str, object], message: str) -> None:
    named: dict[str, object] = {**SCHEMA.to_named(SCHEMA.neutral()), **change}
    with pytest.raises(SchemaError, match=message):
        SCHEMA.from_named(named)  # type: ignore[arg-type]


def test_from_named_says_what_is_left_out() -> None:
    with pytest.raises(SchemaError, match=r"no value for brow, hair, skin\.tone"):
        SCHEMA.from_named({"nose.width": 0.5})
    many = ParameterSchema("many", 0, tuple(Slider(f"s{i}", "", "") for i in range(9)))
    with pytest.raises(SchemaError, match="s0, s1, s2, s3, s4 and 4 more"):
        many.from_named({})


def test_from_named_takes_numpy_numbers() -> None:
    named = {**SCHEMA.to_named(SCHEMA.neutral()), "nose.width": np.float64(0.25), "skin.tone": 1}
    assert SCHEMA.from_named(named)[:2].tolist() == [0.25, 1]


@pytest.mark.parametrize(("sliders", "choices", "message"), [
    ((), (), "has no parameter"),
    ((Slider("a", "", ""), Slider("a", "", "")), (), "'a' occurs twice"),
    ((Slider("a", "", ""),), (Choice("a", "", "", ("x", "y"), "x"),), "'a' occurs twice"),
    ((Slider("a", "", "", 1.5),), (), r"expected a neutral in \[0, 1\], got 1.5"),
    ((Slider("a", "", "", float("nan")),), (), "got nan"),
    ((), (Choice("a", "", "", ("x",), "x"),), "two or more unique options"),
    ((), (Choice("a", "", "", ("x", "x"), "x"),), "two or more unique options"),
    ((), (Choice("a", "", "", ("x", "y"), "z"),), "its neutral 'z' is not one of"),
    ((Slider("a:x", "", ""),), (Choice("a", "", "", ("x", "y"), "x"),), "share a column name"),
])
def test_schema_refuses(sliders: tuple[Slider, ...], choices: tuple[Choice, ...], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        ParameterSchema("broken", 0, sliders, choices)


def test_schema_survives_a_file(tmp_path: Path) -> None:
    SCHEMA.save(tmp_path / "schema.json")
    loaded = ParameterSchema.load(tmp_path / "schema.json")
    assert loaded == SCHEMA
    assert hash(loaded) == hash(SCHEMA)


def test_load_says_that_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"found no file"):
        ParameterSchema.load(tmp_path / "schema.json")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"sliders": [], "choices": []}'])
def test_load_names_the_damaged_file(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(damage)
    with pytest.raises(SchemaError, match=r"schema\.json: "):
        ParameterSchema.load(path)


@pytest.mark.parametrize("key", ["character", "version", "sliders", "choices"])
def test_from_json_wants_every_key_and_no_other(key: str) -> None:
    raw = json.loads(SCHEMA.to_json())
    with pytest.raises(SchemaError, match="preset: expected a parameter schema"):
        ParameterSchema.from_json(json.dumps({k: v for k, v in raw.items() if k != key}), source="preset")
    with pytest.raises(SchemaError, match="unexpected keyword argument 'colour'"):
        ParameterSchema.from_json(json.dumps({**raw, "colour": 1}))


def role_schema(*roles: str) -> ParameterSchema:
    return ParameterSchema("toy", 1, tuple(Slider(f"s{i}", "G", "L", role=role) for i, role in enumerate(roles)))


def test_sliders_are_found_by_what_they_mean() -> None:
    schema = role_schema("", "hair", "hair.grey", "iris.size", "age")
    assert schema.with_role("hair") == [1, 2]
    assert schema.with_role("hair.grey", "iris") == [2, 3]
    assert (schema.slider_of("age"), schema.slider_of("sex")) == (4, None)


@pytest.mark.parametrize(("roles", "message"), [
    (("hairs",), r"slider s0: expected a role out of .*hair.*, got 'hairs'"),
    (("age", "", "age"), "expected one slider of the role age, got s0, s2")])
def test_schema_refuses_roles_that_it_does_not_know_or_that_two_claim(roles: tuple[str, ...], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        role_schema(*roles)


def test_schema_of_the_first_format_has_no_roles_and_a_later_one_is_refused_in_one_line() -> None:
    raw = json.loads(role_schema("age").to_json())
    assert raw.pop("format") == 2
    first = {**raw, "sliders": [{k: v for k, v in raw["sliders"][0].items() if k != "role"}]}
    assert ParameterSchema.from_json(json.dumps(first)) == role_schema("")
    assert ParameterSchema.from_json(json.dumps({**raw, "format": 2})) == role_schema("age")
    with pytest.raises(SchemaError, match=r"^here: expected a schema of the format 2 or lower, got 3$"):
        ParameterSchema.from_json(json.dumps({**raw, "format": 3}), source="here")
