"""Materials that show nothing but diffuse light: mouth, cloth and lashes."""

import math

from facenn.arrays import Floats
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.sampling import Row, at, mix
from facenn.engine.kernels.tables import f4
from facenn.engine.layout import Attribute, Colour, Material

DEEP_MOUTH = (f4(0.20), f4(0.10), f4(0.11))  # of the skin's red, green and blue, between lips that hardly part
TEETH = (f4(0.66), f4(0.60), f4(0.52))  # linear red, green and blue
PARTED = f4(30)  # per decimetre below the upper lip: how fast teeth come to light
COLLAR, COLLAR_REACH = f4(0.55), f4(9)  # share of the shirt's colour at its edge, and its rise per decimetre
LASH, LASH_OF_HAIR = f4(0.010), f4(0.12)  # light of lashes, and their share of the hair's colour


@kernel(error_model="numpy")
def shade_plain(S: Floats, kind: int, count: int, colours: Floats) -> None:
    """Linear colour of samples of one of these materials."""
    for c in range(3):
        tone, cloth, hair = colours[Colour.SKIN, c], colours[Colour.CLOTH, c], colours[Colour.HAIR, c]
        for i in range(count):
            if kind == Material.MOUTH:
                seen = f4(1) - math.exp(-S[at(Row.ABOVE, i)] * PARTED)
                a = mix(DEEP_MOUTH[c] * tone, TEETH[c], seen)
            elif kind == Material.CLOTH:
                a = cloth * min(COLLAR + S[at(Attribute.U, i)] * COLLAR_REACH, f4(1))
            else:
                a = LASH + LASH_OF_HAIR * hair
            S[at(Row.RESULT + c, i)] = a * S[at(Attribute.RED + c, i)]
