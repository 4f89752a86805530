
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay

from facenn.engine.camera import STUDIO, lights, look_at, orthographic, perspective
from facenn.engine.kernels.raster import BOUNCE, FAR, depth_map, light_vertices, project, visibility
from facenn.engine.kernels.tables import Hits, Lights, Mesh, Textures
from facenn.engine.layout import Attribute, Material

SKIN, EYE, MOUTH, CLOTH, HAIR, LASH = Material
SIDE = 16
UNUSED = np.zeros((1, 1, 1), np.uint8)
SOLID = np.full((4, 4, 2), 255, np.uint8)
LAMPS = lights(STUDIO)


def covered(seen: Hits) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = seen.triangle >= 0
    return mask


def look(screen: ArrayLike, triangles: ArrayLike, *, kind: int = MOUTH, uv: ArrayLike | None = None,
         strands: NDArray[np.uint8] = SOLID, lashes: NDArray[np.uint8] = SOLID, lash_strength: float = 1.0,
         side: int = SIDE) -> Hits:
    """What each sample sees of triangles whose corners are given in pixels and depth."""
    corners, faces = np.array(screen, np.float32), np.array(triangles, np.int32)
    attributes = np.zeros((len(corners), len(Attribute)), np.float32)
    if uv is not None:
        attributes[:, [Attribute.U, Attribute.V]] = uv
    seen = Hits(np.empty((side, side), np.int32), *(np.empty((side, side), np.float32) for _ in range(2)))
    visibility(corners, Mesh(faces, np.full(len(faces), kind, np.int32), attributes),
               Textures(UNUSED, UNUSED, UNUSED, strands, lashes), np.float32(lash_strength), seen,
               np.empty((side, side), np.float32))
    return seen


