"""The stages of dvc.yaml: their order, and the ``meta`` by which the pipeline runs and shows them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facenn.errors import ConfigError, MissingFileError


class Meta(BaseModel):
    """The ``meta`` of a stage in dvc.yaml; DVC itself does not look at it, an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: bool = Field(False, description="Computes on a GPU where there is one, so it waits for its turn")
    resumable: bool = Field(False, description="Continues where a killed run stopped, so it may be tried again")
    report: Path | None = Field(None, description="Markdown that the run's page shows, also of a failed stage")
    pictures: tuple[Path, ...] = Field((), description="Pictures that the run's page shows")
    mlflow_run: Path | None = Field(None, description="JSON file whose key mlflow_run is the id of a run")

    @property
    def shown(self) -> tuple[Path, ...]:
        """All files that the run's page shows."""
        return tuple(path for path in (self.report, *self.pictures, self.mlflow_run) if path is not None)


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml.

    Attributes:
        name: as DVC calls it.
        needs: stages whose results it reads.
        meta: what dvc.yaml says about running it.
    """

    name: str
    needs: tuple[str, ...]
    meta: Meta


def read_stages() -> dict[str, Stage]:
    """The stages of dvc.yaml by name, as DVC sees them; files that are only tracked are no stages.

    Raises:
        MissingFileError: no dvc.yaml in the current folder.
        ConfigError: a ``meta`` with an unknown key or a value of the wrong type.
    """
    from dvc.repo import Repo

    definition = Path.cwd() / "dvc.yaml"
    if not definition.is_file():
        raise MissingFileError(f"expected the definition of the pipeline at {definition}, found no file")
    with Repo(".") as repo:
        graph = repo.index.graph
        return {
            stage.addressing: Stage(
                stage.addressing, tuple(sorted(need.addressing for need in graph.successors(stage) if need.cmd)),
                _meta(stage.addressing, stage.meta or {}))
            for stage in graph if stage.cmd}


def select(stages: Mapping[str, Stage], targets: Collection[str]) -> dict[str, Stage]:
    """The targets and all that they need; every stage if there are no targets.

    Raises:
        ConfigError: a target that is no stage.
    """
    if unknown := sorted(set(targets) - set(stages)):
        raise ConfigError(f"targets: expected stages out of {', '.join(sorted(stages))}, got {', '.join(unknown)}")
    wanted, open_ends = set(targets or stages), list(targets)
    while open_ends:
        needs = set(stages[open_ends.pop()].needs) - wanted
        wanted |= needs
        open_ends += needs
    return {name: stage for name, stage in stages.items() if name in wanted}


def _meta(name: str, raw: object) -> Meta:
    try:
        return Meta.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("stages", name, "meta", *first["loc"]))
        raise ConfigError(f"dvc.yaml: {where}: {first['msg']}, got {first['input']!r}") from None
