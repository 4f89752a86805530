"""Skin with everything that is painted on it: make-up, spots, lines, brows, beard and short hair.

Pairs of figures are a value and its change per unit of what the comment says, 0..1. Triples are of red, green and blue.
"""

import math

import numba as nb

from facenn.arrays import Bytes, Floats
from facenn.engine.kernels.brow import brow_cover
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.sampling import (
    PAINT,
    TEXEL,
    ZERO_OF_SIGNED,
    Row,
    at,
    clamp01,
    fair,
    mix,
    nearest,
    pale,
    sample,
    signed,
    smooth,
)
from facenn.engine.kernels.tables import Lights, Palette, Textures, f4
from facenn.engine.layout import (
    FIRST_ZONE,
    HAIRLINE_RANGE,
    INTERPOLATED,
    Attribute,
    Canvas,
    Colour,
    Label,
    Strength,
    Texture,
)

CHANNELS = len(Texture)

# labels
BROW_SEEN = f4(0.30)  # brow cover from which a sample counts as brow
SCALP_SEEN = f4(0.5)  # scalp hair from which a sample counts as hair

# how much each layer covers
HAIRLINE_EDGE = (f4(-5), f4(5))  # degrees between which painted hair begins
FLUSH_OF_BLUSH = (f4(1.0), f4(0.4))  # redness of the skin, by blush
UNSHAVEN = (f4(1.4), f4(-0.4))  # stubble, by itself: a little is seen at once
STUBBLE = (f4(0.38), f4(0.30))  # of stubble, by its dots
THICK = (f4(1.8), f4(-0.8))  # beard, by itself: in linear light a half looks like a quarter
BEARD_STRANDS, BEARD_CLOSED = f4(1.1), f4(1.15)  # how much single hairs differ, and the thickness that shows none
SCALP_STRANDS = (f4(0.90), f4(0.15))  # of painted hair, by its strands

# shares of light that skin loses
HOLLOW = (f4(0.60), f4(0.72), f4(0.70))  # in hollows
SPOT = (f4(0.35), f4(0.5), f4(0.6))  # in freckles and moles
RING = (f4(0.30), f4(0.38), f4(0.28))  # in circles below the eyes
IN_GROOVE = f4(0.5)  # of what it loses in a hollow, in a line
FRECKLES = (f4(0.4), f4(0.6))  # of SPOT, by how pale the skin is
MOLES = (f4(0.4), f4(0.8))  # of the mole's strength, by SPOT
MOTTLED = f4(0.22)  # of its colour, either way, in blotches

# what is left of the skin's colour
FLUSHED = (f4(1.12), f4(0.72), f4(0.70))
BLUSHED = (f4(1.08), f4(0.55), f4(0.55))
INSIDE = (f4(0.48), f4(0.18), f4(0.20))  # in the mouth
LIP = (f4(1.00), f4(0.69), f4(0.83))
LIP_DARKER = (f4(0.40), f4(0.50), f4(0.50))  # less, by the tone of the lips
# Those of dark skin are hardly redder than it: measured in photos, by which tones count as dark below 0.2 of green.
LIP_OF_DARK_SKIN, LIP_FAIRNESS = (f4(0.98), f4(0.98), f4(1.24)), f4(5)

# cover of paint at full strength
LIPS_SEEN, BLUSH_SEEN = f4(0.85), f4(0.6)
LINER, LINER_OF_LASHES = f4(0.25), f4(1.1)  # without any, and by the lashes, whose roots it is
BLACK = f4(0.01)  # colour of the liner

# colour of short hairs by the hair's, and by how fair that is, and by the strand: they shadow each other
STUBBLY, SKIN_BETWEEN = (f4(0.40), f4(0.35)), f4(0.18)  # and the share of skin that shows through stubble
BEARDED, BEARDED_BY_STRAND = (f4(0.30), f4(0.40)), f4(0.26)
SHORN, SHORN_BY_STRAND = (f4(0.34), f4(0.36)), f4(0.20)
BROWED = (f4(0.95), f4(-0.60))  # colour of brows, by the depth of their colour

