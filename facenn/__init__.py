"""facenn turns a photo of a person into the parameters of a game's face editor.

>>> import facenn
>>> result = facenn.fit("photo.jpg")  # doctest: +SKIP
>>> result.parameters["nose.hump"]  # doctest: +SKIP
0.62
>>> result.save("results/me")  # doctest: +SKIP
>>> facenn.draw({"nose.hump": 0.8, "hair.style": "bob"}).size
(512, 512)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facenn.faces import Face, draw, fit

__all__ = ["Face", "draw", "fit"]


def __getattr__(name: str) -> Any:
    """The front door, loaded when it is used: workers and ``facenn --help`` import the package, too."""
    if name in __all__:
        from facenn import faces

        return getattr(faces, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
