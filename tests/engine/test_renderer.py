from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from facenn.engine.characters import character
from facenn.engine.looks import LABELS
from facenn.engine.renderer import SIDE, Engine, Render
from facenn.errors import ConfigError, SchemaError
from facenn.schema import Vector

SCHEMA = character("portrait").schema


def face(**changed: float | str) -> Vector:
    """The neutral portrait with some values changed; ``__`` in a name stands for a dot."""
    named = SCHEMA.to_named(SCHEMA.neutral())
    return SCHEMA.from_named(named | {name.replace("__", "."): value for name, value in changed.items()})


def random_face(seed: int) -> Vector:
    return SCHEMA.sample(np.random.default_rng([7, seed]))


def shows(render: Render, label: str) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = render.labels == LABELS.index(label)
    return mask


def changed_pixels(one: Render, other: Render) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (one.picture != other.picture).any(-1)
    return mask


@pytest.fixture(scope="module")
def neutral(engine: Engine) -> Render:
    return engine.draw(SCHEMA.neutral())


@pytest.fixture(scope="module")
def classic() -> Engine:
    return Engine("classic")


def test_draw_gives_a_picture_and_a_label_map(neutral: Render) -> None:
    assert neutral.picture.shape == (SIDE, SIDE, 3)
    assert neutral.labels.shape == (SIDE, SIDE)
    assert neutral.picture.dtype == neutral.labels.dtype == np.uint8


def test_draw_gives_the_same_bytes_whatever_was_drawn_between(engine: Engine) -> None:
    first = [engine.draw(random_face(seed)) for seed in range(4)]
    again = [engine.draw(random_face(seed)) for seed in reversed(range(4))][::-1]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert np.array_equal(one.labels, other.labels)


def test_renders_do_not_share_memory(engine: Engine, neutral: Render) -> None:
    before = neutral.picture.copy(), neutral.labels.copy()
    engine.draw(random_face(0))
    assert np.array_equal(neutral.picture, before[0])
    assert np.array_equal(neutral.labels, before[1])


def test_draw_projects_what_lies_outside(engine: Engine) -> None:
    outside = random_face(1)
    outside[3], outside[10] = -0.7, 1.9
    choice = SCHEMA.slices["hair.style"]
    outside[choice] = outside[choice] * 0.4 - 0.1
    inside = engine.draw(SCHEMA.project(outside))
    assert np.array_equal(engine.draw(outside).picture, inside.picture)


@pytest.mark.parametrize("vector", [np.zeros(103), np.full(SCHEMA.size, np.nan), np.zeros((SCHEMA.size, 1))])
def test_draw_refuses_invalid_vectors(engine: Engine, vector: NDArray[np.float64]) -> None:
    with pytest.raises(SchemaError):
        engine.draw(vector.astype(np.float32))


def test_draw_refuses_a_batch(engine: Engine) -> None:
    with pytest.raises(SchemaError, match="expected one face"):
        engine.draw(np.zeros((2, SCHEMA.size), np.float32))


def test_engine_names_the_characters_that_exist() -> None:
    with pytest.raises(ConfigError, match="expected one of the embedded characters"):
        Engine("hero")


def test_label_map_contains_every_class(engine: Engine) -> None:
    render = engine.draw(face(hair__style="side_part", mouth__lowerlip_middle=0.0))
    area = {label: int(shows(render, label).sum()) for label in LABELS}
    assert all(area.values()), area
    assert area["skin"] > 30000
    assert area["background"] > area["nose"] > area["brow"] > area["inner mouth"]


def test_labels_stand_where_an_anatomist_expects_them(neutral: Render) -> None:
    order = ["brow", "eye", "nose", "upper lip", "inner mouth", "lower lip", "neck", "cloth"]
    rows, columns = zip(*(np.argwhere(shows(neutral, label)).mean(0) for label in order), strict=True)
    assert list(rows) == sorted(rows)
    assert columns == pytest.approx([SIDE / 2] * len(order), abs=4)


def test_bald_heads_show_no_hair(engine: Engine, classic: Engine, neutral: Render) -> None:
    assert not shows(neutral, "hair").any()
    assert not shows(engine.draw(face(hair__style="bald", beard__style="full")), "hair").any()
    assert not shows(classic.draw(classic.schema.neutral()), "hair").any()


def test_face_leaves_no_hole(engine: Engine) -> None:
    """Background inside a face would be a gap between triangles."""
    for seed in range(6):
        vector = random_face(seed)
        vector[SCHEMA.slices["hair.style"]] = [1, 0, 0, 0, 0, 0, 0, 0]
        seen = ~shows(engine.draw(vector), "background")
        for row in seen[100:400]:
            columns = np.flatnonzero(row)
            holes = np.diff(columns) > 1
            assert not holes[(columns[:-1] > 200) & (columns[:-1] < 312)].any()


