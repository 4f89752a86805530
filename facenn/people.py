"""Plausible random people for any schema: those of a world city, and a share of improbable ones.

Evenly drawn sliders make monsters, and a network that learns from monsters spends itself on them. Here sex, origin and
age are drawn first; what follows from them (skin, hair, beard, lines, make-up, proportions) goes together. One face in
four is drawn broadly all the same, so that whatever an editor can make has been seen. The figures are plausible
weights, not a census.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facenn.arrays import Vector
from facenn.schema import ParameterSchema

BROAD_SHARE = 0.25
"""Faces drawn without regard to what goes together."""

YOUNGEST, OLDEST = 18, 80  # years
Values = dict[str, float]
Weights = dict[str, float]


@dataclass(frozen=True)
class Origin:
    """Where ancestors come from, as far as a face shows it.

    Attributes:
        share: of the city's people.
        asian: 0..1, East Asian features.
        african: 0..1, African features.
        caucasian: 0..1, Caucasian features.
        tone: mean of ``skin.tone``.
        fair: chance of hair lighter than dark brown.
    """

    share: float
    asian: float
    african: float
    caucasian: float
    tone: float
    fair: float


ORIGINS = (
    Origin(share=0.24, asian=0.0, african=0.0, caucasian=1.0, tone=0.10, fair=0.75),  # Northern Europe
    Origin(share=0.20, asian=0.0, african=0.1, caucasian=0.8, tone=0.27, fair=0.12),  # Mediterranean, Near East
    Origin(share=0.16, asian=0.1, african=0.2, caucasian=0.6, tone=0.54, fair=0.0),  # South Asia
    Origin(share=0.18, asian=1.0, african=0.0, caucasian=0.0, tone=0.20, fair=0.0),  # East Asia
    Origin(share=0.16, asian=0.0, african=1.0, caucasian=0.0, tone=0.78, fair=0.0),  # Africa
    Origin(share=0.06, asian=0.4, african=0.1, caucasian=0.4, tone=0.40, fair=0.03),  # South America
)
MIXING = 0.7  # concentration of the weights of origins: a third of the people have clearly mixed ancestry


@dataclass(frozen=True)
class Person:
    """What a face follows from.

    Attributes:
        woman: sex.
        years: age.
        asian: 0..1, East Asian features.
        african: 0..1, African features.
        caucasian: 0..1, Caucasian features.
        tone: 0..1, skin from light to dark.
        fair: True for hair lighter than dark brown.
    """

    woman: bool
    years: float
    asian: float
    african: float
    caucasian: float
    tone: float
    fair: bool

    @property
    def ageing(self) -> float:
        """0 for the youngest to 1 for the oldest."""
        return (self.years - YOUNGEST) / (OLDEST - YOUNGEST)


# How far people differ from the neutral shape: standard deviations by region, in units of a slider's range.
DEVIATIONS = {"head": 0.13, "eyes": 0.12, "eyebrows": 0.14, "nose": 0.14, "mouth": 0.12, "ears": 0.15}
DEVIATION = 0.13
STRIKING = 0.06  # share of the sliders in which a person differs twice as much: what a face is remembered by

# What varies together, and by how much a slider moves per unit of its cause. The first five causes are drawn for each
# person (mean 0, deviation 1); the others follow from sex, age and origin, 0..1 or, for sex, -1..1.
PULLS: dict[str, Values] = {
    "weight": {"head.fat": 0.13, "neck.double": 0.08, "cheek.volume": 0.07, "cheek.inner": 0.05, "chin.jowls": 0.08,
               "neck.scale_horiz": 0.06, "chin.width": 0.03},
    "long face": {"head.scale_vert": 0.06, "head.scale_horiz": -0.06, "chin.height": 0.05, "nose.scale_vert": 0.05},
    "large nose": {"nose.scale_vert": 0.05, "nose.scale_depth": 0.07, "nose.volume": 0.06, "nose.scale_horiz": 0.05,
                   "nose.hump": 0.04},
    "full lips": {"mouth.lowerlip_height": 0.07, "mouth.upperlip_height": 0.07, "mouth.lowerlip_volume": 0.06,
                  "mouth.upperlip_volume": 0.06, "mouth.scale_depth": 0.04},
    "open eyes": {"eyes.height1": 0.05, "eyes.height2": 0.06, "eyes.height3": 0.05, "eyes.scale": 0.04},
    "masculine": {"chin.bones": 0.06, "chin.width": 0.04, "chin.prominent": 0.03, "eyebrows.depth": 0.06,
                  "eyebrows.height": -0.05, "neck.scale_horiz": 0.07, "nose.scale_horiz": 0.03, "eyes.scale": -0.03,
                  "mouth.upperlip_height": -0.03, "ears.scale": 0.04},
    "age": {"chin.jowls": 0.22, "neck.double": 0.16, "eyes.bag": 0.18, "eyes.height2": -0.07, "eyes.height3": -0.09,
            "eyes.corner2": -0.06, "mouth.angles": -0.05, "mouth.upperlip_height": -0.13,
            "mouth.lowerlip_height": -0.10, "mouth.laugh_lines": -0.05, "nose.tip_height": -0.10,
            "nose.scale_vert": 0.07, "ears.scale": 0.10, "ears.lobe": 0.14, "eyebrows.height": -0.06},
    "african": {"nose.width3": 0.12, "nose.nostrils_width": 0.10, "nose.flaring": 0.08, "nose.scale_depth": -0.05,
                "mouth.lowerlip_height": 0.06, "mouth.upperlip_height": 0.08, "mouth.lowerlip_volume": 0.06,
                "mouth.upperlip_volume": 0.06},
    "asian": {"nose.width3": 0.05, "nose.scale_depth": -0.06, "eyes.epicanthus": -0.10, "cheek.bones": 0.08,
              "eyes.corner2": 0.04, "eyebrows.depth": -0.06},
}
DRAWN_CAUSES = ("weight", "long face", "large nose", "full lips", "open eyes")

# Weights of styles for a woman and for a man, before age and origin; a style that is not named gets OTHER.
HAIR_WEIGHTS: dict[str, tuple[float, float]] = {
    "bald": (0.005, 0.08), "buzz": (0.005, 0.20), "crop": (0.05, 0.32), "slick": (0.03, 0.12),
    "side_part": (0.05, 0.24), "fringe": (0.07, 0.08), "bob": (0.32, 0.02), "long": (0.42, 0.04),
    "tied_back": (0.24, 0.005), "curly": (0.18, 0.10), "afro": (0.01, 0.01), "receding": (0.0, 0.08),
    "swept": (0.24, 0.005), "bun": (0.14, 0.005), "tousled": (0.02, 0.22), "mop": (0.02, 0.06), "high_top": (0.0, 0.01)}
BROW_WEIGHTS: dict[str, tuple[float, float]] = {
    "natural": (0.36, 0.36), "arched": (0.26, 0.04), "bushy": (0.03, 0.18), "straight": (0.14, 0.20),
    "angled": (0.10, 0.10), "drooping": (0.06, 0.09), "short": (0.05, 0.06), "thin": (0.12, 0.01)}
OTHER = 0.03
STRAIGHT_STYLES = ("slick", "side_part", "fringe", "bob", "long", "swept", "tousled", "mop")

# Density of stubble, moustache, chin and jaw: lowest and highest of each way to wear a beard.
BEARDS: dict[str, tuple[tuple[float, float], ...]] = {
    "shaved": ((0.0, 0.35), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "stubble": ((0.45, 1.00), (0.0, 0.30), (0.0, 0.30), (0.0, 0.25)),
    "full": ((0.3, 0.8), (0.45, 0.9), (0.5, 0.95), (0.4, 0.95)),
    "moustache": ((0.0, 0.5), (0.5, 0.95), (0.0, 0.0), (0.0, 0.0)),
    "goatee": ((0.0, 0.6), (0.4, 0.9), (0.5, 0.95), (0.0, 0.0)),
}
BEARD_SLIDERS = ("beard.stubble", "beard.moustache", "beard.chin", "beard.jaw")
BEARD_WEIGHTS = {"stubble": 0.30, "full": 0.16, "moustache": 0.06, "goatee": 0.11}  # the others shave


# What a slider of another character is taken for, by its role, when its name is not one of ours.
NAMES_OF_ROLES = {
    "sex": "person.gender", "age": "person.age", "skin.tone": "skin.tone", "skin.marks": "skin.moles",
    "lines": "age.forehead", "hair.lightness": "hair.lightness", "hair.grey": "hair.grey", "iris.size": "iris.size",
    "iris": "iris.lightness", "beard": "beard.chin", "make-up": "lips.colour"}


def sample(schema: ParameterSchema, generator: np.random.Generator) -> Vector:
    """(size,) a random face: three in four believable, the others broad.

    A believable face follows from a ``Person``. Every slider that the person says nothing about is normal around its
    neutral value. A broad face has each slider uniform, its shape pulled towards neutral by a factor of its own, and
    all options equally likely.

    Args:
        schema: of any character; only the sliders and choices that it has are set.
        generator: of all chance.
    """
    if generator.random() < BROAD_SHARE:
        return _broad(schema, generator)
    return _believable(schema, generator)


def random_vector(schema: ParameterSchema, seed: int, index: int) -> Vector:
    """(size,) parameters of face ``index``: a function of seed and index alone."""
    return sample(schema, np.random.default_rng([seed, index]))


def people_digest() -> str:
    """16 hexadecimal digits of this file, which decides the vectors of random faces."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def _broad(schema: ParameterSchema, generator: np.random.Generator) -> Vector:
    face = schema.sample(generator)
    reach = generator.uniform(0.4, 1.0)  # all shapes at full reach would be monsters only
    for i, slider in enumerate(schema.sliders):
        if slider.two_sided:
            face[i] = slider.neutral + reach * (face[i] - slider.neutral)
    return face