# relief of lines and pores
SKY_RELIEF, LIGHT_RELIEF = f4(0.12), f4(0.42)  # light gained where the skin leans towards sky and lights
RELIEF_FACING = f4(-0.1)  # cosine from which a light counts
DARKEST = f4(0.35)  # share of the diffuse light that no relief takes
SHINE_LEANS = f4(0.6)  # of the relief in highlights: all of it would sparkle below the size of a pixel

# highlights
WETNESS = (f4(-1.2), f4(4))  # of lips, by their gloss
GLOSS_OF_OIL = (f4(0.4), f4(1.2))
ROUGH, ROUGH_PALE, ROUGH_GLOSS, ROUGH_OIL, SMOOTHEST = f4(0.60), f4(0.06), f4(0.16), f4(0.10), f4(0.22)
REFLECTED, REFLECTED_WET, REFLECTED_KEY = f4(0.026), f4(0.03), f4(0.012)  # head on; by wetness; by gloss, of the key
SHINE = f4(0.33)  # of all highlights
MATTE = f4(0.7)  # share of the shine that hair on the skin takes
PI = f4(3.14159)


@nb.njit(error_model="numpy", forceinline=True)
def _scalp(above: f4, offset: f4) -> f4:
    """Cover of painted hair, from the encoded distance to the hairline and the degrees by which that is moved."""
    return smooth(HAIRLINE_EDGE[0], HAIRLINE_EDGE[1], (above - ZERO_OF_SIGNED) * f4(2 * HAIRLINE_RANGE) - offset)


@nb.njit(error_model="numpy", forceinline=True)
def _label(S: Floats, lane: int, texture: Bytes, strengths: Floats) -> int:
    """Label of one sample of skin; brows and painted hair count where they cover most of it."""
    if S[at(Row.COVER, lane)] > BROW_SEEN:
        return Label.BROW.value
    u, v = S[at(Attribute.U, lane)], S[at(Attribute.V, lane)]
    label = nearest(texture, u, v, Texture.LABEL)
    if strengths[Strength.SCALP] > f4(0) and label != Label.EAR:
        even, receded = f4(nearest(texture, u, v, Texture.SCALP)), f4(nearest(texture, u, v, Texture.RECEDED))
        above = even + strengths[Strength.RECESSION] * (receded - even)
        if _scalp(above / f4(255), strengths[Strength.HAIRLINE]) > SCALP_SEEN:
            return Label.HAIR.value
    return label


@kernel(error_model="numpy")
def look_up_skin(S: Floats, count: int, textures: Textures, strengths: Floats, shown: Bytes) -> None:
    """Fetch everything that is painted on samples of skin, and their labels ``shown``."""
    for i in range(count):
        sample(textures.skin, S[at(Attribute.U, i)], S[at(Attribute.V, i)], CHANNELS, S, TEXEL, i)
    for i in range(count):
        x, y, line = S[at(Attribute.FACE_X, i)], S[at(Attribute.FACE_Y, i)], f4(0)
        if nearest(textures.canvas, x, y, Canvas.PAINTED) > 0:
            sample(textures.canvas, x, y, INTERPOLATED, S, PAINT, i)
            zone = nearest(textures.canvas, x, y, Canvas.ZONE)
            if zone > 0:
                line = strengths[FIRST_ZONE + zone - 1]
        else:
            for c in range(INTERPOLATED):
                S[at(PAINT + c, i)] = f4(0)
        S[at(Row.LINE, i)] = line
    for i in range(count):
        S[at(Row.COVER, i)] = brow_cover(textures.brows, S[at(Attribute.FACE_X, i)], S[at(Attribute.FACE_Y, i)],
                                         strengths, S, Row.RESULT, i)
        shown[i] = _label(S, i, textures.skin, strengths)


