"""The front door in Python: fit the face in a photo, draw parameters; for notebooks and scripts, from any folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facenn.errors import ConfigError

if TYPE_CHECKING:  # what is heavy is loaded by the function that needs it
    from PIL.Image import Image

    from facenn.arrays import Log, Vector
    from facenn.config import FitConfig
    from facenn.engine.renderer import Engine
    from facenn.steps.fit import FittedFace

Value = float | str
"""A slider's number in [0, 1], or a choice's option."""


@dataclass(frozen=True)
class Face:
    """What a fit found in a photo.

    Attributes:
        parameters: a number in [0, 1] per slider, an option per choice, by name.
        vector: (P,) the same as the game takes them, choices one-hot.
        character: whose parameters they are.
        picture: the engine's picture of them, 512x512; the Imitator's where the engine is a game of its own.
        photo: the aligned crop that was fitted, 512x512.
        distances: of the picture and the photo to recognition networks, by name: ``dlib`` took no part in the fit,
            ``sface`` did. Empty where the picture shows no face.
        seconds: that the fit took.
    """

    parameters: Mapping[str, Value]
    vector: "Vector"
    character: str
    picture: "Image"
    photo: "Image"
    distances: Mapping[str, float]
    seconds: float
    _fitted: "FittedFace"

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the files that ``facenn fit`` writes: parameters.json, model.bytes, pictures, losses, report.html.

        Args:
            folder: new, or one with the results of another fit.

        Returns:
            The folder.

        Raises:
            ConfigError: a folder in which a file of another origin would be replaced.
        """
        self._fitted.save(Path(folder))
        return Path(folder)


def fit(photo: str | PathLike[str], *, method: Literal["imitator", "engine", "translate"] = "imitator",
        character: str = "portrait", model: str = "champion", lock: Mapping[str, Value] | Sequence[str] = (),
        face: int | None = None, seed: int = 0, device: str | None = None,
        config: "FitConfig | None" = None, log: "Log | None" = None) -> Face:
    """Find the parameters of the face in a photo.

    By the method imitator a fit takes half a minute to a minute on two cores and 2 GB; by the method engine about a
    minute and 1.2 GB per process, and it draws a library once (two minutes). A script that uses the method engine needs
    ``if __name__ == "__main__":`` around its work, because processes are started.

    Args:
        photo: picture file.
        method: ``imitator``, gradient descent through the network that draws like the engine, or ``engine``,
            Gauss-Newton on the embedded engine, slower and more alike, or ``translate``, a network that tells all
            parameters at once.
        character: embedded character, or whose champion fits.
        model: for the methods imitator and translate: ``champion``, ``candidate``, a registered version, or a file.
        lock: parameters that stay, as ``{"nose.hump": 0.3, "hair.style": "bald"}``, or names alone, which are held at
            their neutral values.
        face: which face, counted from 1 from left to right; None takes the largest.
        seed: of the random people that the fit starts from; the same seed gives the same face.
        device: cpu or cuda; None takes cuda where there is one.
        config: all options of a fit instead; method, character, lock and seed are its own then.
        log: called with the number of finished steps and the losses.

    Raises:
        MissingFileError: no such photo or model, or the networks are nowhere.
        FormatError: not a picture.
        PhotoError: no face, no such face, too small, turned too far.
        ConfigError: an option that is out of bounds, an unknown character, device or parameter to lock.

    Example:
        >>> result = fit("me.jpg", lock={"hair.style": "bald"})  # doctest: +SKIP
        >>> result.picture.show()  # doctest: +SKIP
    """
    from PIL import Image

    from facenn.config import Params
    from facenn.steps.fit import open_fitter
    from facenn.steps.project import Project, choose_device
    from facenn.steps.registry import choose_model

    project = Project.here()
    entries = [f"{name}={value}" for name, value in lock.items()] if isinstance(lock, Mapping) else list(lock)
    options = config or Params().with_section("fit", {
        "method": method, "character": character, "lock": tuple(entries), "seed": seed}).fit
    file = choose_model(model, options.character, project, options.network)
    fitter = open_fitter(options, file, project, device=choose_device(device))
    fitted = fitter.find(Path(photo), face=face, log=log or (lambda step, losses: None))
    summary = fitted.summary
    picture = summary.engine if summary.engine is not None else summary.imitator
    if picture is None:
        raise ConfigError(f"expected a method that draws, got {options.method}")
    return Face(summary.schema.to_named(summary.vector), summary.vector, summary.schema.character,
                Image.fromarray(picture), Image.fromarray(summary.photo),
                dict(fitted.likeness.distances) if fitted.likeness else {}, summary.seconds, fitted)


def draw(parameters: "Mapping[str, Value] | Vector | Face | str | PathLike[str]", *, character: str = "portrait",
         side: int = 512, yaw: float = 0.0, pitch: float = 0.0, expression: Mapping[str, float] | None = None
         ) -> "Image":
    """The embedded engine's picture of parameters.

    The first picture of a character and size takes seconds, the next ones 0.05 s and, in all, 510 MB.

    Args:
        parameters: named values, of which those that are missing are neutral; a (P,) vector; a ``Face``; or the path of
            a ``parameters.json``.
        character: embedded character; a ``Face`` or a file says its own.
        side: of the picture in pixels.
        yaw: degrees to which the head is turned, -30 to 30.
        pitch: degrees to which it is lowered.
        expression: shares in [0, 1] such as ``{"smile": 0.8}``.

    Raises:
        ConfigError: no such embedded character.
        SchemaError: a parameter that the character has not got, or a value out of bounds.
        MissingFileError: no such file.
        FormatError: not a preset.

    Example:
        >>> draw({"skin.tone": 0.7, "hair.style": "curly"}, side=64).size
        (64, 64)
    """
    from PIL import Image

    from facenn.engine.camera import Conditions
    from facenn.engine.characters import character as known
    from facenn.exchange.presets import preset_character, read_preset

    if isinstance(parameters, str | PathLike):
        path = Path(parameters)
        character = preset_character(path)
        schema = known(character).schema
        vector = read_preset(path, schema)
    elif isinstance(parameters, Face):
        character, vector = parameters.character, parameters.vector
    elif isinstance(parameters, Mapping):
        schema = known(character).schema
        vector = schema.from_named({**schema.to_named(schema.neutral()), **parameters})
    else:
        vector = parameters
    conditions = Conditions(yaw=yaw, pitch=pitch, expression=tuple((expression or {}).items()))
    return Image.fromarray(_engine(character, side).draw(vector, conditions).picture)


@lru_cache(maxsize=2)
def _engine(character: str, side: int) -> "Engine":
    """An engine takes seconds to be made, and is not for several threads at once."""
    from facenn.engine.renderer import Engine

    return Engine(character, side=side)