def _believable(schema: ParameterSchema, generator: np.random.Generator) -> Vector:
    person = sample_person(generator)
    shape, known = _shape(schema, person, generator), (
        _build(person, generator) | _skin(person, generator) | _lines(person, generator) | _eyes(person, generator)
        | _hair(person, generator) | _beard(person, generator) | _make_up(person, generator))
    face = schema.neutral()
    for i, slider in enumerate(schema.sliders):
        meant = known.get(slider.name, known.get(NAMES_OF_ROLES.get(slider.role, ""), shape[slider.name]))
        face[i] = np.clip(meant, 0, 1)
    weights = {"hair.style": _hair_weights(person), "eyebrows.style": _style_weights(BROW_WEIGHTS, person)}
    for choice in schema.choices:
        where = schema.slices[choice.name]
        face[where] = 0
        face[where.start + _pick(choice.options, weights.get(choice.name, {}), generator)] = 1
    return face


def sample_person(generator: np.random.Generator) -> Person:
    """A random person: sex, age, ancestry and the colours that come with it."""
    woman = bool(generator.random() < 0.5)
    years = YOUNGEST + (OLDEST - YOUNGEST) * float(generator.beta(1.2, 1.8))
    ancestry = generator.dirichlet([MIXING * o.share for o in ORIGINS])
    strength = generator.uniform(0.65, 1.0)
    asian, african, caucasian = (strength * float(ancestry @ [getattr(o, name) for o in ORIGINS])
                                 for name in ("asian", "african", "caucasian"))
    fair_chance = float(ancestry @ [o.fair for o in ORIGINS])
    fair = bool(generator.random() < fair_chance**1.3)  # fair hair is recessive: rarer among the mixed
    tone = float(ancestry @ [o.tone for o in ORIGINS]) + generator.normal(0, 0.07)
    tone *= 0.7 if fair else 1.0
    return Person(woman, years, asian, african, caucasian, float(np.clip(tone, 0, 1)), fair)


