"""The eyeball: white, iris, pupil and catch lights.

Angles are radians from the axis of the gaze, distances decimetres. Pairs of figures are a value and its change per unit
of what the comment says. Triples are of red, green and blue.
"""

import math

from facenn.arrays import Floats
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.sampling import Row, at, clamp01, half_dot, mix, smooth
from facenn.engine.kernels.tables import Lights, Palette, f4
from facenn.engine.layout import Attribute, Colour, Strength

# the iris
RIM = (f4(0.34), f4(0.14))  # its angle, by its size
RIM_OUT, RIM_IN = f4(0.012), f4(0.035)  # angles over which it passes into the white
INNER_FROM, INNER_OVER, INNER_SEEN = f4(0.9), f4(0.5), f4(0.55)  # of the rim: the inner colour's edge and its width
LIMBUS, LIMBUS_FROM = (f4(0.30), f4(0.70)), f4(0.72)  # light left in the dark ring, by how far inside; of the rim
PUPIL = (f4(0.30), f4(0.40))  # of the rim: where it ends, and where the iris is full
BLACK = f4(0.006)  # light of the pupil
FROM_ABOVE, ABOVE_FROM, ABOVE_OVER = (f4(1.15), f4(-0.45)), f4(0.3), f4(0.65)  # light through the cornea, by height
# fibres: their mean light, and amplitude and count around of two kinds; the first wave to and fro, the second spiral
FIBRE = f4(0.5)
WAVES, WAVES_AROUND, SWING, SWINGS_AROUND = f4(0.22), f4(31), f4(3), f4(7)
SPIRALS, SPIRALS_AROUND, SPIRAL = f4(0.20), f4(53), f4(20)
OUTER_SEEN = (f4(0.55), f4(0.60))  # of the outer colour, by the fibre

# the white
ROUND, ROUND_OVER = f4(0.42), f4(0.75)  # light lost towards its edge, and the angle over which
VEIN_FROM, VEIN_OVER, VEIN = f4(0.60), f4(0.5), (f4(0.25), f4(0.45))  # redness, by how far to the nose
VEINS = (f4(0.42), f4(0.24), f4(0.24))
CARUNCLE_FROM, CARUNCLE_FULL, CARUNCLE = f4(0.62), f4(0.80), f4(0.8)  # the red corner, by how far to the nose
CARUNCLES = (f4(0.40), f4(0.19), f4(0.19))

# what lids and lashes shade: light lost at the lid, and how fast it comes back per decimetre
UPPER_LID, UPPER_REACH = f4(0.48), f4(45)
LOWER_LID, LOWER_REACH = f4(0.22), f4(110)
FRINGE, FRINGE_REACH = (f4(0.20), f4(0.42)), f4(90)  # of the lashes, by their length: most at their roots
DARKEST = f4(0.04)

# what shines
CORNEA, CORNEA_EDGE = f4(0.25), f4(0.07)  # how far it bulges, and its angle beyond the iris
WET, WET_REACH = f4(0.10), f4(400)  # line on the lower lid
LAMP, LAMP_SHARPNESS = f4(1.2), 1600  # reflection of the lamp
ROOM, ROOM_SHARPNESS = f4(0.016), 40  # and of what is around it, on the iris
LID_EDGE = f4(60)  # per decimetre: how fast the shine begins below the upper lid


@kernel(error_model="numpy")
def shade_eyes(S: Floats, count: int, palette: Palette, lights: Lights) -> None:
    """White, iris with fibres and limbal ring, pupil, catch lights, by the angle from the gaze axis.

    Lids shade the ball, by their distance, and the lower one carries a wet line.
    """
    colours, strengths = palette.colours, palette.strengths
    rim = RIM[0] + RIM[1] * strengths[Strength.IRIS_SIZE]
    fringe = FRINGE[0] + FRINGE[1] * strengths[Strength.LASHES]
    for i in range(count):
        above, below = S[at(Row.ABOVE, i)], S[at(Row.BELOW, i)]
        # the eye's own frame turns with the head, its light does not
        ex, ey, ez = S[at(Attribute.FACE_X, i)], S[at(Attribute.FACE_Y, i)], S[at(Attribute.V, i)]
        length = f4(1) / math.sqrt(ex * ex + ey * ey + ez * ez + f4(1e-12))
        ex, ey, ez = ex * length, ey * length, ez * length
        angle, around = f4(math.acos(min(max(ez, f4(-1)), f4(1)))), math.atan2(ey, ex)
        fibre = (FIBRE + WAVES * math.sin(around * WAVES_AROUND + SWING * math.sin(around * SWINGS_AROUND))
                 + SPIRALS * math.sin(around * SPIRALS_AROUND + angle * SPIRAL))
        iris = smooth(rim + RIM_OUT, rim - RIM_IN, angle)
        inner = clamp01((rim * INNER_FROM - angle) / (rim * INNER_OVER)) * INNER_SEEN
        limbus = LIMBUS[0] + LIMBUS[1] * smooth(rim, rim * LIMBUS_FROM, angle)
        pupil = smooth(rim * PUPIL[0], rim * PUPIL[1], angle)
        white = f4(1) - ROUND * clamp01((angle - rim) / ROUND_OVER)
        inwards = clamp01(-ex * S[at(Attribute.U, i)])  # u tells on which side of the nose the eye lies
        vein = clamp01((angle - VEIN_FROM) / VEIN_OVER) * (VEIN[0] + VEIN[1] * inwards)
        caruncle = smooth(CARUNCLE_FROM, CARUNCLE_FULL, inwards) * CARUNCLE
        from_above = FROM_ABOVE[0] + FROM_ABOVE[1] * clamp01((ey + ABOVE_FROM) / ABOVE_OVER)
        lid = f4(1) - UPPER_LID * math.exp(-above * UPPER_REACH) - LOWER_LID * math.exp(-below * LOWER_REACH)
        lid = max(lid - fringe * math.exp(-above * FRINGE_REACH), DARKEST)
        for c in range(3):
            coloured = (colours[Colour.IRIS_OUTER, c] * (OUTER_SEEN[0] + OUTER_SEEN[1] * fibre) * (f4(1) - inner)
                        + colours[Colour.IRIS_INNER, c] * inner) * limbus
            coloured = (BLACK * (f4(1) - pupil) + coloured * pupil) * from_above
            sclera = colours[Colour.SCLERA, c] * white
            sclera = mix(sclera, VEINS[c], vein)
            sclera = mix(sclera, CARUNCLES[c], caruncle)
            S[at(Row.RESULT + c, i)] = mix(sclera, coloured, iris) * S[at(Attribute.RED + c, i)] * lid
        nx, ny, nz = S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)]
        bulge = nz + CORNEA * clamp01((rim + CORNEA_EDGE - angle) / (rim + CORNEA_EDGE))
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + bulge * bulge)
        nx, ny, nz = nx * scale, ny * scale, bulge * scale
        wet = math.exp(-below * WET_REACH) * WET
        for light in range(2):
            lx, ly, lz = lights.directions[light, 0], lights.directions[light, 1], lights.directions[light, 2]
            shine = max(half_dot(lx, ly, lz, S[at(Row.VIEW_X, i)], S[at(Row.VIEW_Y, i)], S[at(Row.VIEW_Z, i)],
                                 nx, ny, nz), f4(0))
            gleam = shine ** LAMP_SHARPNESS * LAMP + iris * shine ** ROOM_SHARPNESS * ROOM
            catch = (gleam + wet * clamp01(lz)) * clamp01(above * LID_EDGE)
            for c in range(3):
                S[at(Row.RESULT + c, i)] += catch * lights.colours[light, c]
