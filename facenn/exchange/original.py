"""The character of the original Unity tool (huailiang/face-nn, 2019) as a schema: 95 bones, 4 of paint."""

from typing import Literal

from facenn.schema import Choice, ParameterSchema, Slider

BONES = 95  # sliders that every layout stores
PAINTED = 99  # with the brow strength and the one-hot brow style behind them

Shape = Literal["male", "female"]
SHAPE_IDS: dict[int, Shape] = {3: "male", 4: "female"}

# Group, part and what moves, in the order of the vector. The bones say what a word means: position along x is
# depth, y is sideways for one bone and spacing for a mirrored pair, z is height; scale along y is width, z is
# thickness, several axes together size.
_DRIVEN = (
    ("head", "forehead", "width height depth"),
    ("head", "cheek", "width height"),
    ("head", "malar", "width height"),
    ("head", "masseter", "width height"),
    ("head", "jaw", "width height"),
    ("head", "chin", "sideways height depth mandible_depth"),
    ("brow", "", "spacing height depth rotation"),
    ("brow", "inner", "spacing height"),
    ("brow", "middle", "spacing height"),
    ("brow", "outer", "spacing height"),
    ("eye", "", "spacing height depth rotation size"),
    ("eye", "upper_lid", "spacing height rotation"),
    ("eye", "lower_lid", "spacing height rotation"),
    ("eye", "inner_corner", "spacing height"),
    ("eye", "outer_corner", "spacing height"),
    ("eye", "eyeball", "rotation"),
    ("nose", "", "sideways height depth size"),
    ("nose", "tip", "height sideways size"),
    ("nose", "wing", "width height"),
    ("nose", "bridge", "sideways height depth width"),
    ("nose", "root", "sideways height depth"),
    ("mouth", "", "depth height"),
    ("mouth", "upper_lip", "width height thickness rotation"),
    ("mouth", "upper_bead", "height sideways size"),
    ("mouth", "lower_bead", "height sideways size"),
    ("mouth", "lower_lip", "width height thickness rotation"),
    ("mouth", "corner", "spacing height"),
    # Both turn the mandible and the second is applied last, so the first never shows.
    ("mouth", "open", "overwritten rotation"),
    ("ear", "upper", "width height"),
    ("ear", "lobe", "width height thickness"),
)


def original_schema(shape: Shape | None, *, painted: bool) -> ParameterSchema:
    """The parameters of the original character, in the order in which its files store them.

    Entries 82 to 94 are stored by the original but drive nothing; they keep their places as ``unused_82`` to
    ``unused_94``. Version 1 is the layout of 95 bones, version 2 the later one of 99 with the brow's paint.

    Args:
        shape: "male" or "female" for a character of that shape alone; None for both, told apart by a last
            choice ``shape``, which stands behind everything that the original reads.
        painted: whether the four paint entries are there.
    """
    sliders = [
        Slider(name=f"{group}.{part}_{word}" if part else f"{group}.{word}", group=group,
               label=f"{part or group} {word}".replace("_", " ").capitalize())
        for group, part, words in _DRIVEN for word in words.split()
    ]
    sliders += [Slider(name=f"unused_{i}", group="unused", label=f"Unused {i}")
                for i in range(len(sliders), BONES)]
    choices = []
    if painted:
        sliders.append(Slider(name="paint.brow_strength", group="paint", label="Brow strength"))
        styles = ("Brow_01", "Brow_02", "Brow_03")
        choices.append(Choice("paint.brow_style", "paint", "Brow style", options=styles, neutral=styles[0]))
    if shape is None:
        choices.append(Choice("shape", "shape", "Shape", options=("male", "female"), neutral="female"))
    return ParameterSchema(
        character=f"unity-{shape}" if shape else "unity",
        version=2 if painted else 1,
        sliders=tuple(sliders),
        choices=tuple(choices),
    )
