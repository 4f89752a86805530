import numpy as np
import pytest

from facenn.arrays import Floats, Vector
from facenn.engine.layout import Material
from facenn.schema import ParameterSchema
from facenn.tangents.picture import LinearPicture, TangentEngine
from facenn.tangents.points import SurfacePoints

STEP = 0.01
PLACES = np.array([[0.5, 0.58], [0.40, 0.62], [0.62, 0.7], [0.5, 0.78], [0.5, 0.05]], np.float32)


@pytest.fixture(scope="module")
def points(drawer: TangentEngine) -> SurfacePoints:
    return SurfacePoints(drawer.engine, PLACES)


def places_of(drawer: TangentEngine, points: SurfacePoints, vector: Vector) -> Floats:
    """(N, 2) where the points are in the picture of other parameters, as parts of its side."""
    screen = drawer.engine.stage(vector).screen[points._corners, :2].reshape(-1, 3, 2)
    found: Floats = (screen * points._weights[..., None]).sum(1) / (2 * drawer.engine.side)
    return found


def test_points_are_where_they_were_asked_for_or_on_the_nearest_skin(drawer: TangentEngine, points: SurfacePoints,
                                                                     portrait: ParameterSchema) -> None:
    found = places_of(drawer, points, portrait.neutral())
    assert found[:4] == pytest.approx(PLACES[:4], abs=0.01)
    assert found[4, 1] > 0.1  # there is a wall where the last one was sought
    kinds = drawer.engine.stage(portrait.neutral()).scene.vertex_material[points._corners]
    assert set(kinds) == {Material.SKIN}


@pytest.mark.parametrize("name", ["nose.scale_horiz", "nose.height", "head.scale_vert", "head.scale_horiz", "head.fat",
                                  "cheek.volume", "person.african"])
def test_motion_is_that_of_the_projected_vertices(drawer: TangentEngine, points: SurfacePoints, picture: LinearPicture,
                                                  person: Vector, portrait: ParameterSchema, name: str) -> None:
    k = portrait.columns.index(name)
    low, high = person.copy(), person.copy()
    low[k], high[k] = low[k] - STEP, high[k] + STEP
    true = (places_of(drawer, points, high) - places_of(drawer, points, low)) / (2 * STEP)
    assert np.abs(true).max() > 5e-4
    assert points.motion(picture)[k] == pytest.approx(true, abs=1e-4 + 0.03 * float(np.abs(true).max()))


def test_sliders_of_looks_move_nothing(drawer: TangentEngine, points: SurfacePoints, picture: LinearPicture,
                                       portrait: ParameterSchema) -> None:
    motion = points.motion(picture)
    assert motion.shape == (len(portrait.sliders), len(PLACES), 2)
    looks = sorted({*range(len(portrait.sliders))} - {*drawer.engine.from_vector})
    assert not motion[looks].any()
    assert np.abs(motion[portrait.columns.index("head.scale_horiz")]).max() > 0.01