def _shape(schema: ParameterSchema, person: Person, generator: np.random.Generator) -> Values:
    """A value for every slider of the schema; those that are not about shape are overwritten later."""
    causes = {name: float(generator.normal()) for name in DRAWN_CAUSES}
    causes |= {"masculine": -1.0 if person.woman else 1.0, "age": person.ageing, "african": person.african,
               "asian": person.asian}
    values = {}
    for slider in schema.sliders:
        deviation = DEVIATIONS.get(slider.name.split(".")[0], DEVIATION)
        if generator.random() < STRIKING:
            deviation *= 2
        pull = sum(causes[cause] * pulls.get(slider.name, 0.0) for cause, pulls in PULLS.items())
        values[slider.name] = slider.neutral + pull + float(generator.normal(0, deviation))
    return values


def _build(person: Person, generator: np.random.Generator) -> Values:
    """The sliders of the whole head."""
    return {"person.gender": generator.normal(0.14 if person.woman else 0.84, 0.10),
            "person.age": (person.years - 20) / 50 + generator.normal(0, 0.06),
            "person.asian": person.asian, "person.african": person.african, "person.caucasian": person.caucasian}


def _skin(person: Person, generator: np.random.Generator) -> Values:
    pale = max(0.0, 1 - person.tone / 0.35)
    freckled = generator.random() < 0.45 * pale
    return {"skin.tone": person.tone,
            "skin.warmth": generator.normal(0.48 + 0.10 * person.asian + 0.06 * (1 - pale), 0.13),
            "skin.redness": generator.normal(0.28 + 0.12 * pale + 0.08 * person.ageing, 0.10),
            "skin.unevenness": generator.normal(0.22 + 0.25 * person.ageing, 0.10),
            "skin.pores": generator.normal(0.20 + 0.30 * person.ageing + (0.0 if person.woman else 0.10), 0.10),
            "skin.gloss": generator.normal(0.40 - 0.10 * person.ageing, 0.12),
            "skin.freckles": generator.uniform(0.3, 0.9) if freckled else abs(generator.normal(0, 0.08)),
            "skin.moles": abs(generator.normal(0, 0.25)),
            "lips.tone": generator.normal(0.32 + 0.15 * person.tone - 0.08 * person.ageing, 0.11)}