@kernel(error_model="numpy")
def _cover_skin(S: Floats, count: int, strengths: Floats) -> None:
    """How much of every sample each layer of skin covers, and where lines and pores lean it."""
    flushed = (FLUSH_OF_BLUSH[0] + FLUSH_OF_BLUSH[1] * strengths[Strength.BLUSH]) * strengths[Strength.FLUSH]
    mottled, unshaven, pored = strengths[Strength.MOTTLE], strengths[Strength.STUBBLE], strengths[Strength.PORES]
    unshaven *= UNSHAVEN[0] + UNSHAVEN[1] * unshaven
    jaw, chin, moustache = strengths[Strength.JAW], strengths[Strength.CHIN], strengths[Strength.MOUSTACHE]
    hairy, offset, recession = strengths[Strength.SCALP], strengths[Strength.HAIRLINE], strengths[Strength.RECESSION]
    for i in range(count):
        S[at(Row.MOTTLED, i)] = signed(S[at(TEXEL + Texture.MOTTLE, i)]) * mottled
        S[at(Row.FLUSHED, i)] = signed(S[at(TEXEL + Texture.FLUSH, i)]) * flushed
        on_jaw, on_chin = S[at(TEXEL + Texture.JAW, i)], S[at(TEXEL + Texture.CHIN, i)]
        on_lip = S[at(TEXEL + Texture.MOUSTACHE, i)]
        grows, strand = clamp01(on_jaw + on_chin + on_lip), S[at(TEXEL + Texture.STRANDS, i)]
        S[at(Row.STUBBLE, i)] = grows * (STUBBLE[0] + STUBBLE[1] * S[at(TEXEL + Texture.DOTS, i)]) * unshaven
        beard = max(on_jaw * jaw, max(on_chin * chin, on_lip * moustache))
        thick = beard * (THICK[0] + THICK[1] * beard)
        # thin beards are single hairs
        S[at(Row.BEARD, i)] = clamp01(thick * (f4(1) + BEARD_STRANDS * (strand - f4(0.5)) * (BEARD_CLOSED - thick)))
        even = S[at(TEXEL + Texture.SCALP, i)]
        scalp = _scalp(even + recession * (S[at(TEXEL + Texture.RECEDED, i)] - even), offset)
        S[at(Row.PAINTED_HAIR, i)] = clamp01(scalp * (SCALP_STRANDS[0] + SCALP_STRANDS[1] * strand)) * hairy
        pores, line = pored * (f4(1) - scalp * hairy), S[at(Row.LINE, i)]
        S[at(Row.LEANS_X, i)] = (signed(S[at(PAINT + Canvas.LEAN_X, i)]) * line
                                 + signed(S[at(TEXEL + Texture.PORES_X, i)]) * pores)
        S[at(Row.LEANS_Y, i)] = (signed(S[at(PAINT + Canvas.LEAN_Y, i)]) * line
                                 + signed(S[at(TEXEL + Texture.PORES_Y, i)]) * pores)


