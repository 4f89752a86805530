"""The embedded engine's characters as data: their schemas, and what each value means for the look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facenn.engine.hair.styles import HAIR_STYLES
from facenn.engine.head.sliders import ANCESTRIES, SHAPE_SLIDERS
from facenn.engine.layout import FIRST_ZONE, ZONES, Colour, Strength
from facenn.engine.skin.brows import BROW_STYLES
from facenn.errors import ConfigError
from facenn.schema import Choice, ParameterSchema, Slider

Named = Mapping[str, float | str]


@dataclass(frozen=True)
class Look:
    """How a head is coloured.

    Attributes:
        brow_style: key of ``facenn.engine.skin.brows.BROW_STYLES``.
        hair_style: key of ``facenn.engine.hair.styles.HAIR_STYLES``.
        colours: (rows, 3) linear RGB, rows ``facenn.engine.layout.Colour``.
        strengths: (entries,) of ``facenn.engine.layout.Strength``.
    """

    brow_style: str
    hair_style: str
    colours: NDArray[np.float32]
    strengths: NDArray[np.float32]


@dataclass(frozen=True)
class Character:
    """One editor: its parameters, and how their named values colour the head.

    Attributes:
        schema: sliders and choices. A slider whose name the head knows drives its shape.
        look: named values -> look.
    """

    schema: ParameterSchema
    look: Callable[[Named], Look]


REGION_LABELS = {"head": "Head", "forehead": "Forehead", "eyebrows": "Eyebrows", "eyes": "Eyes",
                 "nose": "Nose", "mouth": "Mouth", "cheek": "Cheeks", "chin": "Chin", "ears": "Ears",
                 "neck": "Neck"}

# What they mean to a fit, see ``facenn.schema``: by name, and for all of a group.
ROLES = {"person.gender": "sex", "person.age": "age", "skin.tone": "skin.tone", "skin.moles": "skin.marks",
         "hair.lightness": "hair.lightness", "hair.grey": "hair.grey", "iris.size": "iris.size"}
ROLES_OF_GROUPS = {"Lines": "lines", "Hair": "hair", "Iris": "iris", "Beard": "beard", "Make-up": "make-up"}


def _with_roles(sliders: tuple[Slider, ...]) -> tuple[Slider, ...]:
    return tuple(replace(s, role=ROLES.get(s.name, ROLES_OF_GROUPS.get(s.group, ""))) for s in sliders)


SHAPE = _with_roles((
    *(Slider(s.name, REGION_LABELS[s.name.split(".")[0]], s.label, tooltip=s.tooltip) for s in SHAPE_SLIDERS),
    Slider("person.gender", "Person", "Feminine to masculine", tooltip="Shape of the whole head, not hair or make-up"),
))
"""95 sliders: the shape of every character."""


def _amount(name: str, group: str, label: str, neutral: float, tooltip: str) -> Slider:
    """A slider from little to much."""
    return Slider(name, group, label, neutral, two_sided=False, tooltip=tooltip)


APPEARANCE = _with_roles((
    _amount("person.age", "Person", "Young to old", 0.0, "Shape of the whole head from about 20 to about 70 years; "
            "lines and grey hair have sliders of their own"),
    *(_amount(f"person.{a}", "Person", f"{a.capitalize()} features", 0.0, "Shape from the average of three ancestries "
              "towards one of them") for a in ANCESTRIES),
    Slider("chin.jowls", "Chin", "Flesh of the jaw", tooltip="Beside and below the mouth: lean to heavy"),
    _amount("skin.tone", "Skin", "Light to dark", 0.3, "From very fair to very dark skin"),
    Slider("skin.warmth", "Skin", "Cool to warm", tooltip="Undertone: pink to golden"),
    _amount("skin.redness", "Skin", "Redness", 0.4, "Of cheeks, nose, chin and ears"),
    _amount("skin.unevenness", "Skin", "Unevenness", 0.3, "Blotches of lighter and darker skin"),
    _amount("skin.pores", "Skin", "Texture", 0.3, "Smooth to coarse: pores and small bumps"),
    _amount("skin.gloss", "Skin", "Gloss", 0.4, "Powdered to oily"),
    _amount("skin.freckles", "Skin", "Freckles", 0.0, "On nose and cheeks"),
    _amount("skin.moles", "Skin", "Moles", 0.0, "A few dark spots"),
    _amount("age.folds", "Lines", "Nose to mouth", 0.15, "Nasolabial folds: smooth to deep"),
    _amount("age.forehead", "Lines", "Forehead", 0.0, "Lines across the forehead"),
    _amount("age.corners", "Lines", "Around the eyes", 0.0, "Crow's feet and fine lines below the eyes"),
    _amount("age.frown", "Lines", "Frown", 0.0, "Lines between the brows"),
    _amount("age.mouth", "Lines", "Around the mouth", 0.05, "Lines below its corners and above the lip"),
    _amount("age.neck", "Lines", "Neck", 0.1, "Rings around the neck"),
    _amount("eyes.bags", "Eyes", "Eye bags", 0.15, "Grooves and swelling below the eyes"),
    _amount("eyes.circles", "Eyes", "Dark circles", 0.2, "Darker skin below the eyes"),
    _amount("eyes.crease", "Eyes", "Lid crease", 0.5, "Fold of the upper lid: none to deep"),
    _amount("eyes.lashes", "Eyes", "Lashes", 0.35, "None to made-up"),
    _amount("eyes.sclera", "Eyes", "White of the eye", 0.25, "Bright to dull and reddish"),
    _amount("iris.size", "Iris", "Size", 0.5, "Small to large"),
    _amount("iris.lightness", "Iris", "Dark to light", 0.35, "Of the iris"),
    _amount("iris.hue", "Iris", "Brown over green to blue", 0.2, "Colour of the iris"),
    _amount("eyebrows.density", "Eyebrows", "Density", 0.55, "Sparse to dense hairs"),
    _amount("eyebrows.thickness", "Eyebrows", "Thickness", 0.4, "Narrow to wide"),
    _amount("eyebrows.length", "Eyebrows", "Length", 0.75, "How far the tail reaches"),
    Slider("eyebrows.gap", "Eyebrows", "Gap", tooltip="Inner ends close together to far apart"),
    Slider("eyebrows.lift", "Eyebrows", "Lift", tooltip="Hairs low to high on the bone"),
    Slider("eyebrows.slant", "Eyebrows", "Slant", tooltip="Tails low to high"),
    Slider("eyebrows.arch", "Eyebrows", "Arch", tooltip="Flat to arched"),
    Slider("eyebrows.taper", "Eyebrows", "Taper", tooltip="Thicker at the tail to thicker at the nose"),
    _amount("eyebrows.colour", "Eyebrows", "Depth of colour", 0.6, "Fair to dark"),
    _amount("hair.lightness", "Hair", "Black to blond", 0.3, "Of hair, brows and beard"),
    _amount("hair.redness", "Hair", "Redness", 0.2, "Ash to ginger"),
    _amount("hair.grey", "Hair", "Grey", 0.0, "None to white"),
    Slider("hair.hairline", "Hair", "Hairline", tooltip="Low to high forehead"),
    _amount("beard.stubble", "Beard", "Stubble", 0.0, "Shaved to a few days"),
    _amount("beard.moustache", "Beard", "Moustache", 0.0, "Density"),
    _amount("beard.chin", "Beard", "Chin", 0.0, "Density of the beard on the chin"),
    _amount("beard.jaw", "Beard", "Cheeks and jaw", 0.0, "Density of the beard along the jaw"),
    _amount("lips.tone", "Lips", "Depth of colour", 0.3, "Natural colour: pale to dark red"),
    _amount("lips.colour", "Make-up", "Lipstick", 0.0, "None to full red"),
    _amount("cheek.blush", "Make-up", "Blush", 0.0, "On the cheeks"),
    _amount("eyes.shadow", "Make-up", "Eye shadow", 0.0, "On the upper lids"),
    _amount("eyes.liner", "Make-up", "Eye liner", 0.0, "Along the lashes, the upper ones most"),
))

BROW_CHOICE = Choice("eyebrows.style", "Eyebrows", "Style", tuple(BROW_STYLES), "natural")
HAIR_CHOICE = Choice("hair.style", "Hair", "Style", tuple(HAIR_STYLES), "bald", role="hair")

# Linear RGB from very light to very dark skin, chosen to span human skin under the studio light.
SKIN_TONES = np.array([[0.62, 0.44, 0.37], [0.52, 0.335, 0.262], [0.40, 0.245, 0.178], [0.27, 0.155, 0.108],
                       [0.145, 0.082, 0.058], [0.052, 0.030, 0.023]])
HAIR_TONES = np.array([[0.011, 0.009, 0.008], [0.035, 0.020, 0.013], [0.091, 0.059, 0.031],
                       [0.205, 0.148, 0.071], [0.40, 0.33, 0.185]])
GREY, GREY_OF_BROWS = np.array([0.45, 0.445, 0.44]), 0.35  # brows turn grey later than hair
IRIS_HUES = np.array([[0.17, 0.070, 0.022], [0.13, 0.15, 0.055], [0.13, 0.21, 0.30]])
LIPSTICK, EYE_SHADOW, SHIRT = (0.38, 0.05, 0.07), (0.14, 0.06, 0.05), (0.30, 0.31, 0.33)
SCLERA_BRIGHT, SCLERA_DULL = np.array([0.50, 0.475, 0.45]), np.array([0.32, 0.25, 0.215])
NATURAL_GLOSS = 0.36  # of lips
HAIRLINE_REACH = 8.0  # degrees by which the slider moves the hairline either way


def _along(colours: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """The colour at 0..1 along a row of colours, even steps in log light."""
    at = value * (len(colours) - 1)
    return np.exp([np.interp(at, range(len(colours)), np.log(channel)) for channel in colours.T])


def _greyed(hair: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Hair of which a share is grey."""
    return hair + (GREY - hair) * share


