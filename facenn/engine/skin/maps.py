"""Everything painted on the skin, as maps made once from the neutral head.

No picture is used but the head's own masks. Coordinates are those of the head in decimetres: x sideways, y up
(eyes near 7.35), z forward. The skin texture is laid out by the head's own texture coordinates; what is only on the
front of the face is on the face canvas.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from facenn.arrays import Floating
from facenn.engine.drawing import noise, rasterize_uv
from facenn.engine.head.asset import SKULL, Head, Part, azimuth_elevation, hairline, recession
from facenn.engine.head.mesh import smoothstep
from facenn.engine.layout import HAIRLINE_RANGE, SIGNED_TEXTURE, Label, Texture
from facenn.engine.skin.brows import BROW_STYLES, brow_map
from facenn.engine.skin.canvas import encoded, face_canvas, spot

TEXTURE = 2048  # texels a side: about one per pixel of a 512-pixel picture



class SkinMaps:
    """The painted maps of one head.

    Args:
        head: the head asset.
        skin: its skin part.

    Attributes:
        texture: (TEXTURE, TEXTURE, channels) skin texture, channels ``Texture``.
        canvas: (H, W, channels) face canvas, channels ``Canvas``.
    """

    def __init__(self, head: Head, skin: Part) -> None:
        lips = skin.positions_of @ head.lip_side()
        positions = skin.positions_of @ head.base
        surface = np.zeros((TEXTURE, TEXTURE, 4), np.float32)
        covered = np.zeros((TEXTURE, TEXTURE), bool)
        rasterize_uv(skin.uv.astype(float), skin.triangles[head.seen], np.c_[positions, lips][skin.position],
                     surface, covered)
        self._texels = np.flatnonzero(covered)
        surface = surface.reshape(-1, 4)[self._texels]
        self._points, self._lip_side = np.ascontiguousarray(surface[:, :3]), surface[:, 3]
        self._masks = {name: self._lookup(mask) for name, mask in head.masks.items()}
        self.texture = np.zeros((TEXTURE, TEXTURE, len(Texture)), np.uint8)
        self.texture[..., SIGNED_TEXTURE] = 128
        self.texture[..., Texture.LABEL] = Label.SKIN
        flat = self.texture.reshape(-1, len(Texture))
        for channel, values in {**self._zones(), **self._hair_zones()}.items():
            flat[self._texels, channel] = encoded(values, signed=channel in SIGNED_TEXTURE)
        flat[self._texels, Texture.LABEL] = self._labels()
        self.canvas = face_canvas()
        self._brows: dict[str, NDArray[np.uint8]] = {}

    def brows(self, style: str) -> NDArray[np.uint8]:
        """(H, W, 3) map of a brow style, drawn on first use."""
        if style not in self._brows:
            generator = np.random.default_rng(list(BROW_STYLES).index(style))
            self._brows[style] = brow_map(BROW_STYLES[style], generator)
        return self._brows[style]

    def mask_at(self, name: str, uv: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(N,) whether texture coordinates (N, 2) lie inside one of the head's masks."""
        values = np.zeros(TEXTURE * TEXTURE, np.float32)
        values[self._texels] = self._masks[name]
        where = np.clip((np.c_[1 - uv[:, 1], uv[:, 0]] * TEXTURE).astype(int), 0, TEXTURE - 1)
        inside: NDArray[np.bool_] = values.reshape(TEXTURE, TEXTURE)[where[:, 0], where[:, 1]] > 0.235
        return inside

    def _lookup(self, mask: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N,) values of a smaller square mask at the covered texels."""
        row, column = np.divmod(self._texels, TEXTURE)
        scale = len(mask) / TEXTURE
        at = [(row + 0.5) * scale - 0.5, (column + 0.5) * scale - 0.5]
        shares = mask.astype(np.float32) / 255
        values: NDArray[np.float32] = map_coordinates(shares, at, order=1, mode="nearest")
        return values

    def _blob(self, x: float, y: float, width: float, height: float, power: float = 1.0) -> Floating:
        """A soft spot on both sides of the face."""
        return spot(np.abs(self._points[:, 0]), self._points[:, 1], x, y, width, height, power)

    def _zones(self) -> dict[Texture, Floating]:
        """Redness of cheeks, nose, chin and ears; hollows; mottling; oily places; pores."""
        points = self._points
        z = points[:, 2]
        coarse, middle, fine = (noise(points, 2.2, 1), noise(points, 9.0, 2), noise(points, 42.0, 3, 2))
        front, tip, blob = smoothstep(0.2, 0.8, z), z > 1.3, self._blob
        flush = 0.38 * blob(0.42, 7.03, 0.24, 0.19) + 0.40 * blob(0, 7.0, 0.13, 0.10) * tip
        flush += (0.25 * blob(0, 6.4, 0.2, 0.12) + 0.35 * self._masks["ears"]
                  + 0.15 * blob(0.3, 7.5, 0.4, 0.15))
        flush = flush * front * 0.9 + self._masks["ears"] * 0.25 + 0.08 * coarse * front + 0.05 * middle
        flush += 0.04 * fine + 0.22 * blob(0.30, 7.335, 0.20, 0.075) * front
        dark = 0.34 * blob(0.185, 7.31, 0.08, 0.08) * front + 0.10 * blob(0.33, 7.44, 0.16, 0.04) * front
        dark += 0.70 * blob(0.085, 6.928, 0.036, 0.020) * tip  # nostrils
        dark += 0.22 * blob(0.195, 6.985, 0.018, 0.05) * front  # beside the wings of the nose
        dark += 0.18 * blob(0.225, 6.665, 0.035, 0.025)  # corners of the mouth
        dark += 0.14 * blob(0, 6.505, 0.13, 0.035) * front  # below the lower lip
        dark += 0.26 * self._masks["lips"] * (self._lip_side > 0)  # the upper lip faces down
        dark += 0.10 * blob(0.125, 7.15, 0.035, 0.16) * tip + 0.08 * blob(0.035, 6.86, 0.02, 0.05)  # nose, philtrum
        gloss = self._masks["lips"] * 0.45 + 0.45 * blob(0, 7.03, 0.07, 0.13) * (z > 1.4)
        gloss += 0.25 * blob(0, 7.75, 0.4, 0.25) * front + 0.2 * blob(0.38, 7.15, 0.12, 0.1) * front
        pores_x, pores_y = (0.6 * noise(points, 55.0, seed, 2) + 0.35 * noise(points, 16.0, seed + 1, 1)
                            for seed in (31, 35))
        return {Texture.MOTTLE: 0.30 * coarse + 0.35 * middle + 0.40 * fine, Texture.FLUSH: flush,
                Texture.SHADE: dark, Texture.GLOSS: gloss, Texture.LIPS: self._masks["lips"],
                Texture.INNER_MOUTH: self._masks["mouth"],
                Texture.PORES_X: 0.5 * pores_x, Texture.PORES_Y: 0.5 * pores_y}

    def _hair_zones(self) -> dict[Texture, Floating]:
        """Distance to the hairline, places where beard grows, and the grain of both."""
        x, y, z = np.abs(self._points[:, 0]), self._points[:, 1], self._points[:, 2]
        azimuth, elevation = azimuth_elevation(self._points - SKULL.astype(np.float32))
        ragged = 2.2 * noise(self._points, 9.0, 2) + 1.5 * noise(self._points, 42.0, 3, 2)
        bare = (self._masks["ears"] > 0.3) | (y < 6.55)
        above = np.where(bare, -90, elevation - hairline(azimuth) + ragged) / HAIRLINE_RANGE
        receded = above - recession(azimuth) / HAIRLINE_RANGE
        lips = 1 - np.clip(self._masks["lips"] * 1.5, 0, 1)
        edge = 0.022 * noise(self._points, 30.0, 6, 2)  # beards do not end along a ruler
        jaw = smoothstep(7.04, 6.78, y - 0.50 * smoothstep(0.35, 0.75, x) + edge) * smoothstep(6.00, 6.24, y + edge)
        jaw = jaw * smoothstep(0.35, 0.62, z) * smoothstep(0.10, 0.34, x + edge)
        jaw = jaw * smoothstep(7.34, 7.02, y) * (1 - 0.6 * self._blob(0.34, 6.90, 0.14, 0.10))
        upper = y + 0.22 * np.maximum(x - 0.10, 0) + edge  # a moustache slopes down from the nose
        moustache = smoothstep(0.33, 0.17, x + edge) * smoothstep(6.60, 6.70, y) * smoothstep(6.92, 6.81, upper)
        moustache = moustache * (z > 1.1) * (1 - 0.6 * spot(x, y, 0, 6.87, 0.022, 0.05, 1))
        chin = smoothstep(6.60, 6.50, y) * smoothstep(6.12, 6.28, y + edge) * smoothstep(0.36, 0.22, x + edge)
        chin = np.maximum(chin, smoothstep(6.68, 6.60, y) * spot(x, y, 0.265, 6.58, 0.05, 0.10, 1))
        chin = chin * (z > 0.8) * (1 - 0.5 * spot(x, y, 0.17, 6.54, 0.06, 0.04, 1))
        stretched = self._points * np.array([1, 0.28, 1], np.float32)
        return {Texture.SCALP: above, Texture.RECEDED: receded, Texture.JAW: jaw * lips,
                Texture.MOUSTACHE: moustache * lips, Texture.CHIN: chin * lips,
                Texture.DOTS: smoothstep(-0.5, 0.8, noise(self._points, 170.0, 11, 1)),
                Texture.STRANDS: smoothstep(-0.8, 1.0, noise(stretched, 120.0, 12, 2))}

    def _labels(self) -> NDArray[np.uint8]:
        """Labels of the texels; brows and hair, which sliders move, are told apart while rendering."""
        x, y, z = np.abs(self._points[:, 0]), self._points[:, 1], self._points[:, 2]
        labels = np.full(len(x), Label.SKIN, np.uint8)
        labels[self._masks["ears"] > 0.5] = Label.EAR
        labels[((y < 6.25) & (z < 0.95)) | (y < 6.12)] = Label.NECK
        nose = np.interp(y, [6.90, 6.97, 7.06, 7.2, 7.33, 7.42], [0.09, 0.165, 0.18, 0.115, 0.075, 0.07])
        labels[(x < nose) & (y > 6.895) & (y < 7.42) & (z > 1.2)] = Label.NOSE
        lips = self._masks["lips"] > 0.5
        is_lower = self._lip_side[lips] < 0
        labels[lips] = np.where(is_lower, Label.LOWER_LIP, Label.UPPER_LIP)
        labels[self._masks["mouth"] > 0.5] = Label.INNER_MOUTH
        return labels
