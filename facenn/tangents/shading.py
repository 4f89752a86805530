"""The engine's materials once more, as differentiable arithmetic: linear colour of entries from looks and light.

Each function follows its namesake in ``facenn.engine.kernels`` line by line and takes its figures from there; a test
holds their pictures together. What is looked up in textures, and where, is fixed: surfaces carry their paint with them.
"""

from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Bytes
from facenn.engine.kernels import brow, eye, hair, plain, sampling, skin
from facenn.engine.kernels.sampling import PAINT, TEXEL, Row
from facenn.engine.layout import (
    BROW_FRAME,
    FIRST_ZONE,
    HAIRLINE_RANGE,
    Attribute,
    Brow,
    Canvas,
    Colour,
    Material,
    Strength,
    Texture,
)

LIGHT = (Attribute.NX, Attribute.LIT + 1)  # rows of the attributes that parameters change


def figures(module: ModuleType) -> Any:
    """The figures of a material as plain numbers, and tuples of them, by the names that they have in its module."""
    def plain(value: Any) -> Any:
        return tuple(float(v) for v in value) if isinstance(value, tuple) else float(value)

    return SimpleNamespace(**{name: plain(value) for name, value in vars(module).items()
                              if name.isupper() and isinstance(value, (np.floating, int, float, tuple))})


B, E, H, P, K, S0 = (figures(module) for module in (brow, eye, hair, plain, skin, sampling))
DARKEST = 1e-4  # linear light below which the tone curve counts as flat: its slope at black is infinite


@dataclass(frozen=True)
class Looks:
    """What colours a head in a picture.

    Attributes:
        colours: (``Colour``, 3) linear RGB.
        strengths: (``Strength``,).
        directions: (4, 3) towards the lamps.
        lamps: (4, 3) their linear RGB.
    """

    colours: Tensor
    strengths: Tensor
    directions: Tensor
    lamps: Tensor


@dataclass(frozen=True)
class Fixed:
    """What is known of n entries of one material and does not change.

    Attributes:
        table: (TABLE, n) rows of the shader's table, ``LIGHT`` among them as they are in the picture.
        zone: (n,) of lines.
        view: (3, n) directions to the camera.
        brows: (H, W, ``Brow``) map in 0..1.
        pixel: decimetres at the face that a pixel covers.
    """

    table: Tensor
    zone: Tensor
    view: Tensor
    brows: Tensor
    pixel: float

    def texel(self, channel: int) -> Tensor:
        """(n,) of the skin texture, or of the strands."""
        return self.table[TEXEL + channel]

    @property
    def light(self) -> Tensor:
        """(8, n) rows ``LIGHT`` of the attributes."""
        return self.table[LIGHT[0]:LIGHT[1]]

    def with_brows(self, brows: Tensor) -> "Fixed":
        """The same entries with another brow map."""
        return replace(self, brows=brows)

    def paint(self, channel: int) -> Tensor:
        """(n,) of the face canvas."""
        return self.table[PAINT + channel]


def shaded(kind: Material, fixed: Fixed, light: Tensor, looks: Looks) -> Tensor:
    """(3, n) linear colour of entries.

    Args:
        kind: their material.
        fixed: what does not change of them.
        light: (8, n) rows ``LIGHT`` of their attributes.
        looks: of the picture.
    """
    first = LIGHT[0]
    normal = light[:3] / (light[:3].square().sum(0) + 1e-12).sqrt()
    diffuse, is_open, lit = light[3:6], light[Attribute.OPEN - first], light[Attribute.LIT - first]
    if kind == Material.SKIN:
        return _skin(fixed, normal, diffuse, is_open, lit, looks)
    if kind == Material.EYE:
        return _eyes(fixed, normal, diffuse, looks)
    if kind == Material.HAIR:
        return _hair(fixed, normal, diffuse, is_open, lit, looks)
    return _plain(kind, fixed, diffuse, looks)


def tone_curve(linear: Tensor) -> Tensor:
    """Linear light to sRGB in [0, 1], see ``facenn.engine.kernels.resolve.TONE_CURVE``."""
    x = linear.clamp(DARKEST, 8) * 0.72
    filmic: Tensor = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return filmic.clamp(max=1) ** (1 / 2.2)


