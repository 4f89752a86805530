import numpy as np
import pytest

from facenn.arrays import Floats
from facenn.engine.layout import LABELS, Attribute, Material
from facenn.tangents.entries import TABLE, carriers, gather, gather_flow, spread, spread_flow
from facenn.tangents.picture import BEYOND, LinearPicture
from tests.tangents.conftest import SIDE

CHANCE = np.random.default_rng(6)


def noise(*shape: int) -> Floats:
    values: Floats = CHANCE.standard_normal(shape).astype(np.float32)
    return values


def test_entries_are_all_samples_that_see_something(picture: LinearPicture) -> None:
    covered = np.zeros(SIDE * SIDE)
    for entries in picture._entries.values():
        assert entries.table.shape == (TABLE, len(entries.place))
        covered += np.bincount(entries.place >> 2, entries.samples, len(covered))
    seen = (picture._hits.triangle >= 0).reshape(SIDE, 2, SIDE, 2).sum((1, 3))
    assert np.array_equal(covered, seen.ravel())


def test_entries_of_a_material_are_where_the_picture_shows_it(picture: LinearPicture) -> None:
    whole = {kind: e.place[e.samples == 4] >> 2 for kind, e in picture._entries.items()}
    labels = picture.render.labels.ravel()
    assert {LABELS[k] for k in np.unique(labels[whole[Material.HAIR]])} == {"hair"}
    assert {LABELS[k] for k in np.unique(labels[whole[Material.EYE]])} == {"eye"}
    assert len(whole[Material.SKIN]) > 0.1 * SIDE * SIDE


def test_zones_of_lines_are_on_the_skin_alone(picture: LinearPicture) -> None:
    for kind, entries in picture._entries.items():
        assert (entries.zone > 0).any() == (kind == Material.SKIN)


def test_gathered_attributes_are_those_that_were_shaded(picture: LinearPicture) -> None:
    entries = picture._entries[Material.SKIN]
    columns = np.ascontiguousarray(picture.stage.mesh.attributes[:, Attribute.NX:Attribute.LIT + 1])
    found = np.empty((columns.shape[1], len(entries.place)), np.float32)
    gather(entries, columns, picture._hits, picture.stage.mesh.triangles, found)
    assert found == pytest.approx(entries.table[Attribute.NX:Attribute.LIT + 1], abs=1e-4)


@pytest.mark.parametrize("kind", [Material.SKIN, Material.HAIR, Material.EYE])
def test_spread_is_the_transpose_of_gather(picture: LinearPicture, kind: Material) -> None:
    entries, triangles = picture._entries[kind], picture.stage.mesh.triangles
    values, gradient = noise(len(picture.stage.positions), 2), noise(2, len(entries.place))
    gathered, total = np.empty_like(gradient), np.zeros_like(values)
    gather(entries, values, picture._hits, triangles, gathered)
    spread(entries, gradient, picture._hits, triangles, total)
    scale = float(np.linalg.norm(gathered) * np.linalg.norm(gradient))
    assert float((gathered * gradient).sum()) == pytest.approx(float((values * total).sum()), abs=1e-5 * scale)


def test_spread_flow_is_the_transpose_of_gather_flow(picture: LinearPicture) -> None:
    triangles, (carrier, fade) = picture.stage.mesh.triangles, picture._carried
    motion, pull = noise(len(picture.stage.positions), 2), noise(SIDE, SIDE, 2)
    flow, total = np.empty_like(pull), np.zeros_like(motion)
    gather_flow(motion, carrier, fade, picture._hits, triangles, flow)
    spread_flow(pull, carrier, fade, picture._hits, triangles, total)
    assert np.linalg.norm(flow) > 1
    scale = float(np.linalg.norm(flow) * np.linalg.norm(pull))
    assert float((flow * pull).sum()) == pytest.approx(float((motion * total).sum()), abs=1e-5 * scale)


def test_pixels_move_with_their_own_surface_and_those_beside_it_ever_less() -> None:
    triangle = np.full((20, 20), -1, np.int32)
    triangle[8, 9] = 5  # one sample of the pixel in row 4, column 4
    carrier, fade = np.empty((10, 10), np.int32), np.empty((10, 10), np.float32)
    carriers(triangle, BEYOND, carrier, fade)
    assert carrier[4, 4] == carrier[4, 5] == carrier[6, 4] == carrier[4, 1] == 44
    assert carrier[4, 8] == carrier[0, 0] == -1
    assert fade[4, 4:8] == pytest.approx([1, 1, 2 / 3, 1 / 3])
    assert fade[5, 5] == pytest.approx(1 - (np.sqrt(2) - 1) / 3)
    assert fade[4, 8] == fade[0, 0] == 0