@kernel(error_model="numpy")
def _paint_skin(S: Floats, count: int, palette: Palette) -> None:
    """Diffuse colour of skin with everything painted on it.

    Painted hair is darker than cards of the same colour: short hairs shadow each other, fair ones less, which pass
    the light on.
    """
    colours, strengths = palette.colours, palette.strengths
    circles, freckles, moles = strengths[Strength.CIRCLES], strengths[Strength.FRECKLES], strengths[Strength.MOLES]
    blush, eye_shadow, depth = strengths[Strength.BLUSH], strengths[Strength.EYE_SHADOW], strengths[Strength.BROW_DEPTH]
    liner = LINER + strengths[Strength.LINER] + LINER_OF_LASHES * strengths[Strength.LASHES]
    light_skin, light_hair = pale(colours), fair(colours)
    stubbly, bearded = STUBBLY[0] + STUBBLY[1] * light_hair, BEARDED[0] + BEARDED[1] * light_hair
    shorn = SHORN[0] + SHORN[1] * light_hair
    for c in range(3):
        tone, hair, shadow = colours[Colour.SKIN, c], colours[Colour.HAIR, c], colours[Colour.EYE_SHADOW, c]
        hollow, spot = HOLLOW[c], SPOT[c]
        natural = mix(LIP_OF_DARK_SKIN[c], LIP[c], colours[Colour.SKIN, 1] * LIP_FAIRNESS)
        lip = mix(tone * (natural - LIP_DARKER[c] * strengths[Strength.LIP_TONE]), colours[Colour.LIPSTICK, c],
                  strengths[Strength.LIPSTICK])
        flushed, blushed, inside, ring = tone * FLUSHED[c], tone * BLUSHED[c], tone * INSIDE[c], RING[c] * circles
        freckle = spot * freckles * (FRECKLES[0] + FRECKLES[1] * light_skin)
        mole = moles * (MOLES[0] + MOLES[1] * spot)
        browed = colours[Colour.BROW, c] * (BROWED[0] + BROWED[1] * depth)
        for i in range(count):
            strand = S[at(TEXEL + Texture.STRANDS, i)]
            a = mix(tone * (f4(1) + S[at(Row.MOTTLED, i)] * MOTTLED), flushed, S[at(Row.FLUSHED, i)])
            a *= f4(1) - S[at(TEXEL + Texture.SHADE, i)] * hollow
            a *= f4(1) - S[at(PAINT + Canvas.GROOVE, i)] * S[at(Row.LINE, i)] * hollow * IN_GROOVE
            a *= f4(1) - S[at(PAINT + Canvas.CIRCLES, i)] * ring
            a *= f4(1) - S[at(PAINT + Canvas.FRECKLES, i)] * freckle
            a *= f4(1) - S[at(PAINT + Canvas.MOLES, i)] * mole
            a = mix(a, lip, S[at(TEXEL + Texture.LIPS, i)] * LIPS_SEEN)
            a = mix(a, inside, S[at(TEXEL + Texture.INNER_MOUTH, i)])
            a = mix(a, blushed, S[at(PAINT + Canvas.BLUSH, i)] * blush * BLUSH_SEEN)
            a = mix(a, shadow, S[at(PAINT + Canvas.EYE_SHADOW, i)] * eye_shadow)
            a = mix(a, BLACK, S[at(PAINT + Canvas.LINER, i)] * liner)
            a = mix(a, hair * stubbly + tone * SKIN_BETWEEN, S[at(Row.STUBBLE, i)])
            a = mix(a, hair * (bearded + BEARDED_BY_STRAND * strand), S[at(Row.BEARD, i)])
            a = mix(a, hair * (shorn + SHORN_BY_STRAND * strand), S[at(Row.PAINTED_HAIR, i)])
            S[at(Row.RESULT + c, i)] = mix(a, browed, S[at(Row.COVER, i)])


