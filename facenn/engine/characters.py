"""The embedded engine's characters as data: their schemas, and what each value means for the look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.engine import shading
from facenn.engine.hair import HAIR_STYLES
from facenn.engine.looks import BROW_STYLES, Look
from facenn.engine.sliders import ANCESTRIES, SHAPE_SLIDERS
from facenn.errors import ConfigError
from facenn.schema import Choice, ParameterSchema, Slider

Named = Mapping[str, float | str]
Colour = NDArray[np.float32]


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

SHAPE = (
    *(Slider(s.name, REGION_LABELS[s.name.split(".")[0]], s.label) for s in SHAPE_SLIDERS),
    Slider("person.gender", "Person", "Feminine to masculine"),
)
"""95 sliders: the shape of every character."""

APPEARANCE = (
    *(Slider(f"person.{a}", "Person", f"{a.capitalize()} features", 0.0, two_sided=False)
      for a in ANCESTRIES),
    Slider("skin.tone", "Skin", "Light to dark", 0.3, two_sided=False),
    Slider("skin.warmth", "Skin", "Cool to warm"),
    Slider("skin.redness", "Skin", "Redness", 0.4, two_sided=False),
    Slider("skin.freckles", "Skin", "Freckles", 0.0, two_sided=False),
    Slider("hair.lightness", "Hair", "Black to blond", 0.3, two_sided=False),
    Slider("hair.redness", "Hair", "Redness", 0.2, two_sided=False),
    Slider("hair.grey", "Hair", "Grey", 0.0, two_sided=False),
    Slider("iris.lightness", "Iris", "Dark to light", 0.4, two_sided=False),
    Slider("iris.hue", "Iris", "Brown over green to blue", 0.2, two_sided=False),
    Slider("eyebrows.strength", "Eyebrows", "Strength", 0.7, two_sided=False),
    Slider("beard.density", "Beard", "Density", 0.5, two_sided=False),
    Slider("lips.colour", "Make-up", "Lipstick", 0.0, two_sided=False),
    Slider("cheek.blush", "Make-up", "Blush", 0.0, two_sided=False),
    Slider("eyes.shadow", "Make-up", "Eye shadow", 0.0, two_sided=False),
    Slider("eyes.liner", "Make-up", "Eye liner", 0.0, two_sided=False),
)

BROW_CHOICE = Choice("eyebrows.style", "Eyebrows", "Style", tuple(BROW_STYLES), "natural")
HAIR_CHOICE = Choice("hair.style", "Hair", "Style", tuple(HAIR_STYLES), "bald")
BEARD_CHOICE = Choice("beard.style", "Beard", "Style", ("none", "stubble", "full"), "none")

# Linear RGB from very light to very dark skin, chosen to span human skin under the studio light.
SKIN_TONES = np.array([[0.62, 0.44, 0.36], [0.545, 0.345, 0.26], [0.44, 0.262, 0.18], [0.325, 0.178, 0.112],
                       [0.20, 0.103, 0.062], [0.105, 0.052, 0.032]])
HAIR_TONES = np.array([[0.011, 0.009, 0.008], [0.035, 0.020, 0.013], [0.10, 0.052, 0.026],
                       [0.24, 0.15, 0.075], [0.44, 0.34, 0.22]])
IRIS_HUES = np.array([[0.22, 0.10, 0.035], [0.13, 0.18, 0.07], [0.10, 0.20, 0.30]])
LIPSTICK, EYE_SHADOW, SHIRT = (0.38, 0.05, 0.07), (0.14, 0.06, 0.05), (0.07, 0.08, 0.10)


def _along(colours: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """The colour at 0..1 along a row of colours, even steps in log light."""
    at = value * (len(colours) - 1)
    return np.exp([np.interp(at, range(len(colours)), np.log(channel)) for channel in colours.T])


def _colours(*, tone: NDArray[np.float64], hair: NDArray[np.float64], iris: NDArray[np.float64]) -> Colour:
    table = np.zeros((7, 3), np.float32)
    table[shading.TONE], table[shading.HAIR_COLOUR] = tone, hair
    table[shading.LIP_COLOUR], table[shading.SHADOW_COLOUR] = LIPSTICK, EYE_SHADOW
    table[shading.IRIS_OUTER], table[shading.IRIS_INNER] = iris, iris * 0.7 + np.array([0.09, 0.05, 0.015])
    table[shading.CLOTH_COLOUR] = SHIRT
    return table


def _portrait_look(named: Named) -> Look:
    def value(name: str) -> float:
        return float(named[name])

    # squares: of evenly drawn faces, most should show little of what most people lack
    warmth = 2 * value("skin.warmth") - 1
    tone = _along(SKIN_TONES, value("skin.tone")) * [1 + 0.07 * warmth, 1, 1 - 0.16 * warmth]
    hair = _along(HAIR_TONES, value("hair.lightness"))
    hair = hair * (np.array([1.0, 1.0, 1.0]) + value("hair.redness") * np.array([0.5, -0.25, -0.5]))
    hair = hair + (np.array([0.34, 0.335, 0.33]) - hair) * 0.9 * value("hair.grey") ** 2
    iris = _along(IRIS_HUES, value("iris.hue")) * (0.25 + 1.0 * value("iris.lightness"))
    strengths = np.zeros(10, np.float32)
    strengths[shading.LIP_STRENGTH] = 0.8 * value("lips.colour") ** 2
    strengths[shading.BLUSH_STRENGTH] = 0.8 * value("cheek.blush") ** 2
    strengths[shading.SHADOW_STRENGTH] = 0.6 * value("eyes.shadow") ** 2
    strengths[shading.LINER_STRENGTH] = 0.8 * value("eyes.liner") ** 2
    strengths[shading.FRECKLE_STRENGTH] = 0.8 * value("skin.freckles") ** 2
    beard = named["beard.style"]
    strengths[shading.STUBBLE_STRENGTH] = 0.25 + 0.75 * value("beard.density") if beard == "stubble" else 0
    strengths[shading.BEARD_STRENGTH] = 0.35 + 0.6 * value("beard.density") if beard == "full" else 0
    strengths[shading.SCALP_STRENGTH] = 0 if named["hair.style"] == "bald" else 0.9
    strengths[shading.BROW_STRENGTH] = 0.2 + 0.8 * value("eyebrows.strength")
    strengths[shading.FLUSH_STRENGTH] = 2 * value("skin.redness")
    return Look(str(named["eyebrows.style"]), str(named["hair.style"]),
                _colours(tone=tone, hair=hair, iris=iris), strengths)


def _classic_look(named: Named) -> Look:
    strengths = np.zeros(10, np.float32)
    strengths[shading.BROW_STRENGTH], strengths[shading.FLUSH_STRENGTH] = 0.9, 0.8
    return Look(str(named["eyebrows.style"]), "bald",
                _colours(tone=SKIN_TONES[1], hair=HAIR_TONES[1], iris=IRIS_HUES[0]), strengths)


CHARACTERS: dict[str, Character] = {
    "portrait": Character(
        ParameterSchema("portrait", 0, SHAPE + APPEARANCE, (BROW_CHOICE, HAIR_CHOICE, BEARD_CHOICE)),
        _portrait_look),
    # as in the blog post of 2019: 95 continuous parameters and 8 one-hot ones, a bald head with a fixed look
    "classic": Character(ParameterSchema("classic", 0, SHAPE, (BROW_CHOICE,)), _classic_look),
}


def character(name: str) -> Character:
    """The character of that name.

    Raises:
        ConfigError: no such character.
    """
    if name not in CHARACTERS:
        raise ConfigError(f"expected one of the embedded characters {', '.join(CHARACTERS)}, got {name!r}")
    return CHARACTERS[name]
