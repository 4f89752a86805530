from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.ndimage import label as regions_of

from facenn.arrays import Vector
from facenn.engine.camera import Conditions
from facenn.engine.characters import character
from facenn.engine.hair.styles import HAIR_STYLES
from facenn.engine.layout import LABELS
from facenn.engine.renderer import SIDE, Engine, Render
from facenn.errors import ConfigError, SchemaError

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


def middle(render: Render, label: str) -> NDArray[np.float64]:
    """(2,) mean row and column of a label."""
    return np.asarray(np.argwhere(shows(render, label)).mean(0))


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
    assert not shows(engine.draw(face(hair__style="bald", beard__jaw=1.0)), "hair").any()
    assert not shows(classic.draw(classic.schema.neutral()), "hair").any()


def test_face_leaves_no_hole(engine: Engine) -> None:
    """Background inside a face would be a gap between triangles."""
    for seed in range(6):
        vector = random_face(seed)
        vector[SCHEMA.slices["hair.style"]] = np.arange(len(HAIR_STYLES)) == 0  # bald
        seen = ~shows(engine.draw(vector), "background")
        for row in seen[100:400]:
            columns = np.flatnonzero(row)
            holes = np.diff(columns) > 1
            assert not holes[(columns[:-1] > 200) & (columns[:-1] < 312)].any()


@pytest.mark.parametrize("seed", [34, 38])
def test_eyeballs_do_not_show_through_their_lids(engine: Engine, seed: int) -> None:
    """Without lashes, each eye is one region; of these two random heads the balls are larger than the lids hold."""
    named = SCHEMA.to_named(random_face(seed)) | {"eyes.lashes": 0.0, "hair.style": "bald"}
    _, regions = regions_of(shows(engine.draw(SCHEMA.from_named(named)), "eye"), np.ones((3, 3)))
    assert regions == 2


def test_neutral_head_is_symmetric(neutral: Render) -> None:
    differs = neutral.labels != neutral.labels[:, ::-1]
    assert differs.mean() < 0.015
    for label in ("eye", "nose", "upper lip", "lower lip", "ear", "neck"):
        mask = shows(neutral, label)
        assert mask[:, : SIDE // 2].sum() == pytest.approx(mask[:, SIDE // 2:].sum(), rel=0.06)


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
    ("hair.lightness", "hairs", 16), ("eyebrows.colour", "brow", 16), ("iris.hue", "eye", 2), ("iris.size", "eye", 2),
    ("iris.lightness", "eye", 2), ("eyes.sclera", "eye", 2), ("lips.colour", "lips", 12), ("lips.tone", "lips", 12),
    ("eyes.liner", "eye", 20), ("eyes.lashes", "eye", 20),
])
def test_colour_stays_in_its_place(engine: Engine, neutral: Render, name: str, label: str, reach: int) -> None:
    """On a bald, shaven head, the changed pixels lie on what is recoloured, or in its soft edge."""
    parts = {"lips": ("upper lip", "lower lip", "inner mouth"), "hairs": ("brow", "eye")}.get(label, (label,))
    place = np.any([shows(neutral, part) for part in parts], 0)
    levels = np.abs(engine.draw(face(**{name: 1.0})).picture.astype(int) - neutral.picture).max(-1)
    changed = levels > 1  # the mask of the lips has a grain of one level elsewhere
    assert changed.sum() > 100
    assert not changed[~binary_dilation(place, iterations=reach)].any()


@pytest.mark.parametrize("name", [
    "skin.tone", "skin.freckles", "skin.gloss", "skin.pores", "hair.lightness", "iris.hue", "iris.size", "eyes.sclera",
    "lips.tone", "lips.colour", "cheek.blush", "eyes.shadow", "eyes.liner", "eyes.circles", "age.folds", "age.forehead",
    "eyes.bags", "beard.stubble", "beard.moustache", "beard.chin", "beard.jaw"])
