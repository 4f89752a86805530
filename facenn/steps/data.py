"""Stages that make and judge renders: render, validate."""

from collections.abc import Callable
from pathlib import Path

from facenn.config import RenderConfig, ValidateConfig
from facenn.engine.characters import character
from facenn.exchange.renders import TABLE_FILE, RendersFolder, write_table
from facenn.expectations import ValidationReport
from facenn.expectations import validate as judge_folder
from facenn.making.generation import generate


def render(config: RenderConfig, out: Path, *, replace: bool, progress: Callable[[int], None]) -> RendersFolder:
    """Draw random faces with the embedded engine into a renders folder.

    Args:
        config: how many of whom.
        out: the folder; pictures that are there already are kept.
        replace: True to throw away faces of another recipe.
        progress: called with how many pictures are there.
    """
    (out / TABLE_FILE).unlink(missing_ok=True)  # written last: a folder without it is not whole
    names, vectors = generate(out, name=config.character, count=config.count, seed=config.seed,
                              workers=config.workers, labels=config.labels, replace=replace, progress=progress)
    write_table(out, character(config.character).schema, names, vectors)
    return RendersFolder.open(out)


def validate(config: ValidateConfig, renders: Path, out: Path) -> ValidationReport:
    """Judge a renders folder by its schema; writes validation.json, validation.md and data_docs/ into ``out``.

    Raises:
        ValidationError: what the renders are not, after the reports are written.
    """
    return judge_folder(renders, out, min_rows=config.min_rows)