def _colours(*, tone: NDArray[np.float64], hair: NDArray[np.float64], brow: NDArray[np.float64],
             iris: NDArray[np.float64], sclera: NDArray[np.float64]) -> NDArray[np.float32]:
    table = np.zeros((len(Colour), 3), np.float32)
    table[Colour.SKIN], table[Colour.HAIR], table[Colour.BROW] = tone, hair, brow
    table[Colour.LIPSTICK], table[Colour.EYE_SHADOW] = LIPSTICK, EYE_SHADOW
    table[Colour.IRIS_OUTER], table[Colour.IRIS_INNER] = iris, iris * 0.7 + np.array([0.07, 0.04, 0.012])
    table[Colour.CLOTH], table[Colour.SCLERA] = SHIRT, sclera
    return table


def _strengths(value: Callable[[str], float], hair_style: str) -> NDArray[np.float32]:
    """Every strength of the shader, from slider values.

    Squares, for what most people lack: of evenly drawn faces, most should show little of it. Beards grow a little
    faster, so that it shows where one begins.
    """
    strengths = np.zeros(len(Strength), np.float32)
    for entry, most, name in (
            (Strength.LIPSTICK, 0.8, "lips.colour"), (Strength.BLUSH, 0.8, "cheek.blush"),
            (Strength.EYE_SHADOW, 0.6, "eyes.shadow"), (Strength.LINER, 0.8, "eyes.liner"),
            (Strength.FRECKLES, 0.9, "skin.freckles"), (Strength.MOLES, 0.9, "skin.moles")):
        strengths[entry] = most * value(name) ** 2
    for entry, most, name in (
            (Strength.STUBBLE, 1.0, "beard.stubble"), (Strength.MOUSTACHE, 0.95, "beard.moustache"),
            (Strength.CHIN, 0.95, "beard.chin"), (Strength.JAW, 0.95, "beard.jaw")):
        strengths[entry] = most * value(name) ** 1.5
    for entry, most, name in (
            (Strength.CIRCLES, 1.0, "eyes.circles"), (Strength.FLUSH, 2.0, "skin.redness"),
            (Strength.MOTTLE, 1.0, "skin.unevenness"), (Strength.PORES, 0.5, "skin.pores"),
            (Strength.OIL, 1.0, "skin.gloss"), (Strength.LIP_TONE, 1.0, "lips.tone"),
            (Strength.BROW_DENSITY, 1.0, "eyebrows.density"),
            (Strength.BROW_THICKNESS, 1.0, "eyebrows.thickness"), (Strength.BROW_LENGTH, 1.0, "eyebrows.length"),
            (Strength.BROW_DEPTH, 1.0, "eyebrows.colour"), (Strength.IRIS_SIZE, 1.0, "iris.size"),
            (Strength.LASHES, 1.0, "eyes.lashes")):
        strengths[entry] = most * value(name)
    for zone, name in enumerate(ZONES):
        group = "eyes" if name in ("bags", "crease") else "age"
        strengths[FIRST_ZONE + zone] = value(f"{group}.{name}")
    for entry, reach, name in (
            (Strength.BROW_GAP, 1.0, "eyebrows.gap"), (Strength.BROW_LIFT, 1.0, "eyebrows.lift"),
            (Strength.BROW_SLANT, 1.0, "eyebrows.slant"), (Strength.BROW_ARCH, 1.0, "eyebrows.arch"),
            (Strength.BROW_TAPER, 1.0, "eyebrows.taper"), (Strength.HAIRLINE, HAIRLINE_REACH, "hair.hairline")):
        strengths[entry] = reach * (2 * value(name) - 1)
    strengths[Strength.LIP_GLOSS] = NATURAL_GLOSS
    strengths[Strength.SCALP] = 0 if hair_style == "bald" else 0.9
    style = HAIR_STYLES[hair_style]
    strengths[Strength.RECESSION] = style.recession if style else 0
    return strengths