def test_colours_and_lines_leave_the_labels_alone(engine: Engine, neutral: Render, name: str) -> None:
    assert np.array_equal(engine.draw(face(**{name: 1.0})).labels, neutral.labels)


@pytest.mark.parametrize("name", ["eyebrows.density", "eyebrows.thickness", "eyebrows.length", "eyebrows.colour"])
def test_stronger_brows_turn_skin_into_brow_and_nothing_else(engine: Engine, name: str) -> None:
    weak, strong = (engine.draw(face(**{name: value})).labels for value in (0.0, 1.0))
    differs = weak != strong
    assert differs.sum() > 100
    assert set(strong[differs]) == {LABELS.index("brow")}
    assert set(weak[differs]) <= {LABELS.index("skin"), LABELS.index("nose")}


def measured_brow(render: Render) -> NDArray[np.float64]:
    """The right brow's first and last column, its middle row at inner end, middle and tail, rows covered there."""
    brow = shows(render, "brow")[:, SIDE // 2:]
    columns = np.nonzero(brow.any(0))[0]
    parts = [brow[:, c - 6:c + 7] for c in np.quantile(columns, (0.15, 0.5, 0.85)).astype(int)]
    rows = [float(np.nonzero(part)[0].mean()) for part in parts]
    return np.array([columns.min(), columns.max(), *rows, *(part.sum() / 13 for part in parts)])


@pytest.mark.parametrize(("name", "moves"), [
    ("gap", lambda m: m[0]), ("lift", lambda m: -m[2:5].mean()), ("slant", lambda m: m[2] - m[4]),
    ("arch", lambda m: (m[2] + m[4]) / 2 - m[3]), ("taper", lambda m: 6 * np.log(m[5] / m[7]))])
def test_brows_follow_their_sliders(engine: Engine, name: str, moves: Callable[[NDArray[np.float64]], float]) -> None:
    low, neutral, high = (measured_brow(engine.draw(face(**{f"eyebrows.{name}": value}))) for value in (0.0, 0.5, 1.0))
    assert moves(low) + 2 < moves(neutral) < moves(high) - 2
    assert np.abs(high[1] - low[1]) < 8


def test_sparse_fair_brows_are_skin(engine: Engine, neutral: Render) -> None:
    sparse = engine.draw(face(eyebrows__density=0.0, eyebrows__colour=0.0, eyebrows__thickness=0.0))
    assert shows(sparse, "brow").sum() < 0.05 * shows(neutral, "brow").sum()
    assert {LABELS[i] for i in np.unique(sparse.labels[shows(neutral, "brow")])} <= {"brow", "skin", "nose"}


def test_lashes_are_eye_and_grow_over_the_skin(engine: Engine) -> None:
    bare, long = (engine.draw(face(eyes__lashes=value)) for value in (0.0, 1.0))
    assert shows(long, "eye").sum() > shows(bare, "eye").sum() + 50
    assert not (shows(bare, "eye") & ~shows(long, "eye")).any()


@pytest.mark.parametrize(("name", "top", "bottom"), [("beard.chin", 380, 460), ("beard.moustache", 310, 370),
                                                     ("beard.jaw", 330, 450), ("beard.stubble", 310, 460)])
def test_beard_darkens_its_own_rows(engine: Engine, neutral: Render, name: str, top: int, bottom: int) -> None:
    bearded = engine.draw(face(**{name: 1.0}))
    darker = neutral.picture.mean(-1) - bearded.picture.mean(-1)
    rows = np.nonzero(darker > 25)[0]
    assert len(rows) > 500
    assert top < np.median(rows) < bottom
    eyes_and_above = shows(neutral, "skin") & (np.arange(SIDE)[:, None] < 240)
    assert not changed_pixels(bearded, neutral)[eyes_and_above].any()


def test_oily_skin_has_brighter_highlights(small_engine: Engine) -> None:
    levels = []
    for gloss in (0.0, 0.5, 1.0):
        render = small_engine.draw(face(skin__gloss=gloss))
        levels.append(np.percentile(render.picture[shows(render, "skin")].mean(-1), (50, 99.5)))
    middle, highlights = np.transpose(levels)
    assert np.ptp(middle) < 2
    assert (np.diff(highlights) > 3).all()


def test_a_bun_can_be_seen_whole(engine: Engine) -> None:
    bun, tied = (shows(engine.draw(face(hair__style=style)), "hair") for style in ("bun", "tied_back"))
    assert not bun[0].any()
    above = bun[:tied.any(1).argmax()]
    assert above.sum() > 1000
    across = np.flatnonzero(above.any(0))
    assert (across[0] + across[-1]) / 2 == pytest.approx(SIDE / 2, abs=20)
    assert np.ptp(across) < SIDE / 3


def test_hair_covers_more_from_style_to_style(engine: Engine) -> None:
    area = [int(shows(engine.draw(face(hair__style=style)), "hair").sum())
            for style in ("bald", "receding", "crop", "curly", "long")]
    assert area == sorted(area)
    assert area[0] == 0 < area[1]


@pytest.mark.parametrize("style", [s for s in HAIR_STYLES if s != "bald"])
def test_hair_of_every_style_sits_on_the_head(engine: Engine, neutral: Render, style: str) -> None:
    render = engine.draw(face(hair__style=style))
    hair = shows(render, "hair")
    assert hair.sum() > 3000
    assert hair[: SIDE // 5, SIDE // 2 - 20:SIDE // 2 + 20].any()
    assert middle(render, "hair")[1] == pytest.approx(SIDE / 2, abs=20)
    assert shows(render, "nose").sum() == shows(neutral, "nose").sum()
    # what is no hair is what it was: hair covers, and moves nothing
    same = render.labels == neutral.labels
    assert (hair | same).mean() > 0.995


@pytest.mark.parametrize("style", ["buzz", "crop", "receding", "slick"])
def test_hairline_moves_hair_up_the_forehead(small_engine: Engine, style: str) -> None:
    low, neutral, high = (shows(small_engine.draw(face(hair__style=style, hair__hairline=value)), "hair")
                          for value in (0.0, 0.5, 1.0))
    areas = [int(mask.sum()) for mask in (high, neutral, low)]
    assert areas == sorted(areas)
    assert areas[2] > 1.05 * areas[0]
    lowest = [np.flatnonzero(mask[:128, 118:138].any(1)).max() for mask in (high, neutral, low)]
    assert lowest[0] < lowest[2]


def test_receding_hair_leaves_the_temples_bare(small_engine: Engine) -> None:
    full, receding = (shows(small_engine.draw(face(hair__style=style)), "hair") for style in ("buzz", "receding"))
    bared = np.argwhere(full & ~receding)
    assert len(bared) > 100
    assert np.abs(bared[:, 1] - 128).mean() > 15


@pytest.mark.parametrize("side", [64, 256])
def test_smaller_pictures_show_the_same_face(engine: Engine, small_engine: Engine, side: int,
                                             make_engine: Callable[[str, int], Engine]) -> None:
    other = small_engine if side == 256 else make_engine("portrait", side)
    for style in ("bald", "crop", "long") if side == 256 else HAIR_STYLES:
        small, large = (e.draw(face(hair__style=style)) for e in (other, engine))
        assert small.picture.shape == (side, side, 3)
        step = SIDE // side
        shrunk = large.picture.reshape(side, step, side, step, 3).mean((1, 3))
        assert np.abs(small.picture - shrunk).mean() < 4, style
        assert (small.labels == large.labels[step // 2::step, step // 2::step]).mean() > 0.93, style


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


def test_studio_is_what_is_drawn_unless_told_otherwise(small_engine: Engine) -> None:
    assert not changed_pixels(small_engine.draw(face(), Conditions()), small_engine.draw(face())).any()


@pytest.mark.parametrize("conditions", [
    Conditions(yaw=20), Conditions(pitch=-15), Conditions(roll=10), Conditions(light_yaw=30),
    Conditions(light_pitch=20), Conditions(light=(1.0, 0.8, 0.6)), Conditions(contrast=0.0),
    Conditions(contrast=2.0), Conditions(distance=0.4),
    Conditions(background=(0.1, 0.4, 0.2)), Conditions(expression=(("smile", 1.0),))], ids=str)
def test_conditions_change_the_picture_and_not_the_character(small_engine: Engine, conditions: Conditions) -> None:
    vector = face(hair__style="crop", skin__tone=0.6)
    kept, before = vector.copy(), small_engine.draw(vector)
    changed = small_engine.draw(vector, conditions)
    assert changed_pixels(changed, before).mean() > 0.02
    assert np.array_equal(vector, kept)
    assert not changed_pixels(small_engine.draw(vector), before).any()


def test_light_changes_no_label_and_background_only_what_is_behind(small_engine: Engine) -> None:
    before = small_engine.draw(face())
    for conditions in (Conditions(light_yaw=30), Conditions(light=(0.5, 0.7, 1.0)), Conditions(contrast=2.0)):
        assert np.array_equal(small_engine.draw(face(), conditions).labels, before.labels)
    green = small_engine.draw(face(), Conditions(background=(0.0, 1.0, 0.0)))
    wall = shows(before, "background")
    assert np.array_equal(green.labels, before.labels)
    assert (green.picture[wall & (before.labels == green.labels)].mean(0) == pytest.approx([0, 255, 0], abs=4))
    inside = ~binary_dilation(wall, iterations=2)
    assert not changed_pixels(green, before)[inside].any()


def test_light_from_the_right_makes_the_right_side_brighter(small_engine: Engine) -> None:
    balance = []
    for light_yaw in (-40.0, 0.0, 40.0):
        render = small_engine.draw(face(), Conditions(light_yaw=light_yaw))
        skin = np.where(shows(render, "skin"), render.picture.mean(-1), np.nan)
        balance.append(float(np.nanmean(skin[:, 128:]) - np.nanmean(skin[:, :128])))
    assert balance[0] < balance[1] - 5
    assert balance[1] < balance[2] - 5


def test_coloured_light_colours_the_skin(small_engine: Engine) -> None:
    white, warm = (small_engine.draw(face(), Conditions(light=light)) for light in ((1.0, 1.0, 1.0), (1.0, 0.8, 0.5)))
    skin = shows(white, "skin")
    loss = 1 - warm.picture[skin].mean(0) / white.picture[skin].mean(0)
    assert loss[0] == pytest.approx(0, abs=1e-3)
    assert 0.02 < loss[1] < loss[2]


@pytest.mark.parametrize(("conditions", "row", "column"), [
    (Conditions(yaw=20), 0, 1), (Conditions(yaw=-20), 0, -1), (Conditions(pitch=15), 1, 0),
    (Conditions(pitch=-15), -1, 0)])
def test_turned_head_moves_its_nose_and_not_its_shirt(small_engine: Engine, conditions: Conditions, row: int,
                                                      column: int) -> None:
    straight, turned = (small_engine.draw(face(), c) for c in (Conditions(), conditions))
    moved = middle(turned, "nose") - middle(straight, "nose")
    assert [round(float(np.sign(m))) if abs(m) > 5 else 0 for m in moved] == [row, column]
    below = np.arange(256)[:, None] > 240
    assert shows(turned, "cloth")[below[:, 0]].sum() == pytest.approx(shows(straight, "cloth")[below[:, 0]].sum(),
                                                                      rel=0.05)


def test_roll_leans_the_line_of_the_eyes_clockwise(small_engine: Engine) -> None:
    eyes = np.argwhere(shows(small_engine.draw(face(), Conditions(roll=12)), "eye"))
    left, right = (eyes[side].mean(0) for side in (eyes[:, 1] < eyes[:, 1].mean(), eyes[:, 1] >= eyes[:, 1].mean()))
    assert np.degrees(np.arctan2(*(right - left))) == pytest.approx(12, abs=3)


def dark_of_the_eyes(render: Render) -> tuple[float, float]:
    """Columns of the middle of both pupils, from the middle of their eyes, in eye widths."""
    found = []
    nose = middle(render, "nose")[1]
    for columns in (np.arange(SIDE) < nose, np.arange(SIDE) >= nose):
        rows, eye = np.nonzero(shows(render, "eye") & columns)
        low, high = np.quantile(rows, [0.35, 0.9])
        inside = (rows > low) & (rows < high)  # without lashes and the shade of the lid
        level = render.picture.mean(-1)[rows[inside], eye[inside]]
        pupil = eye[inside][level <= np.quantile(level, 0.10)]
        found.append(float((np.median(pupil) - (eye.min() + eye.max()) / 2) / np.ptp(eye)))  # lids have dark corners
    return found[0], found[1]


def test_eyes_look_where_the_head_looks(engine: Engine) -> None:
    vector = face(iris__lightness=0.9, iris__hue=1.0, eyes__lashes=0.0)
    straight, right, left = (dark_of_the_eyes(engine.draw(vector, Conditions(yaw=yaw))) for yaw in (0.0, 20.0, -20.0))
    assert straight == pytest.approx((0, 0), abs=0.12)
    for seen in (right, left):
        assert seen == pytest.approx(straight, abs=0.15)  # the pupil stays in the middle of its eye


@pytest.mark.parametrize(("name", "label", "grows"), [("jaw_open", "inner mouth", True), ("blink", "eye", False)])
def test_expression_opens_and_closes(small_engine: Engine, name: str, label: str, grows: bool) -> None:
    neutral, half, full = (shows(small_engine.draw(face(), Conditions(expression=((name, share),))), label).sum()
                           for share in (0.0, 0.5, 1.0))
    assert (neutral < half < full) if grows else (neutral > half > full)
    assert full > 3 * neutral if grows else full < 0.6 * neutral


def test_expressions_raise_brows_and_widen_the_mouth(small_engine: Engine) -> None:
    neutral, up, frown, smile = (small_engine.draw(face(), Conditions(expression=expression)) for expression in (
        (), (("brows_up", 1.0),), (("frown", 1.0),), (("smile", 1.0),)))
    assert middle(up, "brow")[0] < middle(neutral, "brow")[0] - 2
    assert middle(frown, "brow")[0] > middle(neutral, "brow")[0] + 1
    lips = [np.ptp(np.nonzero(shows(render, "lower lip") | shows(render, "upper lip"))[1])
            for render in (neutral, smile)]
    assert lips[1] > lips[0] + 4


def test_near_camera_makes_the_nose_large_and_hides_the_ears(small_engine: Engine) -> None:
    near, far = (small_engine.draw(face(), Conditions(distance=distance)) for distance in (0.35, 4.0))
    assert shows(near, "nose").sum() > 1.05 * shows(far, "nose").sum()
    assert shows(near, "ear").sum() < 0.9 * shows(far, "ear").sum()


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_can_be_turned(small_engine: Engine, style: str) -> None:
    """From the side no card shows the wall through the head, and hair stays on it."""
    render = small_engine.draw(face(hair__style=style), Conditions(yaw=30))
    assert shows(render, "hair").any() == (style != "bald")
    seen = ~shows(render, "background")
    for row in seen[60:190]:
        columns = np.flatnonzero(row)
        holes = np.diff(columns) > 1
        assert not holes[(columns[:-1] > 110) & (columns[:-1] < 160)].any()
