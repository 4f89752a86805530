"""Cards of hair.

Pairs of figures are a value and its change per unit of what the comment says, 0..1.
"""

import math

from facenn.arrays import Floats
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.sampling import TEXEL, HairRow, Row, at, clamp01, fair, half_dot
from facenn.engine.kernels.tables import Lights, Palette, f4
from facenn.engine.layout import Attribute, Colour

DOWN_Y, DOWN_Z = f4(-0.989), f4(0.148)  # where strands fall: down and a little forward
CONTRAST, TEXTURE_RANGE = (f4(1.1), f4(-0.4)), f4(1.6)  # of the strands' texture, by how fair they are
DEEP = (f4(0.35), f4(0.5))  # light that reaches closed layers, by the hair's own colour: they are more saturated
DIFFUSE = f4(1.15)  # of the light of the vertices
SHARE_OF_KEY = (f4(0.45), f4(0.55))  # of the key light, by how much of it arrives
SHARE = (f4(0.3), f4(0.7))  # of other lights, by openness
WRAP, WRAPPED = (f4(0.45), f4(0.55)), f4(0.40)  # light around strands, by how they face the lamp; of the lamp
SHINE_FROM, SHINE_OVER = f4(0.2), f4(1.0)  # cosine to the lamp at which highlights begin, less; and over which
SHINE_OF_STRAND = (f4(0.3), f4(1.4))  # by how much brighter the strand is than the mean
COLOURED_SHINE = f4(0.30)  # wide highlight in the colour of the hair
WHITE_SHINE, WHITE_OF_FAIR = f4(0.028), f4(0.5)  # narrow one in that of the lamp, and what fair hair lacks of it


@kernel(error_model="numpy")
def shade_hair(S: Floats, count: int, palette: Palette, lights: Lights) -> None:
    """Kajiya-Kay around a tangent that falls with gravity along the surface, over light that wraps around strands.

    Deep layers, where the sky is shut out, are darker and more saturated: light reaches them through other strands.
    Fair strands scatter more light, so they keep less of their texture.
    """
    light_hair = fair(palette.colours)
    contrast = CONTRAST[0] + CONTRAST[1] * light_hair
    for i in range(count):
        nx, ny, nz = S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)]
        away = nx * S[at(Row.VIEW_X, i)] + ny * S[at(Row.VIEW_Y, i)] + nz * S[at(Row.VIEW_Z, i)] < f4(0)
        turn = f4(-1) if away else f4(1)
        nx, ny, nz = nx * turn, ny * turn, nz * turn
        down = DOWN_Y * ny + DOWN_Z * nz
        tx, ty, tz = -nx * down, DOWN_Y - ny * down, DOWN_Z - nz * down
        scale = f4(1) / math.sqrt(tx * tx + ty * ty + tz * tz + f4(1e-9))
        S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)] = nx, ny, nz
        S[at(HairRow.TANGENT, i)], S[at(HairRow.TANGENT + 1, i)] = tx * scale, ty * scale
        S[at(HairRow.TANGENT + 2, i)] = tz * scale
        S[at(HairRow.BRIGHT, i)] = f4(1) + contrast * (S[at(TEXEL, i)] - f4(0.5)) * TEXTURE_RANGE
    for c in range(3):
        colour = palette.colours[Colour.HAIR, c]
        for i in range(count):
            is_open = S[at(Attribute.OPEN, i)]
            strand = colour * S[at(HairRow.BRIGHT, i)] * (is_open + (f4(1) - is_open) * (DEEP[0] + DEEP[1] * colour))
            S[at(HairRow.COLOUR + c, i)] = strand
            S[at(Row.RESULT + c, i)] = strand * S[at(Attribute.RED + c, i)] * DIFFUSE
    for light in range(3):
        lx, ly, lz = lights.directions[light, 0], lights.directions[light, 1], lights.directions[light, 2]
        for i in range(count):
            is_open = S[at(Attribute.OPEN, i)]
            along = half_dot(lx, ly, lz, S[at(Row.VIEW_X, i)], S[at(Row.VIEW_Y, i)], S[at(Row.VIEW_Z, i)],
                             S[at(HairRow.TANGENT, i)], S[at(HairRow.TANGENT + 1, i)], S[at(HairRow.TANGENT + 2, i)])
            s = f4(1) - along * along
            s4 = s * s * s * s
            s12 = s4 * s4 * s4
            facing = S[at(Attribute.NX, i)] * lx + S[at(Attribute.NY, i)] * ly + S[at(Attribute.NZ, i)] * lz
            share = (SHARE_OF_KEY[0] + SHARE_OF_KEY[1] * S[at(Attribute.LIT, i)] if light == 0
                     else SHARE[0] + SHARE[1] * is_open)
            diffuse = clamp01(facing * WRAP[1] + WRAP[0]) * WRAPPED
            shine = clamp01((facing + SHINE_FROM) / SHINE_OVER)
            shine = (shine * shine * is_open * is_open
                     * (SHINE_OF_STRAND[0] + SHINE_OF_STRAND[1] * clamp01(S[at(HairRow.BRIGHT, i)] - f4(0.5))))
            S[at(HairRow.OF_COLOUR, i)] = share * (diffuse + COLOURED_SHINE * s12 * shine)
            S[at(HairRow.WHITE, i)] = share * WHITE_SHINE * (f4(1) - WHITE_OF_FAIR * light_hair) * s12 * s12 * shine
        for c in range(3):
            level = lights.colours[light, c]
            for i in range(count):
                S[at(Row.RESULT + c, i)] += level * (S[at(HairRow.COLOUR + c, i)] * S[at(HairRow.OF_COLOUR, i)]
                                                     + S[at(HairRow.WHITE, i)])