def _lines(person: Person, generator: np.random.Generator) -> Values:
    """Darker skin is later to show lines; sun and habit make the rest."""
    depth = person.ageing * (1 - 0.3 * person.tone) * np.exp(generator.normal(0, 0.25))
    most = {"age.folds": 0.70, "age.forehead": 0.62, "age.corners": 0.65, "age.frown": 0.50, "age.mouth": 0.55,
            "age.neck": 0.60, "eyes.bags": 0.55, "eyes.circles": 0.25}
    least = {"age.folds": 0.12, "age.neck": 0.08, "eyes.bags": 0.10, "eyes.circles": 0.16}
    return {name: least.get(name, 0.0) + full * depth + generator.normal(0, 0.08) for name, full in most.items()}


def _eyes(person: Person, generator: np.random.Generator) -> Values:
    light = generator.random() < (0.75 if person.fair else 0.10 * max(0, 1 - person.tone / 0.4))
    return {"eyes.crease": generator.normal(0.55 - 0.35 * person.asian, 0.14),
            "eyes.lashes": generator.normal(0.42 if person.woman else 0.25, 0.10),
            "eyes.sclera": generator.normal(0.20 + 0.30 * person.ageing + 0.10 * person.tone, 0.08),
            "iris.size": generator.normal(0.5, 0.12),
            "iris.hue": generator.uniform(0.4, 1.0) if light else abs(generator.normal(0, 0.12)),
            "iris.lightness": generator.uniform(0.35, 0.95) if light
            else generator.normal(0.34 - 0.20 * person.tone, 0.10),
            "eyebrows.density": generator.normal(0.50 if person.woman else 0.60, 0.13),
            "eyebrows.thickness": generator.normal(0.30 if person.woman else 0.52, 0.13),
            "eyebrows.length": generator.normal(0.72, 0.13),
            "eyebrows.colour": generator.normal(0.42 if person.fair else 0.60, 0.12)}