def centres(side: int = SIDE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return x, y


def test_triangle_covers_exactly_the_samples_whose_centres_it_contains() -> None:
    seen = look([[0.0, 0, 0], [7.9, 0, 0], [0.0, 7.9, 0]], [[0, 1, 2]])
    x, y = centres()
    assert np.array_equal(covered(seen), x + y < 7.9)
    assert covered(seen).sum() == 28


def test_triangle_smaller_than_a_sample_is_seen_only_at_a_centre() -> None:
    small = np.array([[-0.2, -0.2, 0], [0.2, -0.2, 0], [0, 0.2, 0]])
    assert np.argwhere(covered(look(small + np.array([3.5, 5.5, 0]), [[0, 1, 2]]))).tolist() == [[5, 3]]
    assert not covered(look(small + np.array([4.0, 5.5, 0]), [[0, 1, 2]])).any()


def test_triangles_are_cut_off_at_the_picture() -> None:
    around = look([[-50.0, -50, 0], [69.7, -50, 0], [-50, 69.7, 0]], [[0, 1, 2]])
    x, y = centres()
    assert np.array_equal(covered(around), x + y < 19.7)
    for shift in ([40, 0, 0], [-40, 0, 0], [0, 40, 0], [0, -40, 0]):
        beside = np.array([[0, 0, 0], [7.9, 0, 0], [0, 7.9, 0]]) + shift
        for kind in (MOUTH, HAIR):
            assert not covered(look(beside, [[0, 1, 2]], kind=kind)).any()


def test_flat_triangles_cover_nothing() -> None:
    assert not covered(look([[1, 1, 0], [9, 9, 0], [5, 5, 0]], [[0, 1, 2], [0, 0, 1]])).any()


def test_weights_give_the_place_of_the_sample_back() -> None:
    corners = np.array([[1.2, 0.3, 0.1], [14.8, 5.1, 0.4], [4.4, 15.2, 0.9]])
    seen = look(corners, [[0, 1, 2]])
    first, second = seen.first[covered(seen)], seen.second[covered(seen)]  # elsewhere is what memory held before
    w = np.stack([first, second, 1 - first - second], -1)
    x, y = centres()
    assert covered(seen).sum() > 50
    assert (w > -1e-4).all()
    assert np.abs(w @ corners[:, :2] - np.stack([x, y], -1)[covered(seen)]).max() < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_shared_edges_leave_no_gap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    side = 64
    inner = generator.random((300, 2)) * side
    frame = np.array([[-1, -1], [side + 1, -1], [-1, side + 1], [side + 1, side + 1]])
    points = np.concatenate([inner, frame])
    triangles = Delaunay(points).simplices
    seen = look(np.c_[points, np.zeros(len(points))], triangles, side=side)
    assert covered(seen).all()


def test_shared_edges_belong_to_one_triangle_whatever_the_order() -> None:
    corners = [[0, 0, 0], [16, 0, 0], [16, 16, 0], [0, 16, 0]]
    one = look(corners, [[0, 1, 2], [0, 2, 3]]).triangle
    other = 1 - look(corners, [[0, 2, 3], [0, 1, 2]]).triangle
    x, y = centres()
    assert np.array_equal(one != other, x == y)  # only centres on the diagonal: the first triangle keeps them
    assert (one[x >= y] == 0).all()
    assert (one[x < y] == 1).all()


def test_nearer_triangle_wins_in_either_order() -> None:
    near, far = [[0, 0, 0.2], [16, 0, 0.2], [0, 16, 0.2]], [[0, 0, 0.6], [16, 0, 0.6], [0, 16, 0.6]]
    assert set(look(near + far, [[0, 1, 2], [3, 4, 5]]).triangle.ravel()) == {-1, 0}
    assert set(look(far + near, [[0, 1, 2], [3, 4, 5]]).triangle.ravel()) == {-1, 1}


def test_crossing_triangles_meet_where_their_depths_are_equal() -> None:
    rising = [[-20, -20, -0.1], [36, -20, 1.0], [-20, 76, -0.1]]
    level = [[-20, -20, 0.45], [76, -20, 0.45], [-20, 76, 0.45]]
    seen = look(rising + level, [[0, 1, 2], [3, 4, 5]]).triangle
    depth = -0.1 + 1.1 * (centres()[0] + 20) / 56
    clear = np.abs(depth - 0.45) > 1e-3
    assert np.array_equal((seen == 0)[clear], (depth < 0.45)[clear])
    assert set(seen.ravel()) == {0, 1}


@pytest.mark.parametrize(("kind", "culled"), [(SKIN, True), (EYE, True), (CLOTH, True), (MOUTH, False), (HAIR, False)])
def test_closed_parts_lose_their_back_faces(kind: int, culled: bool) -> None:
    corners, uv = [[0, 0, 0], [0, 16, 0], [16, 0, 0]], [[0.5, 0.5]] * 3
    assert covered(look(corners, [[0, 1, 2]], kind=kind, uv=uv)).any()
    assert covered(look(corners, [[0, 2, 1]], kind=kind, uv=uv)).any() != culled


def card(kind: int, *, alpha: NDArray[np.uint8], lash_strength: float = 1.0) -> NDArray[np.bool_]:
    """(SIDE, SIDE) samples covered by a card of (H, W) alpha that fills the picture; v is 0 in the top row."""
    texture = np.ascontiguousarray(np.stack([np.zeros_like(alpha), alpha], -1))
    return covered(look([[0, 0, 0], [32, 0, 0], [0, 32, 0]], [[0, 1, 2]], kind=kind, uv=[[0, 0], [2, 0], [0, 2]],
                strands=texture, lashes=texture, lash_strength=lash_strength))


def test_hair_cards_are_cut_out_by_their_texture() -> None:
    right_half = np.array([[0, 255], [0, 255]], np.uint8)
    assert np.array_equal(card(HAIR, alpha=right_half), centres()[0] > 8)


@pytest.mark.parametrize(("alpha", "share"), [(30, 0), (60, 0.25), (100, 0.5), (150, 0.75), (200, 1)])
def test_thin_hair_covers_a_share_of_the_samples_of_every_pixel(alpha: int, share: float) -> None:
    cut = card(HAIR, alpha=np.full((2, 2), alpha, np.uint8))
    pixels = cut.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    assert (pixels == share).all()


def test_lashes_are_cut_out_by_their_texture_and_fade_towards_their_tips() -> None:
    left_half = np.array([[255, 0], [255, 0]], np.uint8)
    cut = card(LASH, alpha=left_half)
    assert not cut[:, 8:].any()
    assert cut[-4:, :8].all()  # roots
    assert not cut[:2, :8].all()  # tips
    assert (np.diff(cut[:, :8].reshape(8, 2, 8).sum((1, 2))) >= 0).all()


def test_lashes_grow_with_their_strength_from_none() -> None:
    solid = np.full((2, 2), 255, np.uint8)
    area = [card(LASH, alpha=solid, lash_strength=strength).sum() for strength in (0, 0.5, 0.75, 1)]
    assert area[0] == 0
    assert (np.diff(area) > 0).all()


def test_lower_lashes_are_finer_than_upper_ones() -> None:
    cut = card(LASH, alpha=np.full((2, 2), 255, np.uint8))
    assert 0 < cut[:, 8:].sum() < cut[:, :8].sum()  # u beyond 0.5 is the lower lid's


def test_what_is_cut_out_hides_nothing_behind() -> None:
    front, back = [[0, 0, 0.1], [32, 0, 0.1], [0, 32, 0.1]], [[0, 0, 0.5], [32, 0, 0.5], [0, 32, 0.5]]
    see_through = np.zeros((2, 2, 2), np.uint8)
    see_through[:, 1, 1] = 255
    seen = look(front + back, [[0, 1, 2], [3, 4, 5]], kind=HAIR, uv=[[0, 0], [2, 0], [0, 2], [1, 0], [1, 0], [1, 0]],
                strands=see_through).triangle
    assert np.array_equal(seen == 0, centres()[0] > 8)
    assert np.array_equal(seen == 1, centres()[0] < 8)


def test_cloth_ends_at_the_collar() -> None:
    corners, below_collar = [[0, 0, 0], [0, 32, 0], [32, 0, 0]], [[-0.25, 0], [0.75, 0], [-0.25, 0]]
    seen = look(corners, [[0, 1, 2]], kind=CLOTH, uv=below_collar)
    assert np.array_equal(covered(seen), centres()[1] > 8)


def test_hidden_hair_is_passed_over_without_a_trace() -> None:
    """Thousands of random cards: the shortcut for hidden ones gives what a plain depth test gives."""
    generator = np.random.default_rng(0)
    side, count = 64, 3000
    centre = generator.random((count, 1, 2)) * side
    corners = (centre + generator.normal(0, 6, (count, 3, 2))).reshape(-1, 2)
    depth = generator.random((count, 1)).repeat(3, 1) + generator.normal(0, 0.02, (count, 3))
    screen = np.c_[corners, depth.ravel()]
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    hair = look(screen, triangles, kind=HAIR, uv=[[0.5, 0.5]] * (3 * count), side=side)
    plain = look(screen, triangles, kind=MOUTH, side=side)
    assert np.array_equal(hair.triangle, plain.triangle)
    assert np.array_equal(hair.first[covered(hair)], plain.first[covered(plain)])


def test_depth_map_keeps_the_nearest_and_leaves_out_eyes_and_lashes() -> None:
    screen = np.array([[0, 0, z] if k == 0 else [32 * (k == 1), 32 * (k == 2), z]
                       for z in (0.6, 0.2, 0.1, 0.05) for k in range(3)], np.float32)
    triangles = np.arange(12, dtype=np.int32).reshape(4, 3)
    depth = np.full((SIDE, SIDE), FAR, np.float32)
    depth_map(screen, triangles, np.array([SKIN, HAIR, EYE, LASH], np.int32), depth)
    assert depth == pytest.approx(0.2)


def test_project_puts_the_target_in_the_middle_and_up_on_top() -> None:
    eye, target = np.array([0, 7.0, 10]), np.array([0.0, 7, 0])
    points = np.array([[0, 7, 0], [1, 7, 0], [0, 8, 0], [0, 7, 2]], np.float32)
    for matrix in (perspective(0.2, 2, 40) @ look_at(eye, target), orthographic(2, 1, 40) @ look_at(eye, target)):
        screen = np.empty_like(points)
        project(points, matrix.astype(np.float32), np.float32(100), screen)
        assert screen[0, :2] == pytest.approx([50, 50], abs=1e-3)
        assert screen[1, :2] == pytest.approx([75, 50], abs=1e-3)
        assert screen[2, :2] == pytest.approx([50, 25], abs=1e-3)
        assert -1 < screen[3, 2] < screen[0, 2] < 1


FACING = np.array([[0, 0, 1], [-1, 0, 0], [1, 0, 0], [0, 0, -1]], np.float32)


def light(shadow_depth: float = float(FAR), *, openness: float = 1.0, kind: int = SKIN,
          normals: NDArray[np.float32] = FACING, colours: NDArray[np.float32] = LAMPS.colours,
          ambient: NDArray[np.float32] = LAMPS.ambient) -> NDArray[np.float32]:
    """Attributes of vertices that look forward, left, right and back."""
    count = len(normals)
    out = np.zeros((count, len(Attribute)), np.float32)
    light_vertices(normals, np.full(count, openness, np.float32), np.full(count, kind, np.int32),
                   np.tile(np.array([4, 4, 0.5], np.float32), (count, 1)),
                   np.full((8, 8), shadow_depth, np.float32), Lights(LAMPS.directions, colours, ambient), out)
    return out


def test_light_falls_from_the_front() -> None:
    front, _, _, back = light()[:, Attribute.RED:Attribute.BLUE + 1].mean(1)
    assert front > back > 0


def test_a_shadow_takes_the_key_light_away() -> None:
    lit, shaded = light(), light(shadow_depth=0.1)
    assert (lit[:, Attribute.LIT] == 1).all()
    assert (shaded[:, Attribute.LIT] == 0).all()
    share = shaded[0, Attribute.RED:Attribute.BLUE + 1] / lit[0, Attribute.RED:Attribute.BLUE + 1]
    assert ((share > 0.3) & (share < 0.8)).all()


def test_a_surface_does_not_shade_itself() -> None:
    assert (light(shadow_depth=0.5)[:, Attribute.LIT] == 1).all()


def test_half_a_shadow_is_half_lit() -> None:
    normals, out = np.array([[0, 0, 1]], np.float32), np.zeros((1, len(Attribute)), np.float32)
    shadow = np.full((16, 16), 9, np.float32)
    shadow[:, 8:] = 0.1
    light_vertices(normals, np.ones(1, np.float32), np.zeros(1, np.int32), np.array([[8, 8, 0.5]], np.float32), shadow,
                   LAMPS, out)
    assert out[0, Attribute.LIT] == pytest.approx(3 / 7)


def test_hollows_are_darker_in_every_colour() -> None:
    hollow, bare = light(openness=0.2), light()
    assert (hollow[:, Attribute.RED:Attribute.BLUE + 1] < bare[:, Attribute.RED:Attribute.BLUE + 1]).all()
    assert hollow[:, Attribute.OPEN] == pytest.approx(0.2 / (1 - BOUNCE * 0.8))
    assert np.array_equal(hollow[:, Attribute.NX:Attribute.NX + 3], bare[:, Attribute.NX:Attribute.NX + 3])


def test_skin_lights_its_own_hollows_and_cloth_does_not() -> None:
    skin, shirt = (light(kind=kind, openness=0.2) for kind in (SKIN, CLOTH))
    assert (shirt[:, Attribute.OPEN] == np.float32(0.2)).all()
    assert (skin[:, Attribute.OPEN] > shirt[:, Attribute.OPEN]).all()
    for ridge in (1.0, 1.1):
        assert light(openness=ridge)[:, Attribute.OPEN] == pytest.approx(ridge)


def test_skin_reddens_where_the_key_light_grazes_it() -> None:
    key = LAMPS.directions[0]
    beside = np.cross(key, [0, 1, 0])
    grazed = (beside / np.linalg.norm(beside) - 0.1 * key).astype(np.float32)[None]
    skin, shirt = (light(kind=kind, normals=grazed)[0] for kind in (SKIN, CLOTH))
    assert skin[Attribute.RED] / skin[Attribute.BLUE] > 1.05 * shirt[Attribute.RED] / shirt[Attribute.BLUE]


def test_ambient_light_comes_from_everywhere_and_more_from_above() -> None:
    dark = np.zeros((4, 3), np.float32)
    up_and_down = np.array([[0, 1, 0], [0, 0, 1], [0, 0, -1], [0, -1, 0]], np.float32)
    around = light(colours=dark, normals=up_and_down)[:, Attribute.RED:Attribute.BLUE + 1]
    assert (around > 0).all()
    assert around[1] == pytest.approx(around[2])
    assert (around[0] > around[1]).all()
    assert (around[1] > around[3]).all()
    twice = light(colours=dark, normals=up_and_down, ambient=2 * LAMPS.ambient)[:, Attribute.RED:Attribute.BLUE + 1]
    assert twice == pytest.approx(2 * around)
    assert not light(colours=dark, ambient=np.zeros(3, np.float32))[:, Attribute.RED:Attribute.BLUE + 1].any()


def test_lamps_of_twice_the_colour_give_twice_the_light() -> None:
    once, twice = (light(colours=factor * LAMPS.colours, ambient=factor * LAMPS.ambient)
                   [:, Attribute.RED:Attribute.BLUE + 1] for factor in (1, 2))
    assert twice == pytest.approx(2 * once)


def test_hair_keeps_ambient_light_alone_for_its_strands_meet_the_lamps_themselves() -> None:
    lit, unlit = (light(kind=HAIR, colours=colours) for colours in (LAMPS.colours, 0 * LAMPS.colours))
    assert np.array_equal(lit, unlit)
    assert (lit[:, Attribute.LIT] == 1).all()
