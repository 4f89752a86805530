"""params.yaml as strict, frozen models: one section per stage, the same for files, command line and forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from facenn.errors import ConfigError, MissingFileError

PARAMS = Path("params.yaml")
EMBEDDED = ("portrait", "classic")  # characters of the engine that comes along; to name them must not load it

Share = Annotated[float, Field(gt=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]

class Section(BaseModel):
    """One section of params.yaml; an unknown key or a value out of bounds is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RenderConfig(Section):
    """Random faces of an embedded character."""

    character: str = Field("portrait", description="Embedded character: portrait or classic")
    count: Count = Field(400, description="Pictures")
    seed: Seed = Field(1, description="Picture i depends on the seed and i alone")
    workers: Count = Field(2, description="Processes; 510 MB of memory each")
    labels: bool = Field(False, description="Write label maps beside the pictures")


class ValidateConfig(Section):
    """What renders must be like before anything is trained on them."""

    min_rows: Count = Field(100, description="Fewest faces that a training may start from")


class TrainConfig(Section):
    """The Imitator's training."""

    architecture: Literal["pyramid", "dcgan"] = Field(
        "pyramid", description="pyramid: learns small pictures first and ends at a lower error in the same time; "
        "dcgan: the network of the blog post")
    steps: Count = Field(500, description="Optimisation steps")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        4, description="Pictures per step, per process; twice as many for each halving of their side")
    peak: Annotated[float, Field(gt=0)] = Field(
        8e-3, description="Learning rate at the start, above floor; 0.002 for dcgan")
    floor: Weight = Field(2e-5, description="Learning rate at the end")
    resolution: Literal[32, 64, 128, 256, 512] = Field(512, description="Side of its pictures in pixels")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 if the device has it")
    fuse: bool = Field(False, description="Compile the network's kernels before it learns, and on a GPU replay whole "
                       "steps as CUDA graphs: up to a minute's start per size; one process; needs a C++ compiler")
    label_noise: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Largest random shift of a slider while learning; choices stay")
    validation: Share = Field(0.1, description="Share of the renders that is held out")
    save_every: Count = Field(100, description="Steps between saved states, from which a killed run goes on")
    validate_every: Count = Field(250, description="Steps between two looks at the held-out renders")
    seed: Seed = Field(0, description="Of the weights, the split and the order of the renders")
    start_from: str = Field("", description="Imitator file whose weights are the start, its parameters matched by "
                            "name; all steps learn whole pictures then; empty for fresh weights")


class TrainTranslatorConfig(Section):
    """The Translator's training, and the people that are drawn for it."""

    character: str = Field("portrait", description="Embedded character: portrait or classic")
    count: Annotated[int, Field(ge=20)] = Field(
        640, description="People that are drawn, once, and learned from; one in ten is held out; each takes 0.3 s "
        "of CPU and 12 kB")
    seed: Seed = Field(7, description="Of people and conditions; person i depends on the seed and i alone")
    workers: Count = Field(2, description="Processes that draw; 1.2 GB of memory each")
    epochs: Count = Field(40, description="How often each person is seen")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="People per step")
    rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Highest learning rate")
    promote: bool = Field(True, description="Make it its character's champion if its held-out error is the lower one")


class ImitatorFitConfig(Section):
    """Gradient descent through the network that draws like the engine."""

    steps: Count = Field(70, description="Gradient steps; more only please the network it looks through")
    rate: Annotated[float, Field(gt=0, le=1)] = Field(0.04, description="Learning rate at the start")
    identity: Weight = Field(1.0, description="Weight of the identity loss (two recognition networks)")
    landmark: Weight = Field(6.0, description="Weight of the landmark loss")
    colour: Weight = Field(2.0, description="Weight of the colour loss (coarse colours of skin, hair, lips)")
    prior: Weight = Field(0.08, description="Weight of the pull towards usual faces")
    candidates: Annotated[int, Field(ge=0)] = Field(
        24, description="Random people of the photo's sex and about its age; the best one is the start, with the hair "
        "of the one whose colours are")
    batch: Count = Field(4, description="Photos of a folder that are fitted at once, which a killed command has to do "
                         "again; on a CPU more of them take no more memory")


class EngineFitConfig(Section):
    """Gauss-Newton on the embedded engine itself."""

    rounds: Count = Field(16, description="Gauss-Newton steps, each one or two pictures and as much again for their "
                          "derivatives")
    workers: Count = Field(2, description="Threads, each with an engine of 300 MB: they share the pictures of one "
                           "photo, or the photos of a folder")
    identity: Weight = Field(2.4, description="Weight of the embeddings of two recognition networks")
    landmark: Weight = Field(60.0, description="Weight of the landmarks")
    tone: Weight = Field(20.0, description="Weight of the colours of patches of skin")
    relief: Weight = Field(8.0, description="Weight of the finer light and dark of the skin")
    iris: Weight = Field(12.0, description="Weight of the irises' colour")
    cover: Weight = Field(1.0, description="Weight of where hair is")
    hair: Weight = Field(12.0, description="Weight of the hair's colour")
    prior: Weight = Field(0.006, description="Weight of the pull towards usual faces")


