import numpy as np
import pytest
import scipy.sparse as sp
import torch

from facenn.arrays import Array, Floats, Vector
from facenn.engine.camera import STUDIO, camera, lights
from facenn.engine.layout import Attribute, Material
from facenn.schema import ParameterSchema
from facenn.tangents.geometry import FIRST, Operator, projected, unprojected, vertex_light
from facenn.tangents.picture import LinearPicture, TangentEngine

CHANCE = np.random.default_rng(4)
STEP = 0.005
PLACES = (CHANCE.uniform(-1, 1, (40, 3)) + np.array([0, 7, 1])).astype(np.float32)
VIEW = camera(STUDIO, lights(STUDIO)).view


def noise(*shape: int) -> Floats:
    values: Floats = CHANCE.standard_normal(shape).astype(np.float32)
    return values


def pixels(places: Array, side: int) -> Array:
    clip = np.c_[places, np.ones(len(places))] @ VIEW.T
    found: Array = np.stack([clip[:, 0] / clip[:, 3] + 1, 1 - clip[:, 1] / clip[:, 3]], 1) * side / 2
    return found


def test_projected_motion_is_that_of_the_pixels() -> None:
    motion, there = 1e-3 * noise(40, 3), PLACES.astype(np.float64)
    moved: Array = pixels(there + motion, 256) - pixels(there - motion, 256)
    assert projected(PLACES, VIEW, motion, 256) == pytest.approx(moved / 2, abs=1e-3 * np.abs(moved).max())


def test_unprojected_is_the_transpose_of_projected() -> None:
    motion, gradient = noise(40, 3), noise(40, 2)
    forward = (projected(PLACES, VIEW, motion, 128) * gradient).sum()
    assert (motion * unprojected(PLACES, VIEW, gradient, 128)).sum() == pytest.approx(forward, rel=1e-4)


def test_operator_multiplies_and_its_gradient_is_that_of_the_transpose() -> None:
    matrix = sp.csr_matrix(noise(7, 5) * (noise(7, 5) > 0))
    points, weights = torch.from_numpy(noise(5, 3)).requires_grad_(), torch.from_numpy(noise(7, 3))
    product = Operator.of(matrix)(points)
    assert product.detach().numpy() == pytest.approx(matrix @ points.detach().numpy(), abs=1e-5)
    torch.autograd.backward((product * weights).sum())
    assert points.grad is not None
    assert points.grad.numpy() == pytest.approx(matrix.T @ weights.numpy(), abs=1e-5)


def test_motions_are_those_of_the_vertices(drawer: TangentEngine, picture: LinearPicture, person: Vector) -> None:
    engine, count = drawer.engine, len(picture.stage.vertices)
    shares, at = np.array([0.5, 0.5, 1], np.float32), (np.array([0, 0, 1]), np.array([10, 2500, 4000]))
    rows = sp.csr_matrix((shares, at), (2, count))
    found = drawer.geometry.motions(picture.stage, rows)
    for number in (0, 17, 60, len(engine.from_vector) - 1):
        k, low, high = engine.from_vector[number], person.copy(), person.copy()
        low[k], high[k] = person[k] - STEP, person[k] + STEP
        assert not low[k] < 0.5 < high[k]  # there a slider turns from one shape to another
        moved = (engine.stage(high).vertices - engine.stage(low).vertices) / (2 * STEP)
        true = np.asarray(rows @ moved)
        assert found[number] == pytest.approx(true, abs=1e-4 + 0.01 * float(np.abs(true).max()))


def test_along_adds_up_what_motions_move(drawer: TangentEngine, picture: LinearPicture) -> None:
    count = len(picture.stage.vertices)
    gradient = noise(count, 3)
    moved = drawer.geometry.motions(picture.stage, sp.identity(count, np.float32, "csr"))
    assert drawer.geometry.along(picture.stage, gradient) == pytest.approx(
        np.einsum("dvj,vj->d", moved, gradient), rel=1e-3, abs=1e-2)


def test_neutral_sliders_move_by_the_mean_of_both_sides(drawer: TangentEngine, portrait: ParameterSchema) -> None:
    engine, neutral = drawer.engine, portrait.neutral()
    at = [k for k in engine.from_vector if portrait.sliders[k].two_sided and portrait.sliders[k].name == "nose.hump"]
    stage = engine.stage(neutral)
    rows = sp.identity(len(stage.vertices), np.float32, "csr")
    low, high = neutral.copy(), neutral.copy()
    low[at], high[at] = 0.4, 0.6
    true = (engine.stage(high).vertices - engine.stage(low).vertices) / 0.2
    found = drawer.geometry.motions(stage, rows)[engine.from_vector.index(at[0])]
    assert np.abs(true).max() > 0.01
    assert found == pytest.approx(true, abs=1e-4)


def test_light_of_vertices_is_the_engines(picture: LinearPicture) -> None:
    stage, materials = picture.stage, set[int]()
    for piece, start in zip(picture.stage.scene.pieces, picture.stage.scene.starts, strict=False):
        if piece.skin_position is None:
            continue
        rows, materials = slice(start, start + len(piece.uv)), materials | {piece.material}
        lit = torch.from_numpy(stage.mesh.attributes[rows, Attribute.LIT])
        found = vertex_light(torch.from_numpy(stage.normals[rows]), torch.from_numpy(stage.occlusion[rows]), lit, piece,
                             stage.lamps)
        assert found.numpy() == pytest.approx(stage.mesh.attributes[rows, FIRST:FIRST + 7], abs=2e-3)
    assert materials == {Material.SKIN, Material.CLOTH}