def _hair(person: Person, generator: np.random.Generator) -> Values:
    """Natural colour, dye over it, and grey where it is not dyed."""
    lightness, redness = generator.normal(0.12 if person.tone > 0.4 or person.asian > 0.5 else 0.20, 0.07), 0.2
    if person.fair:
        ginger = generator.random() < 0.10
        lightness = generator.uniform(0.45, 0.7) if ginger else generator.uniform(0.32, 0.95)
        redness = 0.85 if ginger else 0.2
    dyes = generator.random() < (0.20 + 0.40 * person.ageing if person.woman else 0.03)
    if dyes:
        lightness = max(lightness, generator.uniform(0.1, np.clip(1.1 - 1.4 * person.tone, 0.35, 0.85)))
        redness = generator.uniform(0.1, 0.7)
    onset = generator.normal(43, 8)
    grey = 0.0 if dyes else np.sqrt(np.clip((person.years - onset) / 28, 0, 1))
    receding = 0.0 if person.woman else 0.20 * person.ageing
    return {"hair.lightness": lightness, "hair.redness": redness + generator.normal(0, 0.10),
            "hair.grey": grey + abs(generator.normal(0, 0.04)),
            "hair.hairline": generator.normal(0.46 + receding, 0.12)}


def _beard(person: Person, generator: np.random.Generator) -> Values:
    """A way to wear it for a man, none for a woman."""
    if person.woman:
        return dict.fromkeys(BEARD_SLIDERS, 0.0)
    growth = 1 - 0.6 * person.asian
    weights = {name: growth * weight for name, weight in BEARD_WEIGHTS.items()}
    weights["shaved"] = 1 - sum(weights.values())
    worn = BEARDS[list(BEARDS)[_pick(tuple(BEARDS), weights, generator)]]
    return {name: np.sqrt(growth) * generator.uniform(low, high)
            for name, (low, high) in zip(BEARD_SLIDERS, worn, strict=True)}


def _make_up(person: Person, generator: np.random.Generator) -> Values:
    """Most women wear some, each kind more or less of what she is inclined to; few men do."""
    worn = generator.random() < (0.65 if person.woman else 0.03)
    taste = generator.uniform(0.3, 0.95) if worn else 0.0
    return {name: taste * generator.uniform(0.3, most) for name, most in
            (("lips.colour", 1.0), ("cheek.blush", 0.8), ("eyes.shadow", 0.9), ("eyes.liner", 1.1))}


def _hair_weights(person: Person) -> Weights:
    weights = _style_weights(HAIR_WEIGHTS, person)
    for name in STRAIGHT_STYLES:
        weights[name] *= 1 - 0.8 * person.african
    weights["curly"] *= 1 - 0.9 * person.asian + 0.8 * person.african
    weights["afro"] += (0.35 if person.woman else 0.20) * person.african**2
    weights["long"] *= 1 - 0.7 * person.ageing
    weights["mop"] *= 1 - person.ageing
    if not person.woman:
        weights["high_top"] += 0.20 * person.african**2 * (1 - person.ageing)
        weights["bald"] += 0.15 * person.ageing
        weights["receding"] += 0.5 * person.ageing**2
    return weights


def _style_weights(table: Mapping[str, tuple[float, float]], person: Person) -> Weights:
    return {name: of_woman if person.woman else of_man for name, (of_woman, of_man) in table.items()}


def _pick(options: tuple[str, ...], weights: Weights, generator: np.random.Generator) -> int:
    chances = np.array([weights.get(option, OTHER) for option in options])
    return int(generator.choice(len(options), p=chances / chances.sum()))
