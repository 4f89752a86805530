"""Type aliases that the whole house shares: arrays by what they hold, and what long work reports to."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Numbers of a solver or a measure, in double precision."""
Floats = NDArray[np.float32]
"""Colours, positions and weights of pictures."""
Floating = NDArray[np.floating]
"""Numbers of either precision."""
Ints = NDArray[np.int32]
"""Numbers of vertices, triangles and samples."""
Bytes = NDArray[np.uint8]
"""Textures and label maps."""
Mask = NDArray[np.bool_]
"""Which pixels or entries are meant."""
Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB."""
Vector = NDArray[np.float32]
"""(..., P) parameters in [0, 1], laid out by a ``ParameterSchema``."""
Rows = NDArray[np.integer]
"""Numbers of the rows that are meant."""

Log = Callable[[int, Mapping[str, float]], None]
"""Called with the number of finished steps and named figures."""
Progress = Callable[[int], None]
"""Called with how much is done."""