def _signed(share: Tensor) -> Tensor:
    means: Tensor = (share - S0.ZERO_OF_SIGNED) * 2
    return means


def _smooth(low: Tensor | float, high: Tensor | float, x: Tensor) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _mix(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    return a + (b - a) * t.clamp(0, 1)


def _column(values: object) -> Tensor:
    """(3, 1) of figures for red, green and blue."""
    return torch.tensor(np.array(values, np.float32))[:, None]


def _skin(fixed: Fixed, normal: Tensor, diffuse: Tensor, is_open: Tensor, lit: Tensor, looks: Looks) -> Tensor:
    S, colours = looks.strengths, looks.colours
    # how much each layer covers
    lines = torch.cat([S.new_zeros(1), S[FIRST_ZONE:]])
    line = lines[fixed.zone]
    flushed = (K.FLUSH_OF_BLUSH[0] + K.FLUSH_OF_BLUSH[1] * S[Strength.BLUSH]) * S[Strength.FLUSH]
    unshaven = S[Strength.STUBBLE] * (K.UNSHAVEN[0] + K.UNSHAVEN[1] * S[Strength.STUBBLE])
    mottled = _signed(fixed.texel(Texture.MOTTLE)) * S[Strength.MOTTLE]
    flush = _signed(fixed.texel(Texture.FLUSH)) * flushed
    on_jaw, on_chin, on_lip = (fixed.texel(t) for t in (Texture.JAW, Texture.CHIN, Texture.MOUSTACHE))
    grows, strand = (on_jaw + on_chin + on_lip).clamp(0, 1), fixed.texel(Texture.STRANDS)
    stubble = grows * (K.STUBBLE[0] + K.STUBBLE[1] * fixed.texel(Texture.DOTS)) * unshaven
    beard = torch.maximum(on_jaw * S[Strength.JAW], torch.maximum(on_chin * S[Strength.CHIN],
                                                                  on_lip * S[Strength.MOUSTACHE]))
    thick = beard * (K.THICK[0] + K.THICK[1] * beard)
    beard = (thick * (1 + K.BEARD_STRANDS * (strand - 0.5) * (K.BEARD_CLOSED - thick))).clamp(0, 1)
    even = fixed.texel(Texture.SCALP)
    above = even + S[Strength.RECESSION] * (fixed.texel(Texture.RECEDED) - even)
    scalp = _smooth(K.HAIRLINE_EDGE[0], K.HAIRLINE_EDGE[1],
                    (above - S0.ZERO_OF_SIGNED) * (2 * HAIRLINE_RANGE) - S[Strength.HAIRLINE])
    painted = (scalp * (K.SCALP_STRANDS[0] + K.SCALP_STRANDS[1] * strand)).clamp(0, 1) * S[Strength.SCALP]
    pores = S[Strength.PORES] * (1 - scalp * S[Strength.SCALP])
    leans = torch.stack([_signed(fixed.paint(c)) * line + _signed(fixed.texel(t)) * pores
                         for c, t in ((Canvas.LEAN_X, Texture.PORES_X), (Canvas.LEAN_Y, Texture.PORES_Y))])
    cover = _brow(fixed, S)
    # diffuse colour
    liner = K.LINER + S[Strength.LINER] + K.LINER_OF_LASHES * S[Strength.LASHES]
    light_skin = (colours[Colour.SKIN, 1] * S0.PALENESS).clamp(0, 1)
    light_hair = (colours[Colour.HAIR, 1] * S0.FAIRNESS).clamp(0, 1)
    stubbly, bearded = K.STUBBLY[0] + K.STUBBLY[1] * light_hair, K.BEARDED[0] + K.BEARDED[1] * light_hair
    shorn = K.SHORN[0] + K.SHORN[1] * light_hair
    tone, hair, brow, shadow = (colours[c][:, None] for c in (Colour.SKIN, Colour.HAIR, Colour.BROW, Colour.EYE_SHADOW))
    hollow, spot = _column(K.HOLLOW), _column(K.SPOT)
    natural = _mix(_column(K.LIP_OF_DARK_SKIN), _column(K.LIP), colours[Colour.SKIN, 1] * K.LIP_FAIRNESS)
    lip = _mix(tone * (natural - _column(K.LIP_DARKER) * S[Strength.LIP_TONE]), colours[Colour.LIPSTICK][:, None],
               S[Strength.LIPSTICK])
    freckle = spot * S[Strength.FRECKLES] * (K.FRECKLES[0] + K.FRECKLES[1] * light_skin)
    mole = S[Strength.MOLES] * (K.MOLES[0] + K.MOLES[1] * spot)
    a = _mix(tone * (1 + mottled * K.MOTTLED), tone * _column(K.FLUSHED), flush)
    a = a * ((1 - fixed.texel(Texture.SHADE) * hollow)
             * (1 - fixed.paint(Canvas.GROOVE) * line * hollow * K.IN_GROOVE)
             * (1 - fixed.paint(Canvas.CIRCLES) * _column(K.RING) * S[Strength.CIRCLES])
             * (1 - fixed.paint(Canvas.FRECKLES) * freckle) * (1 - fixed.paint(Canvas.MOLES) * mole))
    a = _mix(a, lip, fixed.texel(Texture.LIPS) * K.LIPS_SEEN)
    a = _mix(a, tone * _column(K.INSIDE), fixed.texel(Texture.INNER_MOUTH))
    a = _mix(a, tone * _column(K.BLUSHED), fixed.paint(Canvas.BLUSH) * S[Strength.BLUSH] * K.BLUSH_SEEN)
    a = _mix(a, shadow, fixed.paint(Canvas.EYE_SHADOW) * S[Strength.EYE_SHADOW])
    a = _mix(a, a.new_tensor(K.BLACK), fixed.paint(Canvas.LINER) * liner)
    a = _mix(a, hair * stubbly + tone * K.SKIN_BETWEEN, stubble)
    a = _mix(a, hair * (bearded + K.BEARDED_BY_STRAND * strand), beard)
    a = _mix(a, hair * (shorn + K.SHORN_BY_STRAND * strand), painted)
    a = _mix(a, brow * (K.BROWED[0] + K.BROWED[1] * S[Strength.BROW_DEPTH]), cover)
    # light, leant by lines and pores
    relief = K.SKY_RELIEF * leans[1] * is_open
    facing = looks.directions @ normal
    towards = looks.directions[:, :2] @ leans
    for lamp in range(4):
        share = lit if lamp == 0 else is_open
        relief = relief + torch.where(facing[lamp] > K.RELIEF_FACING, K.LIGHT_RELIEF * looks.lamps[lamp, 1]
                                      * share * towards[lamp], 0)
    a = a * torch.maximum(diffuse + relief, K.DARKEST * diffuse)
    normal = torch.cat([normal[:2] + K.SHINE_LEANS * leans, normal[2:]])
    normal = normal / normal.square().sum(0).sqrt()
    return a + _shine(fixed, normal, is_open, lit, torch.maximum(cover, torch.maximum(beard, painted)), looks)


def _shine(fixed: Fixed, normal: Tensor, is_open: Tensor, lit: Tensor, hairy: Tensor, looks: Looks) -> Tensor:
    S = looks.strengths
    wetness, oil = K.WETNESS[1] * S[Strength.LIP_GLOSS] + K.WETNESS[0], S[Strength.OIL]
    light_skin = (looks.colours[Colour.SKIN, 1] * S0.PALENESS).clamp(0, 1)
    wet = fixed.texel(Texture.LIPS) * wetness
    gloss = (fixed.texel(Texture.GLOSS) + wet).clamp(min=0) * (K.GLOSS_OF_OIL[0] + K.GLOSS_OF_OIL[1] * oil)
    rough = (K.ROUGH - K.ROUGH_PALE * light_skin - K.ROUGH_GLOSS * gloss - K.ROUGH_OIL * oil).clamp(
        min=K.SMOOTHEST)
    a2 = rough.square().square()
    view = (normal * fixed.view).sum(0)
    base = K.REFLECTED + K.REFLECTED_WET * wet.clamp(min=0)
    kept = K.SHINE * (1 - K.MATTE * hairy)
    total = torch.zeros_like(normal)
    for lamp in range(3):
        direction = looks.directions[lamp]
        facing = (direction @ normal).clamp(min=0)
        along = direction @ fixed.view
        half = (2 + 2 * along + 1e-6).rsqrt()
        nh = ((facing + view) * half).clamp(min=0)
        spread = nh * nh * (a2 - 1) + 1
        grazing = (1 - (1 + along) * half).clamp(min=0)
        head_on = base + K.REFLECTED_KEY * gloss if lamp == 0 else base
        fresnel = head_on + (1 - head_on) * grazing**5
        share = lit if lamp == 0 else is_open
        total = total + looks.lamps[lamp][:, None] * (a2 / (K.PI * spread * spread) * fresnel * facing * share * kept)
    return total


def _brow(fixed: Fixed, S: Tensor) -> Tensor:
    """(n,) cover of the eyebrows."""
    x, y = fixed.table[Attribute.FACE_X], fixed.table[Attribute.FACE_Y]
    u, v = (x - B.LEFT) * B.ACROSS - 0.5, (y - B.LOW) * B.UP
    aside = B.TAIL - (B.TAIL - u.abs()) * (1 + B.STRETCH * S[Strength.BROW_GAP])
    with torch.no_grad():
        here = ((u.abs() < 0.5) & (v > 0) & (v < 1) & (aside >= 0) & (aside < 0.5)).nonzero()[:, 0]
    u, v, aside = u[here], v[here], aside[here]
    place = ((aside - B.INNER) / (B.TAIL - B.INNER)).clamp(0, 1)
    v = v - (B.RISE * S[Strength.BROW_LIFT] + B.TILT * S[Strength.BROW_SLANT] * (place - 0.5)
             + 4 * B.BEND * S[Strength.BROW_ARCH] * place * (1 - place))
    found = _sampled(fixed.brows, 0.5 + aside * u.sign(), v.clamp(0, 1),
                     (fixed.pixel / BROW_FRAME.width, fixed.pixel / BROW_FRAME.height))
    along = found[Brow.ALONG] * B.ALONG_RANGE + B.ALONG_LOW
    hairs, across = found[Brow.HAIRS], found[Brow.ACROSS] * B.ACROSS_RANGE
    width = B.WIDTH[0] + B.WIDTH[1] * S[Strength.BROW_THICKNESS]
    width = width * (1 + B.TAPER * S[Strength.BROW_TAPER] * (1 - 2 * along.clamp(0, 1)))
    tail = B.END[0] + B.END[1] * S[Strength.BROW_LENGTH]
    edge = _smooth(width, width * B.SOFTNESS, across + B.RAGGED[0] - B.RAGGED[1] * hairs)
    ends = (_smooth(tail + B.TAIL_END, tail - B.TAIL_THINS, along)
            * _smooth(B.INNER_END, B.INNER_FULL, along))
    density = S[Strength.BROW_DENSITY]
    cover = (B.BETWEEN * density + hairs * (B.HAIRS[0] + B.HAIRS[1] * density)) * edge * ends
    seen = cover.clamp(max=1) * (B.DEPTH[0] + B.DEPTH[1] * S[Strength.BROW_DEPTH])
    return torch.zeros_like(x).index_put((here,), seen)


def _sampled(texture: Tensor, u: Tensor, v: Tensor, reach: tuple[float, float]) -> Tensor:
    """(C, n) bilinear lookup in (H, W, C), which changes with the place as it does over ``reach`` to either side.

    The slope at the place itself would be that of single hairs, which are finer than a pixel.
    """
    at_u, at_v = u.detach(), v.detach()
    value = _bilinear(texture, at_u, at_v)
    if not (u.requires_grad or v.requires_grad):
        return value
    across, up = reach
    along_u = (_bilinear(texture, at_u + across, at_v) - _bilinear(texture, at_u - across, at_v)) / (2 * across)
    along_v = (_bilinear(texture, at_u, at_v + up) - _bilinear(texture, at_u, at_v - up)) / (2 * up)
    return value + along_u * (u - at_u) + along_v * (v - at_v)


def _bilinear(texture: Tensor, u: Tensor, v: Tensor) -> Tensor:
    height, width = texture.shape[:2]
    x, y = u * width - 0.5, (1 - v) * height - 0.5
    column, line = x.floor(), y.floor()
    fx, fy = x - column, y - line
    left, top = column.long().clamp(0, width - 2), line.long().clamp(0, height - 2)
    flat = texture.reshape(-1, texture.shape[2]).T
    at = top * width + left
    upper = flat[:, at] * (1 - fx) + flat[:, at + 1] * fx
    lower = flat[:, at + width] * (1 - fx) + flat[:, at + width + 1] * fx
    return upper * (1 - fy) + lower * fy


def _eyes(fixed: Fixed, normal: Tensor, diffuse: Tensor, looks: Looks) -> Tensor:
    S, colours, table = looks.strengths, looks.colours, fixed.table
    rim = E.RIM[0] + E.RIM[1] * S[Strength.IRIS_SIZE]
    fringe = E.FRINGE[0] + E.FRINGE[1] * S[Strength.LASHES]
    above, below = table[Row.ABOVE], table[Row.BELOW]
    own = torch.stack([table[Attribute.FACE_X], table[Attribute.FACE_Y], table[Attribute.V]])
    own = own / (own.square().sum(0) + 1e-12).sqrt()
    angle, around = own[2].clamp(-1, 1).acos(), torch.atan2(own[1], own[0])
    fibre = (E.FIBRE + E.WAVES * (around * E.WAVES_AROUND + E.SWING * (around * E.SWINGS_AROUND).sin()).sin()
             + E.SPIRALS * (around * E.SPIRALS_AROUND + angle * E.SPIRAL).sin())
    iris = _smooth(rim + E.RIM_OUT, rim - E.RIM_IN, angle)
    inner = ((rim * E.INNER_FROM - angle) / (rim * E.INNER_OVER)).clamp(0, 1) * E.INNER_SEEN
    limbus = E.LIMBUS[0] + E.LIMBUS[1] * _smooth(rim, rim * E.LIMBUS_FROM, angle)
    pupil = _smooth(rim * E.PUPIL[0], rim * E.PUPIL[1], angle)
    white = 1 - E.ROUND * ((angle - rim) / E.ROUND_OVER).clamp(0, 1)
    inwards = (-own[0] * table[Attribute.U]).clamp(0, 1)
    vein = ((angle - E.VEIN_FROM) / E.VEIN_OVER).clamp(0, 1) * (E.VEIN[0] + E.VEIN[1] * inwards)
    caruncle = _smooth(E.CARUNCLE_FROM, E.CARUNCLE_FULL, inwards) * E.CARUNCLE
    from_above = E.FROM_ABOVE[0] + E.FROM_ABOVE[1] * ((own[1] + E.ABOVE_FROM) / E.ABOVE_OVER).clamp(0, 1)
    lid = 1 - E.UPPER_LID * (-above * E.UPPER_REACH).exp() - E.LOWER_LID * (-below * E.LOWER_REACH).exp()
    lid = (lid - fringe * (-above * E.FRINGE_REACH).exp()).clamp(min=E.DARKEST)
    outer_colour, inner_colour, ball = (colours[c][:, None] for c in
                                        (Colour.IRIS_OUTER, Colour.IRIS_INNER, Colour.SCLERA))
    outer = outer_colour * (E.OUTER_SEEN[0] + E.OUTER_SEEN[1] * fibre)
    coloured = (outer * (1 - inner) + inner_colour * inner) * limbus
    coloured = (E.BLACK * (1 - pupil) + coloured * pupil) * from_above
    sclera = _mix(_mix(ball * white, _column(E.VEINS), vein), _column(E.CARUNCLES), caruncle)
    result: Tensor = _mix(sclera, coloured, iris) * diffuse * lid
    bulge = normal[2] + E.CORNEA * ((rim + E.CORNEA_EDGE - angle) / (rim + E.CORNEA_EDGE)).clamp(0, 1)
    normal = torch.stack([normal[0], normal[1], bulge])
    normal = normal / normal.square().sum(0).sqrt()
    wet = (-below * E.WET_REACH).exp() * E.WET
    for lamp in range(2):
        shine = _half_dot(looks.directions[lamp], fixed.view, normal).clamp(min=0)
        gleam = shine**E.LAMP_SHARPNESS * E.LAMP + iris * shine**E.ROOM_SHARPNESS * E.ROOM
        catch = (gleam + wet * looks.directions[lamp, 2].clamp(0, 1)) * (above * E.LID_EDGE).clamp(0, 1)
        result = result + catch * looks.lamps[lamp][:, None]
    return result


def _half_dot(direction: Tensor, view: Tensor, normal: Tensor) -> Tensor:
    half = direction[:, None] + view
    return (normal * half).sum(0) / half.square().sum(0).sqrt()


def _hair(fixed: Fixed, normal: Tensor, diffuse: Tensor, is_open: Tensor, lit: Tensor, looks: Looks) -> Tensor:
    colours = looks.colours
    light_hair = (colours[Colour.HAIR, 1] * S0.FAIRNESS).clamp(0, 1)
    contrast = H.CONTRAST[0] + H.CONTRAST[1] * light_hair
    normal = torch.where((normal * fixed.view).sum(0) < 0, -normal, normal)
    down = H.DOWN_Y * normal[1] + H.DOWN_Z * normal[2]
    tangent = torch.stack([-normal[0] * down, H.DOWN_Y - normal[1] * down, H.DOWN_Z - normal[2] * down])
    tangent = tangent * (tangent.square().sum(0) + 1e-9).rsqrt()
    bright = 1 + contrast * (fixed.texel(0) - 0.5) * H.TEXTURE_RANGE
    colour = colours[Colour.HAIR][:, None]
    strand = colour * bright * (is_open + (1 - is_open) * (H.DEEP[0] + H.DEEP[1] * colour))
    result: Tensor = strand * diffuse * H.DIFFUSE
    of_strand = H.SHINE_OF_STRAND[0] + H.SHINE_OF_STRAND[1] * (bright - 0.5).clamp(0, 1)
    for lamp in range(3):
        along = _half_dot(looks.directions[lamp], fixed.view, tangent)
        s4 = (1 - along * along) ** 4
        s12 = s4 * s4 * s4
        facing = looks.directions[lamp] @ normal
        share = (H.SHARE_OF_KEY[0] + H.SHARE_OF_KEY[1] * lit if lamp == 0 else H.SHARE[0] + H.SHARE[1] * is_open)
        soft = (facing * H.WRAP[1] + H.WRAP[0]).clamp(0, 1) * H.WRAPPED
        shine = ((facing + H.SHINE_FROM) / H.SHINE_OVER).clamp(0, 1).square() * is_open.square() * of_strand
        of_colour = share * (soft + H.COLOURED_SHINE * s12 * shine)
        white = share * H.WHITE_SHINE * (1 - H.WHITE_OF_FAIR * light_hair) * s12 * s12 * shine
        result = result + looks.lamps[lamp][:, None] * (strand * of_colour + white)
    return result


def _plain(kind: Material, fixed: Fixed, diffuse: Tensor, looks: Looks) -> Tensor:
    tone, cloth, hair = (looks.colours[c][:, None] for c in (Colour.SKIN, Colour.CLOTH, Colour.HAIR))
    if kind == Material.MOUTH:
        seen = 1 - (-fixed.table[Row.ABOVE] * P.PARTED).exp()
        return _mix(_column(P.DEEP_MOUTH) * tone, _column(P.TEETH), seen) * diffuse
    colour: Tensor = P.LASH + P.LASH_OF_HAIR * hair
    if kind == Material.CLOTH:
        colour = cloth * (P.COLLAR + fixed.table[Attribute.U] * P.COLLAR_REACH).clamp(max=1)
    return colour * diffuse


def view_directions(pixels: Tensor, side: int, half_tangent: float) -> Tensor:
    """(3, n) directions from the middles of pixels, counted row by row, to the camera."""
    x, y = pixels % side, pixels // side
    across = -((x + 0.5) * (2 / side) - 1) * half_tangent
    up = -(1 - (y + 0.5) / side * 2) * half_tangent
    length = (across * across + up * up + 1).rsqrt()
    return torch.stack([across * length, up * length, length])


def brow_map(brows: Bytes) -> Tensor:
    """The bytes of a brow map as (H, W, ``Brow``) in 0..1."""
    return torch.from_numpy(brows).float() / 255


