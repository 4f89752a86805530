"""Everything painted on the skin, as maps made once from the neutral head: zones, brows, beard, labels.

No picture is used but the head's own masks. Coordinates are those of the head in decimetres: x sideways, y up
(eyes near 7.4), z forward.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates

from facenn.engine import shading
from facenn.engine.drawing import noise, rasterize_uv, stroke
from facenn.engine.head import SKULL, Head, Part, azimuth_elevation, hairline
from facenn.engine.mesh import smoothstep

TEXTURE = 2048  # texels a side: about two per pixel of a 512-pixel picture
BROW_SCALE = 900  # pixels per decimetre of the canvas on which brows are drawn

Floats = NDArray[np.floating]

LABELS = ("background", "skin", "brow", "eye", "nose", "upper lip", "lower lip", "inner mouth", "ear", "neck",
          "hair", "cloth")
"""Meaning of the values of a label map."""


@dataclass(frozen=True)
class BrowStyle:
    """One style of eyebrow.

    Attributes:
        thickness: decimetres at the inner end, the peak and the tail.
        height: y at the same three places.
        across: x at the same three places.
        hairs: strokes per side.
        length: decimetres of one hair.
    """

    thickness: tuple[float, float, float]
    height: tuple[float, float, float]
    across: tuple[float, float, float]
    hairs: int
    length: float


BROW_STYLES: dict[str, BrowStyle] = {
    "natural": BrowStyle((0.055, 0.045, 0.012), (7.455, 7.535, 7.470), (0.105, 0.38, 0.555), 330, 0.075),
    "arched": BrowStyle((0.030, 0.026, 0.008), (7.475, 7.555, 7.480), (0.110, 0.39, 0.560), 260, 0.055),
    "bushy": BrowStyle((0.080, 0.070, 0.030), (7.455, 7.530, 7.470), (0.090, 0.36, 0.565), 560, 0.095),
    "straight": BrowStyle((0.055, 0.050, 0.020), (7.485, 7.500, 7.475), (0.100, 0.36, 0.560), 360, 0.070),
    "angled": BrowStyle((0.050, 0.045, 0.010), (7.430, 7.560, 7.510), (0.105, 0.42, 0.580), 330, 0.070),
    "drooping": BrowStyle((0.045, 0.050, 0.020), (7.515, 7.530, 7.430), (0.110, 0.33, 0.560), 300, 0.070),
    "short": BrowStyle((0.060, 0.050, 0.000), (7.460, 7.530, 7.510), (0.100, 0.34, 0.460), 300, 0.070),
    "thin": BrowStyle((0.018, 0.020, 0.006), (7.470, 7.575, 7.490), (0.120, 0.38, 0.570), 220, 0.035),
}


@dataclass(frozen=True)
class Look:
    """How a head is coloured.

    Attributes:
        brow_style: key of ``BROW_STYLES``.
        hair_style: key of ``facenn.engine.hair.HAIR_STYLES``.
        colours: (7, 3) linear RGB, rows as in ``facenn.engine.shading``.
        strengths: (10,) 0..1, entries as in ``facenn.engine.shading``.
    """

    brow_style: str
    hair_style: str
    colours: NDArray[np.float32]
    strengths: NDArray[np.float32]


def _brow_canvas(style: BrowStyle, generator: np.random.Generator) -> NDArray[np.float32]:
    """Both brows, hair by hair, on the frontal plane x in -1..1, y in 6..8.5."""
    canvas = np.zeros((int(2.5 * BROW_SCALE), 2 * BROW_SCALE), np.float32)
    inner, _, outer = style.across
    middle = PchipInterpolator(style.across, style.height)
    thickness = PchipInterpolator(style.across, style.thickness)
    radius = np.full(5, 0.62)
    for side in (-1, 1):
        for _ in range(style.hairs):
            x = inner + generator.random() ** 0.9 * (outer - inner)
            centre, towards_tail = float(middle(x)), (x - inner) / (outer - inner)
            y = centre + (generator.random() - 0.5) * float(thickness(x))
            rise = np.deg2rad(72) * (1 - towards_tail) ** 1.2 + 0.05 + 0.12 * generator.standard_normal()
            if y > centre:
                rise -= 0.3 * (1 - towards_tail)
            angle = np.arctan(float(middle(x, 1))) + rise
            length = style.length * (0.7 + 0.6 * generator.random()) * (1 - 0.35 * towards_tail)
            path = []
            for _ in range(6):
                path.append(((side * x + 1) * BROW_SCALE, (8.5 - y) * BROW_SCALE))
                x, y = x + np.cos(angle) * length / 5, y + np.sin(angle) * length / 5
                angle -= 0.12 + 0.1 * (1 - towards_tail)
            stroke(canvas, np.array(path), radius, 1.0, 0.45 + 0.4 * generator.random())
    blurred = gaussian_filter(canvas[:1100], 9) * 0.75  # brows end far above the lower half
    canvas[:1100] = np.maximum(canvas[:1100], blurred)
    return np.clip(canvas, 0, 1)


class SkinMaps:
    """The painted maps of one head, and the skin texture of each brow style.

    Args:
        head: the head asset.
        skin: its skin part.
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
        self._texture = np.zeros((TEXTURE, TEXTURE, 16), np.uint8)
        self._texture[..., [shading.MOTTLE, shading.FLUSH]] = 128
        self._texture[..., shading.LABEL] = 1
        flat = self._texture.reshape(-1, 16)
        for channel, values in {**self._zones(), **self._hair_zones(), **self._make_up()}.items():
            signed = channel in (shading.MOTTLE, shading.FLUSH)
            flat[self._texels, channel] = np.clip(128 + 127 * values if signed else 255 * values, 0, 255)
        flat[self._texels, shading.LABEL] = self._labels(flat[self._texels, shading.SCALP] > 127)
        self._brow: str | None = None
        self._brows: dict[str, NDArray[np.uint8]] = {}

    def texture(self, brow_style: str) -> NDArray[np.uint8]:
        """(TEXTURE, TEXTURE, 16) skin texture with the brows of a style; one array, rewritten on demand."""
        if brow_style != self._brow:
            if brow_style not in self._brows:
                generator = np.random.default_rng(list(BROW_STYLES).index(brow_style))
                self._brows[brow_style] = self._brow_map(BROW_STYLES[brow_style], generator)
            self._texture.reshape(-1, 16)[self._brow_texels, shading.BROW] = self._brows[brow_style]
            self._brow = brow_style
        return self._texture

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

    def _blob(self, x: float, y: float, width: float, height: float, power: float = 1.0) -> Floats:
        """A soft spot on both sides of the face."""
        across, up = np.abs(self._points[:, 0]), self._points[:, 1]
        spot: Floats = np.exp(-((((across - x) / width) ** 2 + ((up - y) / height) ** 2) ** power))
        return spot

    @property
    def _front(self) -> Floats:
        return smoothstep(0.2, 0.8, self._points[:, 2])

    def _zones(self) -> dict[int, Floats]:
        """Redness of cheeks, nose, chin and ears; hollows of eyes and nostrils; mottling; oily places."""
        z = self._points[:, 2]
        coarse, middle, fine = (noise(self._points, 2.2, 1), noise(self._points, 9.0, 2),
                                noise(self._points, 42.0, 3, 2))
        front, tip, blob = self._front, z > 1.3, self._blob
        flush = 0.38 * blob(0.42, 7.03, 0.24, 0.19) + 0.40 * blob(0, 7.0, 0.13, 0.10) * tip
        flush += (0.25 * blob(0, 6.4, 0.2, 0.12) + 0.35 * self._masks["ears"]
                  + 0.15 * blob(0.3, 7.5, 0.4, 0.15))
        flush = flush * front * 0.9 + self._masks["ears"] * 0.25 + 0.10 * coarse * front + 0.06 * middle
        flush += 0.05 * fine + 0.25 * blob(0.30, 7.335, 0.20, 0.075) * front
        dark = 0.40 * blob(0.20, 7.27, 0.13, 0.06) * front + 0.30 * blob(0.29, 7.40, 0.2, 0.05) * front
        dark += 0.30 * blob(0.095, 6.925, 0.035, 0.03) * tip
        gloss = self._masks["lips"] * 0.45 + 0.45 * blob(0, 7.03, 0.07, 0.13) * (z > 1.4)
        gloss += 0.18 * blob(0, 7.85, 0.4, 0.2) * front
        return {shading.MOTTLE: 0.035 * coarse + 0.045 * middle + 0.055 * fine, shading.FLUSH: flush,
                shading.DARK: dark, shading.GLOSS: gloss, shading.LIPS: self._masks["lips"],
                shading.INNER_MOUTH: self._masks["mouth"]}

    def _hair_zones(self) -> dict[int, Floats]:
        """Scalp inside the hairline, beard and moustache, and the grain of both."""
        x, y, z = np.abs(self._points[:, 0]), self._points[:, 1], self._points[:, 2]
        azimuth, elevation = azimuth_elevation(self._points - SKULL.astype(np.float32))
        ragged = 2.2 * noise(self._points, 9.0, 2) + 1.5 * noise(self._points, 42.0, 3, 2)
        scalp = smoothstep(-5.0, 5.0, elevation - hairline(azimuth) + ragged)
        scalp = scalp * (1 - self._masks["ears"]) * (y > 6.55)
        jaw = smoothstep(7.02, 6.80, y - 0.55 * smoothstep(0.35, 0.75, x)) * smoothstep(6.02, 6.25, y)
        jaw = jaw * smoothstep(0.35, 0.62, z)
        around_mouth = np.abs(y - 6.80) + 0.25 * (x > 0.24) * smoothstep(0.22, 0.3, x)
        jaw = jaw * smoothstep(0.0, 0.14, around_mouth) * (1 - 0.55 * self._blob(0.38, 6.9, 0.16, 0.12))
        moustache = self._blob(0.10, 6.845, 0.17, 0.05, 2) * (z > 1.25)
        gap = 0.8 * np.exp(-(((y - 6.70) / 0.2) ** 2) - (x / 0.26) ** 2) * (1 - moustache) * (y > 6.56)
        beard = np.clip(jaw + moustache, 0, 1) * (1 - np.clip(self._masks["lips"] * 1.5, 0, 1)) * (1 - gap)
        stretched = self._points * np.array([1, 0.28, 1], np.float32)
        sideburn = smoothstep(7.32, 7.05, y)  # fades out below the hair
        return {shading.SCALP: scalp, shading.BEARD: beard * sideburn,
                shading.STUBBLE: smoothstep(0.15, 0.9, noise(self._points, 150.0, 11, 1)),
                shading.STRANDS: smoothstep(-0.3, 0.8, noise(stretched, 150.0, 12, 1))}

    def _make_up(self) -> dict[int, Floats]:
        x, y = np.abs(self._points[:, 0]), self._points[:, 1]
        liner = np.exp(-(((y - (7.395 - 0.9 * (x - 0.30) ** 2)) / 0.016) ** 2)) * self._front
        liner = liner * smoothstep(0.17, 0.22, x) * smoothstep(0.50, 0.44, x)
        freckles = smoothstep(0.75, 1.3, noise(self._points, 26.0, 21, 1)) * self._front
        freckles = freckles * (self._blob(0.28, 7.1, 0.35, 0.14) + self._blob(0, 7.1, 0.2, 0.1))
        return {shading.EYE_SHADOW: self._blob(0.31, 7.425, 0.19, 0.065, 1.6) * self._front,
                shading.BLUSH: self._blob(0.46, 7.03, 0.17, 0.13) * self._front,
                shading.LINER: liner, shading.FRECKLES: freckles}

    @property
    def _brow_texels(self) -> NDArray[np.intp]:
        chosen: NDArray[np.intp] = self._texels[self._points[:, 2] > 0.7]
        return chosen

    def _brow_map(self, style: BrowStyle, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Coverage of the brows at the texels in front."""
        face = self._points[self._points[:, 2] > 0.7]
        at = [(8.5 - face[:, 1]) * BROW_SCALE, (face[:, 0] + 1) * BROW_SCALE]
        values: NDArray[Any] = map_coordinates(_brow_canvas(style, generator), at, order=1) * 255
        return values.astype(np.uint8)

    def _labels(self, scalp: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Labels of the texels; brows, and all that is not skin, are told apart while rendering."""
        x, y, z = np.abs(self._points[:, 0]), self._points[:, 1], self._points[:, 2]
        labels = np.ones(len(x), np.uint8)
        labels[self._masks["ears"] > 0.5] = LABELS.index("ear")
        labels[((y < 6.25) & (z < 0.95)) | (y < 6.12)] = LABELS.index("neck")
        nose = np.interp(y, [6.90, 6.97, 7.06, 7.2, 7.33, 7.42], [0.09, 0.165, 0.18, 0.115, 0.075, 0.07])
        labels[(x < nose) & (y > 6.895) & (y < 7.42) & (z > 1.2)] = LABELS.index("nose")
        lips = self._masks["lips"] > 0.5
        is_lower = self._lip_side[lips] < 0
        labels[lips] = np.where(is_lower, LABELS.index("lower lip"), LABELS.index("upper lip"))
        labels[self._masks["mouth"] > 0.5] = LABELS.index("inner mouth")
        labels[scalp] = LABELS.index("hair")
        return labels