def test_neutral_head_is_symmetric(neutral: Render) -> None:
    differs = neutral.labels != neutral.labels[:, ::-1]
    assert differs.mean() < 0.015
    for label in ("eye", "nose", "upper lip", "lower lip", "ear", "neck"):
        mask = shows(neutral, label)
        assert mask[:, : SIDE // 2].sum() == pytest.approx(mask[:, SIDE // 2:].sum(), rel=0.06)


@pytest.mark.parametrize("name", [s.name for s in SCHEMA.sliders[:95]])
def test_every_shape_slider_can_be_seen(engine: Engine, name: str) -> None:
    low, high = (engine.draw(face(**{name: value})).picture.mean(-1) for value in (0.0, 1.0))
    assert np.abs(high - low).mean() > 0.005


@pytest.mark.parametrize(("name", "under"), [
    *((f"person.{a}", {}) for a in ("asian", "african", "caucasian")), ("skin.tone", {}), ("skin.warmth", {}),
    ("skin.redness", {}), ("skin.freckles", {}), ("hair.lightness", {"hair.style": "crop"}),
    ("hair.redness", {"hair.style": "crop"}), ("hair.grey", {"hair.style": "crop"}), ("iris.lightness", {}),
    ("iris.hue", {}), ("eyebrows.strength", {}), ("beard.density", {"beard.style": "full"}),
    ("beard.density", {"beard.style": "stubble"}), ("lips.colour", {}), ("cheek.blush", {}), ("eyes.shadow", {}),
    ("eyes.liner", {}),
])
def test_every_other_slider_can_be_seen(engine: Engine, name: str, under: dict[str, float | str]) -> None:
    low, high = (engine.draw(face(**under, **{name: value})).picture.mean(-1) for value in (0.0, 1.0))
    assert np.abs(high - low).mean() > 0.005


@pytest.mark.parametrize(("choice", "option"), [(c.name, o) for c in SCHEMA.choices for o in c.options])
def test_every_option_draws_a_face_of_its_own(engine: Engine, neutral: Render, choice: str, option: str) -> None:
    render = engine.draw(face(**{choice: option}))
    is_neutral = option == next(c.neutral for c in SCHEMA.choices if c.name == choice)
    assert changed_pixels(render, neutral).any() != is_neutral
    assert shows(render, "eye").sum() > 500
    assert shows(render, "nose").sum() > 2000


@pytest.mark.parametrize("option", character("classic").schema.choices[0].options)
def test_classic_draws_every_brow(classic: Engine, option: str) -> None:
    schema = classic.schema
    named = schema.to_named(schema.neutral()) | {"eyebrows.style": option}
    assert shows(classic.draw(schema.from_named(named)), "brow").sum() > 200


def test_classic_has_the_head_of_the_portrait(classic: Engine, neutral: Render) -> None:
    labels = classic.draw(classic.schema.neutral()).labels
    differs = labels != neutral.labels
    assert not differs[~shows(neutral, "brow") & (labels != LABELS.index("brow"))].any()


@pytest.mark.parametrize(("name", "label", "reach"), [
    ("hair.lightness", "brow", 12), ("eyebrows.strength", "brow", 12), ("iris.hue", "eye", 2),
    ("iris.lightness", "eye", 2), ("lips.colour", "lips", 12), ("eyes.liner", "eye", 20),
])
def test_colour_stays_in_its_place(engine: Engine, neutral: Render, name: str, label: str, reach: int) -> None:
    """On a bald, shaven head, the changed pixels lie on what is recoloured, or in its soft edge."""
    parts = ("upper lip", "lower lip", "inner mouth") if label == "lips" else (label,)
    place = np.any([shows(neutral, part) for part in parts], 0)
    changed = changed_pixels(engine.draw(face(**{name: 1.0})), neutral)
    assert changed.sum() > 100
    assert not changed[~binary_dilation(place, iterations=reach)].any()


@pytest.mark.parametrize("name", ["skin.tone", "skin.freckles", "hair.lightness", "iris.hue", "lips.colour",
                                  "cheek.blush", "eyes.shadow", "eyes.liner"])
def test_colours_leave_the_labels_alone(engine: Engine, neutral: Render, name: str) -> None:
    assert np.array_equal(engine.draw(face(**{name: 1.0})).labels, neutral.labels)


def test_stronger_brows_turn_skin_into_brow_and_nothing_else(engine: Engine) -> None:
    weak, strong = (engine.draw(face(eyebrows__strength=s)).labels for s in (0.2, 1.0))
    differs = weak != strong
    assert differs.sum() > 100
    assert set(strong[differs]) == {LABELS.index("brow")}
    assert set(weak[differs]) == {LABELS.index("skin")}


def test_beard_is_painted_without_a_label_of_its_own(engine: Engine, neutral: Render) -> None:
    bearded = engine.draw(face(beard__style="full", beard__density=1.0))
    assert np.array_equal(bearded.labels, neutral.labels)
    chin = shows(neutral, "skin") & (np.arange(SIDE)[:, None] > 380)
    assert bearded.picture[chin].mean() < 0.6 * neutral.picture[chin].mean()


def test_hair_covers_more_from_style_to_style(engine: Engine) -> None:
    area = [int(shows(engine.draw(face(hair__style=style)), "hair").sum())
            for style in ("bald", "buzz", "crop", "bob", "long")]
    assert area == sorted(area)
    assert area[0] == 0 < area[1]


def test_face_fills_the_picture_and_keeps_its_place(engine: Engine) -> None:
    for seed in range(5):
        render = engine.draw(random_face(seed))
        rows, columns = np.nonzero(shows(render, "eye"))
        assert rows.mean() == pytest.approx(0.46 * SIDE, abs=40)
        assert columns.mean() == pytest.approx(SIDE / 2, abs=10)
        assert shows(render, "background")[:, [0, -1]].any()


def test_render_is_read_only_data(neutral: Render) -> None:
    assert replace(neutral, labels=neutral.labels.copy()).picture is neutral.picture
    with pytest.raises(AttributeError):
        neutral.picture = neutral.picture  # type: ignore[misc]
