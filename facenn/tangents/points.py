"""Points of the skin and how sliders move them in the picture, without drawing anything."""

import numpy as np
from scipy.spatial import cKDTree

from facenn.arrays import Array, Floats
from facenn.engine.layout import Material
from facenn.engine.renderer import Engine
from facenn.tangents.geometry import Geometry, projected
from facenn.tangents.picture import LinearPicture


class SurfacePoints:
    """Points that stick to the skin: where a landmark is on the neutral head, it is on every head.

    Args:
        engine: whose heads.
        places: (N, 2) where they are in the picture of the neutral parameters, as parts of its side. What is not on the
            skin there, such as a point between the lips, goes with the nearest skin.
    """

    def __init__(self, engine: Engine, places: Floats) -> None:
        self._engine, self._geometry = engine, Geometry(engine)
        neutral = engine.stage(engine.schema.neutral())
        engine.photograph(neutral)
        triangle, first, second = engine.hits
        seen = np.where(triangle >= 0, neutral.mesh.material[np.maximum(triangle, 0)], -1)
        rows, columns = np.nonzero(seen == Material.SKIN)
        nearest = cKDTree(np.stack([columns, rows], 1)).query(places * len(triangle) - 0.5)[1]
        at = rows[nearest], columns[nearest]
        self._corners = neutral.mesh.triangles[triangle[at]].ravel()
        self._weights = np.stack([first[at], second[at], 1 - first[at] - second[at]], 1)
        self._means = neutral.scene.pieces[0].positions_of[self._corners]  # skin comes first in every scene

    def motion(self, picture: LinearPicture) -> Array:
        """(D, N, 2) how each slider moves the points, per unit, as parts of the picture's side; 0 for sliders of looks.

        Args:
            picture: of a head that looks straight on.
        """
        stage, sliders = picture.stage, self._engine.schema.sliders
        moved = self._geometry.motions(stage, self._means)
        flat = projected(stage.positions[self._corners], stage.view.view, moved, 1)
        of_points = (flat.reshape(len(moved), -1, 3, 2) * self._weights[..., None]).sum(2)
        motion: Array = np.zeros((len(sliders), *of_points.shape[1:]))
        motion[self._engine.from_vector] = of_points
        return motion
