"""What stands where in every table, map and texture that the engine's rooms hand to each other.

Each order is written once. Lengths are counted from the names, never written beside them.
"""

from dataclasses import dataclass
from enum import IntEnum, auto


class Label(IntEnum):
    """Values of a label map."""

    BACKGROUND = 0
    SKIN = auto()
    BROW = auto()
    EYE = auto()
    NOSE = auto()
    UPPER_LIP = auto()
    LOWER_LIP = auto()
    INNER_MOUTH = auto()
    EAR = auto()
    NECK = auto()
    HAIR = auto()
    CLOTH = auto()


LABELS: tuple[str, ...] = tuple(label.name.lower().replace("_", " ") for label in Label)
"""Meaning of the values of a label map, in words."""


class Material(IntEnum):
    """What a triangle is made of; those from CLOTH on are cut out by a test on their texture."""

    SKIN = 0
    EYE = auto()
    MOUTH = auto()
    CLOTH = auto()
    HAIR = auto()
    LASH = auto()


LABEL_OF_MATERIAL: dict[Material, Label] = {
    Material.SKIN: Label.SKIN,  # unless the skin texture or a brow says otherwise
    Material.EYE: Label.EYE,
    Material.MOUTH: Label.INNER_MOUTH,
    Material.CLOTH: Label.CLOTH,
    Material.HAIR: Label.HAIR,
    Material.LASH: Label.EYE,
}


class Attribute(IntEnum):
    """Columns of the table of vertices, which are interpolated over a triangle."""

    U = 0  # place in the texture; of the shirt, decimetres below the collar; of an eye, 1 left and -1 right
    V = auto()  # of an eye, z in its own frame
    NX = auto()  # normal
    NY = auto()
    NZ = auto()
    RED = auto()  # diffuse light
    GREEN = auto()
    BLUE = auto()
    OPEN = auto()  # share of the sky that is open
    LIT = auto()  # share of the key light that arrives
    FACE_X = auto()  # place on the face canvas, 0..1; of an eye, x and y in its own frame
    FACE_Y = auto()


class Texture(IntEnum):
    """Channels of the skin texture, which is laid out by the head's texture coordinates."""

    MOTTLE = 0  # lighter and darker blotches
    FLUSH = auto()  # redness
    SHADE = auto()  # hollows, darker than their light says
    GLOSS = auto()
    LIPS = auto()
    INNER_MOUTH = auto()
    SCALP = auto()  # distance to the hairline
    RECEDED = auto()  # distance to a hairline with receding temples
    JAW = auto()  # where beard grows
    MOUSTACHE = auto()
    CHIN = auto()
    DOTS = auto()  # grain of stubble
    STRANDS = auto()  # grain of longer hair
    PORES_X = auto()  # how far the normal leans
    PORES_Y = auto()
    LABEL = auto()


SIGNED_TEXTURE = (Texture.MOTTLE, Texture.FLUSH, Texture.SCALP, Texture.RECEDED, Texture.PORES_X, Texture.PORES_Y)
"""Channels that mean -1..1, 128 = 0."""
HAIRLINE_RANGE = 40.0  # degrees above the hairline that SCALP and RECEDED reach at 1


class Canvas(IntEnum):
    """Channels of the face canvas: what is painted on the front of the face alone."""

    BLUSH = 0
    EYE_SHADOW = auto()
    LINER = auto()
    FRECKLES = auto()
    MOLES = auto()
    CIRCLES = auto()  # below the eyes
    LEAN_X = auto()  # how far lines lean the normal
    LEAN_Y = auto()
    GROOVE = auto()  # depth of lines
    ZONE = auto()  # 0, or 1 + the place in ``ZONES`` of the lines here
    PAINTED = auto()  # 0 where no other channel holds anything


SIGNED_CANVAS = (Canvas.LEAN_X, Canvas.LEAN_Y)
"""Channels that mean -1..1, 128 = 0."""
INTERPOLATED = int(Canvas.ZONE)
"""So many first channels of the canvas may be interpolated; a zone is a number."""


class Brow(IntEnum):
    """Channels of a brow map."""

    HAIRS = 0  # cover
    ALONG = auto()  # place along the brow: BROW_ALONG_LOW to BROW_ALONG_LOW + BROW_ALONG_RANGE; 0 inner end, 1 tail
    ACROSS = auto()  # distance from its middle line: 0 to BROW_ACROSS_RANGE half thicknesses


BROW_ALONG_LOW, BROW_ALONG_RANGE, BROW_ACROSS_RANGE = -0.25, 1.5, 4.0


class Colour(IntEnum):
    """Rows of a look's table of colours."""

    SKIN = 0
    HAIR = auto()
    BROW = auto()
    LIPSTICK = auto()
    EYE_SHADOW = auto()
    IRIS_OUTER = auto()
    IRIS_INNER = auto()
    CLOTH = auto()
    SCLERA = auto()


class Strength(IntEnum):
    """Entries of a look's table of strengths."""

    LIPSTICK = 0
    BLUSH = auto()
    EYE_SHADOW = auto()
    LINER = auto()
    FRECKLES = auto()
    MOLES = auto()
    CIRCLES = auto()
    STUBBLE = auto()
    MOUSTACHE = auto()
    CHIN = auto()
    JAW = auto()
    SCALP = auto()  # cover of hair painted on it
    HAIRLINE = auto()  # degrees upwards
    RECESSION = auto()  # of the temples
    FLUSH = auto()
    MOTTLE = auto()
    PORES = auto()
    OIL = auto()
    LIP_TONE = auto()
    LIP_GLOSS = auto()
    BROW_DENSITY = auto()
    BROW_THICKNESS = auto()
    BROW_LENGTH = auto()
    BROW_DEPTH = auto()  # of colour
    BROW_GAP = auto()
    BROW_LIFT = auto()
    BROW_SLANT = auto()
    BROW_ARCH = auto()
    BROW_TAPER = auto()
    IRIS_SIZE = auto()
    LASHES = auto()
    LINES_FOLDS = auto()  # the lines of the face, zone by zone, stand last
    LINES_FOREHEAD = auto()
    LINES_CORNERS = auto()
    LINES_FROWN = auto()
    LINES_MOUTH = auto()
    LINES_BAGS = auto()
    LINES_NECK = auto()
    LINES_CREASE = auto()


_LINES = "LINES_"
ZONES: tuple[str, ...] = tuple(entry.name.removeprefix(_LINES).lower() for entry in Strength
                               if entry.name.startswith(_LINES))
"""Zones of lines and folds of the face, in the order of their strengths."""
FIRST_ZONE = len(Strength) - len(ZONES)
"""Entry of the strengths at which the zones begin."""


@dataclass(frozen=True)
class Frame:
    """What a map covers of the front of the face, seen straight on.

    Attributes:
        left: x of its left edge in decimetres.
        right: x of its right edge.
        low: y of its lower edge.
        high: y of its upper edge.
        scale: pixels per decimetre.
    """

    left: float
    right: float
    low: float
    high: float
    scale: int

    @property
    def width(self) -> float:
        """Decimetres."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Decimetres."""
        return self.high - self.low

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return round(self.height * self.scale), round(self.width * self.scale)


CANVAS_FRAME = Frame(left=-0.8, right=0.8, low=6.0, high=8.2, scale=400)
"""At 512 pixels a picture has half of this resolution."""
BROW_FRAME = Frame(left=-0.75, right=0.75, low=7.25, high=7.80, scale=500)