@kernel(error_model="numpy")
def _light_skin(S: Floats, count: int, lights: Lights) -> None:
    """Diffuse light on skin, and its normal, leant by lines and pores.

    The light of the vertices follows to first order.
    """
    directions, colours = lights.directions, lights.colours
    for i in range(count):
        S[at(Row.RELIEF, i)] = SKY_RELIEF * S[at(Row.LEANS_Y, i)] * S[at(Attribute.OPEN, i)]
    for light in range(4):
        lx, ly, lz, green = directions[light, 0], directions[light, 1], directions[light, 2], colours[light, 1]
        for i in range(count):
            facing = S[at(Attribute.NX, i)] * lx + S[at(Attribute.NY, i)] * ly + S[at(Attribute.NZ, i)] * lz
            share = S[at(Attribute.LIT, i)] if light == 0 else S[at(Attribute.OPEN, i)]
            relief = LIGHT_RELIEF * green * share * (S[at(Row.LEANS_X, i)] * lx + S[at(Row.LEANS_Y, i)] * ly)
            S[at(Row.RELIEF, i)] += relief if facing > RELIEF_FACING else f4(0)
    for i in range(count):
        relief = S[at(Row.RELIEF, i)]
        for c in range(3):
            diffuse = S[at(Attribute.RED + c, i)]
            S[at(Row.RESULT + c, i)] *= max(diffuse + relief, DARKEST * diffuse)
        nx = S[at(Attribute.NX, i)] + SHINE_LEANS * S[at(Row.LEANS_X, i)]
        ny = S[at(Attribute.NY, i)] + SHINE_LEANS * S[at(Row.LEANS_Y, i)]
        nz = S[at(Attribute.NZ, i)]
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz)
        S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)] = nx * scale, ny * scale, nz * scale


@kernel(error_model="numpy")
def _shine_skin(S: Floats, count: int, palette: Palette, lights: Lights) -> None:
    """Add the GGX-like highlights of three lights; the darker the skin, the rougher."""
    directions, colours, strengths = lights.directions, lights.colours, palette.strengths
    wetness, oil = WETNESS[1] * strengths[Strength.LIP_GLOSS] + WETNESS[0], strengths[Strength.OIL]
    light_skin = pale(palette.colours)
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        red, green, blue = colours[light, 0], colours[light, 1], colours[light, 2]
        for i in range(count):
            nx, ny, nz = S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)]
            vx, vy, vz = S[at(Row.VIEW_X, i)], S[at(Row.VIEW_Y, i)], S[at(Row.VIEW_Z, i)]
            wet = S[at(TEXEL + Texture.LIPS, i)] * wetness
            gloss = max(S[at(TEXEL + Texture.GLOSS, i)] + wet, f4(0)) * (GLOSS_OF_OIL[0] + GLOSS_OF_OIL[1] * oil)
            rough = max(ROUGH - ROUGH_PALE * light_skin - ROUGH_GLOSS * gloss - ROUGH_OIL * oil, SMOOTHEST)
            a2 = rough * rough * rough * rough
            view = nx * vx + ny * vy + nz * vz
            facing = max(nx * lx + ny * ly + nz * lz, f4(0))
            along = lx * vx + ly * vy + lz * vz
            half = f4(1) / math.sqrt(f4(2) + f4(2) * along + f4(1e-6))
            nh = max((facing + view) * half, f4(0))
            spread = nh * nh * (a2 - f4(1)) + f4(1)
            grazing = max(f4(1) - (f4(1) + along) * half, f4(0))
            base = REFLECTED + REFLECTED_WET * max(wet, f4(0)) + (REFLECTED_KEY * gloss if light == 0 else f4(0))
            fresnel = base + (f4(1) - base) * grazing * grazing * grazing * grazing * grazing
            share = S[at(Attribute.LIT, i)] if light == 0 else S[at(Attribute.OPEN, i)]
            hairy = max(S[at(Row.COVER, i)], max(S[at(Row.BEARD, i)], S[at(Row.PAINTED_HAIR, i)]))
            s = a2 / (PI * spread * spread) * fresnel * facing * SHINE * share * (f4(1) - MATTE * hairy)
            S[at(Row.RESULT, i)] += red * s
            S[at(Row.RESULT + 1, i)] += green * s
            S[at(Row.RESULT + 2, i)] += blue * s


@kernel(error_model="numpy")
def shade_skin(S: Floats, count: int, palette: Palette, lights: Lights) -> None:
    """Linear colour of samples of skin that were looked up."""
    _cover_skin(S, count, palette.strengths)
    _paint_skin(S, count, palette)
    _light_skin(S, count, lights)
    _shine_skin(S, count, palette, lights)
