"""The shape sliders of the head: which displacement targets each one drives, and how far."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShapeSlider:
    """One slider of the head's shape, driven by a weight in -1..1.

    Attributes:
        name: ``region.what``, unique.
        label: what an artist reads.
        negative: target for weights below 0, relative to the target folder; None for a one-sided slider.
        positive: target for weights above 0. ``{s}`` stands for left and right together.
        gain: target weight at full deflection.
        tooltip: what the ends mean.
    """

    name: str
    label: str
    negative: str | None
    positive: str
    gain: float
    tooltip: str


ENDS = {("decr", "incr"): "less to more", ("down", "up"): "down to up", ("in", "out"): "in to out",
        ("backward", "forward"): "back to front", ("concave", "convex"): "hollow to bulging",
        ("compress", "uncompress"): "compressed to stretched", ("round", "pointed"): "round to pointed",
        ("square", "triangle"): "square to triangular"}

# Full target weight on every slider at once makes monsters; these keep most random faces human.
REGION_GAIN = {"head": 0.42, "forehead": 0.40, "eyebrows": 0.65, "eyes": 0.55, "nose": 0.45, "mouth": 0.45,
               "cheek": 0.60, "chin": 0.45, "ears": 0.45, "neck": 0.40}
SLIDER_GAIN = {"neck.double": 0.65, "head.age": 0.45, "head.fat": 0.60, "forehead.nubian": 0.30,
               "mouth.scale_depth": 0.40, "mouth.upperlip_height": 0.70, "mouth.upperlip_ext": 0.80,
               "mouth.upperlip_middle": 0.60, "mouth.dimples": 0.75, "mouth.lowerlip_ext": 0.65,
               "mouth.upperlip_volume": 0.60, "eyes.corner1": 0.85, "nose.width1": 0.90, "nose.width2": 1.15,
               "nose.greek": 0.80, "nose.curve": 0.80, "eyes.fold_angle": 0.75, "eyes.fold_shape": 1.05,
               "eyes.bag_depth": 0.90, "head.back_depth": 0.50, "nose.septum_angle": 0.75,
               "nose.trans_backward": 0.50, "nose.compression": 1.20, "nose.flaring": 0.60,
               "nose.volume": 0.60, "ears.scale_depth": 0.70, "chin.cleft": 0.65, "eyes.epicanthus": 0.80,
               "chin.prognathism": 0.45, "ears.wing": 0.80, "nose.scale_horiz": 0.62, "nose.tip_height": 0.60,
               "nose.nostrils_angle": 0.60, "eyes.fold_height": 0.75, "eyes.corner2": 0.70, "eyes.bag": 0.70,
               "eyes.height": 0.70, "forehead.temple": 0.52, "forehead.depth": 0.52, "eyebrows.angle": 0.80,
               "eyebrows.height": 0.80}

# region, target stem ({s}- first where left and right are separate files), and rows of
# "name | target | negative end | positive end | label"; the ends default to decr and incr, the target to the
# name.
_TABLE: tuple[tuple[str, str, str], ...] = (
    ("head", "head/head-", """
        age | | | | Age of the skull
        fat | | | | Fat
        scale_depth | scale-depth | | | Depth
        scale_horiz | scale-horiz | | | Width
        scale_vert | scale-vert | | | Height
        back_depth | back-scale-depth | | | Depth of the back
        angle | angle | in | out | Tilt of the face"""),
    ("forehead", "forehead/forehead-", """
        nubian | | | | Slope
        scale_vert | scale-vert | | | Height
        temple | | | | Temples
        depth | trans | backward | forward | Depth"""),
    ("eyebrows", "eyebrows/eyebrows-", """
        angle | | down | up | Angle
        depth | trans | backward | forward | Depth
        height | trans | down | up | Height"""),
    ("eyes", "eyes/{s}-eye-", """
        bag | | | | Bag swelling
        bag_height | bag-height | | | Bag height
        height1 | | | | Opening, inner
        height2 | | | | Opening, middle
        height3 | | | | Opening, outer
        scale | | | | Size
        bag_depth | bag | in | out | Bag depth
        corner1 | | down | up | Inner corner
        corner2 | | down | up | Outer corner
        epicanthus | | in | out | Inner fold
        fold_angle | eyefold-angle | down | up | Angle of the lid fold
        fold_shape | eyefold | concave | convex | Shape of the lid fold
        fold_height | eyefold | down | up | Height of the lid fold
        push1 | | in | out | Inner width
        push2 | | in | out | Outer width
        height | trans | down | up | Height
        distance | trans | in | out | Distance"""),
    ("nose", "nose/nose-", """
        base | | down | up | Base
        compression | | compress | uncompress | Compression
        curve | | concave | convex | Curve of the bridge
        nostrils_angle | nostrils-angle | down | up | Angle of the nostrils
        tip_height | point | down | up | Height of the tip
        trans_backward | trans | backward | forward | Depth
        height | trans | down | up | Height
        flaring | | | | Flare of the nostrils
        greek | | | | Straightness of the root
        hump | | | | Hump
        nostrils_width | nostrils-width | | | Width of the nostrils
        tip_width | point-width | | | Width of the tip
        scale_depth | scale-depth | | | Length forward
        scale_horiz | scale-horiz | | | Width
        scale_vert | scale-vert | | | Length
        septum_angle | septumangle | | | Angle of the septum
        volume | | | | Volume
        width1 | | | | Width at the root
        width2 | | | | Width of the bridge
        width3 | | | | Width of the wings"""),
    ("mouth", "mouth/mouth-", """
        angles | | down | up | Corners
        dimples | | in | out | Dimples
        laugh_lines | laugh-lines | in | out | Laugh lines
        lowerlip_ext | lowerlip-ext | down | up | Lower lip, outer
        lowerlip_middle | lowerlip-middle | down | up | Lower lip, middle
        upperlip_ext | upperlip-ext | down | up | Upper lip, outer
        upperlip_middle | upperlip-middle | down | up | Upper lip, middle
        depth | trans | backward | forward | Depth
        height | trans | down | up | Height
        cupidsbow | | | | Cupid's bow
        cupidsbow_width | cupidsbow-width | | | Width of Cupid's bow
        lowerlip_height | lowerlip-height | | | Height of the lower lip
        lowerlip_volume | lowerlip-volume | | | Volume of the lower lip
        lowerlip_width | lowerlip-width | | | Width of the lower lip
        philtrum | philtrum-volume | | | Philtrum
        scale_depth | scale-depth | | | Fullness
        scale_horiz | scale-horiz | | | Width
        scale_vert | scale-vert | | | Size
        upperlip_height | upperlip-height | | | Height of the upper lip
        upperlip_volume | upperlip-volume | | | Volume of the upper lip
        upperlip_width | upperlip-width | | | Width of the upper lip"""),
    ("cheek", "cheek/{s}-cheek-", """
        bones | | | | Cheekbones
        inner | | | | Inner cheeks
        height | trans | down | up | Height
        volume | | | | Volume"""),
    ("chin", "chin/chin-", """
        bones | | | | Jaw corners
        cleft | | | | Cleft
        height | | | | Height
        jaw_drop | jaw-drop | | | Length of the jaw
        prognathism | | | | Prognathism
        prominent | | | | Prominence
        width | | | | Width"""),
    ("ears", "ears/{s}-ear-", """
        flap | | | | Flap
        lobe | | | | Lobe
        tilt | rot | backward | forward | Tilt
        scale | | | | Size
        scale_depth | scale-depth | | | Depth
        scale_vert | scale-vert | | | Height
        pointed | shape | round | pointed | Pointed top
        triangle | shape | square | triangle | Triangular shape
        depth | trans | backward | forward | Position, depth
        height | trans | down | up | Position, height
        wing | | | | Wing"""),
    ("neck", "neck/neck-", """
        double | | | | Double chin
        scale_depth | scale-depth | | | Depth
        scale_horiz | scale-horiz | | | Width
        scale_vert | scale-vert | | | Length"""),
)
# The four two-sided sliders that move the picture least: they can be neither recovered nor missed.
LEFT_OUT = frozenset({"mouth.philtrum", "nose.tip_width", "mouth.cupidsbow_width", "mouth.cupidsbow"})


def _rows() -> list[ShapeSlider]:
    sliders = []
    for region, stem, text in _TABLE:
        for line in text.strip().splitlines():
            what, target, low, high, label = (cell.strip() for cell in line.split("|"))
            name = f"{region}.{what}"
            path, low, high = stem + (target or what), low or "decr", high or "incr"
            sliders.append(ShapeSlider(name, label, f"{path}-{low}", f"{path}-{high}",
                                       SLIDER_GAIN.get(name, REGION_GAIN[region]),
                                       f"{label}: {ENDS[low, high]}"))
    return [s for s in sliders if s.name not in LEFT_OUT]


SHAPE_SLIDERS: tuple[ShapeSlider, ...] = tuple(_rows())
"""The 94 two-sided sliders, region by region."""

ANCESTRIES = ("asian", "african", "caucasian")
"""One-sided sliders from the average of all three towards one of them."""

COMPOSED = ("person.gender", "person.age", *(f"person.{a}" for a in ANCESTRIES), "chin.jowls")
"""Displacements composed of several targets; gender and jowls are two-sided."""

EXPRESSIONS: dict[str, dict[str, float]] = {
    "smile": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5,
              "eyeSquintLeft": 0.2, "eyeSquintRight": 0.2},
    "jaw_open": {"jawOpen": 0.6},
    "brows_up": {"browInnerUp": 0.7, "browOuterUpLeft": 0.7, "browOuterUpRight": 0.7},
    "frown": {"browDownLeft": 0.8, "browDownRight": 0.8},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
}
"""Expressions a face can be drawn with, made of facial action units; no part of a character."""