def _portrait_look(named: Named) -> Look:
    def value(name: str) -> float:
        return float(named[name])

    warmth = 2 * value("skin.warmth") - 1
    tone = _along(SKIN_TONES, value("skin.tone")) * [1 + 0.07 * warmth, 1, 1 - 0.16 * warmth]
    hair = _along(HAIR_TONES, value("hair.lightness"))
    hair = hair * (np.array([1.0, 1.0, 1.0]) + value("hair.redness") * np.array([0.38, -0.16, -0.38]))
    grey = 0.9 * value("hair.grey") ** 2
    iris = _along(IRIS_HUES, value("iris.hue")) * (0.15 + 1.6 * value("iris.lightness"))
    sclera = SCLERA_BRIGHT + (SCLERA_DULL - SCLERA_BRIGHT) * value("eyes.sclera")
    hair_style = str(named["hair.style"])
    colours = _colours(tone=tone, hair=_greyed(hair, grey), brow=_greyed(hair, GREY_OF_BROWS * grey), iris=iris,
                       sclera=sclera)
    return Look(str(named["eyebrows.style"]), hair_style, colours, _strengths(value, hair_style))


def _classic_look(named: Named) -> Look:
    fixed = {s.name: s.neutral for s in APPEARANCE}
    hair, iris = HAIR_TONES[1], 0.8 * IRIS_HUES[0]
    return Look(str(named["eyebrows.style"]), "bald",
                _colours(tone=SKIN_TONES[1], hair=hair, brow=hair, iris=iris, sclera=SCLERA_BRIGHT),
                _strengths(fixed.__getitem__, "bald"))


CHARACTERS: dict[str, Character] = {
    "portrait": Character(ParameterSchema("portrait", 3, SHAPE + APPEARANCE, (BROW_CHOICE, HAIR_CHOICE)),
                          _portrait_look),
    # as in the blog post of 2019: 95 continuous parameters and 8 one-hot ones, a bald head with a fixed look
    "classic": Character(ParameterSchema("classic", 2, SHAPE, (BROW_CHOICE,)), _classic_look),
}


def character(name: str) -> Character:
    """The character of that name.

    Raises:
        ConfigError: no such character.
    """
    if name not in CHARACTERS:
        raise ConfigError(f"expected one of the embedded characters {', '.join(CHARACTERS)}, got {name!r}")
    return CHARACTERS[name]