class FitConfig(Section):
    """The search for the parameters of a photo."""

    method: Literal["imitator", "engine", "translate"] = Field(
        "engine", description="engine: Gauss-Newton on the embedded engine itself; imitator: gradient descent through "
        "the network that draws like the engine, for games that cannot be called; translate: a network that tells all "
        "parameters at once, in a fraction of a second")
    character: str = Field("portrait", description="Engine: embedded character; otherwise whose champion")
    lock: tuple[str, ...] = Field((), description="Parameters that the fit leaves alone: name=value, a slider's number "
                                  "in 0..1 or a choice's option, such as hair.style=bald; a name alone is held at its "
                                  "neutral value")
    seed: Seed = Field(0, description="Of the random people that a fit starts from; the same seed gives the same face")
    imitator: ImitatorFitConfig = Field(ImitatorFitConfig(), description="The method imitator alone")
    engine: EngineFitConfig = Field(EngineFitConfig(), description="The method engine alone")

    @property
    def total(self) -> int:
        """Steps, or rounds, of a fit by the chosen method."""
        return {"imitator": self.imitator.steps, "engine": self.engine.rounds, "translate": 1}[self.method]

    @property
    def network(self) -> str:
        """The kind of network that the chosen method begins with."""
        return "imitator" if self.method == "imitator" else "translator"

    @property
    def batch(self) -> int:
        """How many photos of a folder are fitted at once."""
        return self.engine.workers if self.method == "engine" else self.imitator.batch

    def flat(self) -> dict[str, Any]:
        """Every option by its path, such as ``imitator.steps``."""
        found = dict[str, Any]()
        for option in options_of(FitConfig).values():
            value: Any = self
            for name in option.path:
                value = getattr(value, name)
            found[".".join(option.path)] = value
        return found

    def decisive(self) -> dict[str, Any]:
        """The options on which a result of the chosen method depends; an Imitator's file says the character."""
        if self.method == "imitator":
            return self.model_dump(exclude={"character": True, "engine": True, "imitator": {"batch"}})
        if self.method == "translate":
            return self.model_dump(exclude={"imitator", "engine", "seed"})
        return self.model_dump(exclude={"imitator": True, "engine": {"workers"}})


class EvaluateConfig(Section):
    """The measures of a trained Imitator."""

    recovered: Annotated[int, Field(ge=0)] = Field(
        4, description="Held-out renders that are fitted to see whether their parameters are found again")
    promote: bool = Field(True, description="Make it its character's champion if its held-out L1 is the lower one")


class Params(Section):
    """All of params.yaml."""

    render: RenderConfig = RenderConfig()
    validate_: ValidateConfig = Field(ValidateConfig(), alias="validate")
    train: TrainConfig = TrainConfig()
    train_translator: TrainTranslatorConfig = TrainTranslatorConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    fit: FitConfig = FitConfig()

    def section(self, name: str) -> Section:
        """The section of that name, as params.yaml spells it."""
        section: Section = getattr(self, self._key(name))
        return section

    def with_section(self, name: str, values: Mapping[str, Any]) -> "Params":
        """The same parameters with some fields of one section replaced, and all of them checked again.

        Args:
            name: of the section.
            values: by the names of ``options_of``; None means "not given".

        Raises:
            ConfigError: an unknown key or a value that is refused.
        """
        section = self.section(name)
        raw, paths = section.model_dump(), options_of(type(section))
        for option, value in values.items():
            if value is not None:
                *rooms, field = paths[option].path if option in paths else (option,)
                inside = raw
                for room in rooms:
                    inside = inside[room]
                inside[field] = value
        checked = _checked(type(section), raw, source="options")
        return self.model_copy(update={self._key(name): checked})

    @classmethod
    def _key(cls, name: str) -> str:
        return next(key for key, field in cls.model_fields.items() if name in (key, field.alias))


@dataclass(frozen=True)
class Option:
    """A field of a section, or of a section inside it, as an option of the command line.

    Attributes:
        path: names of the fields that lead to it.
        field: its type, default and description.
    """

    path: tuple[str, ...]
    field: FieldInfo


def options_of(model: type[Section]) -> dict[str, Option]:
    """The options of a section by name: that of the field, behind its section's where an earlier one has it."""
    found = dict[str, Option]()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            for leaf, option in options_of(inner).items():
                found[f"{name}_{leaf}" if leaf in found else leaf] = Option((name, *option.path), option.field)
        else:
            found[name] = Option((name,), field)
    return found


S = TypeVar("S", bound=Section)


def load_params(path: Path = PARAMS) -> Params:
    """Read params.yaml.

    Raises:
        MissingFileError: no such file.
        ConfigError: not YAML, an unknown key, a value of the wrong type or out of bounds.
    """
    if not path.is_file():
        raise MissingFileError(f"expected the parameters of the pipeline at {path}, found no file")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected sections, got {type(raw).__name__}")
    return _checked(Params, raw, source=str(path))


def _checked(model: type[S], raw: dict[str, Any], *, source: str) -> S:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigError(f"{source}: {where}: {first['msg']}{got}{more}") from None
