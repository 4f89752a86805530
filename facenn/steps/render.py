"""The stage render: random faces, drawn by the embedded engine into a renders folder."""

from collections.abc import Callable
from pathlib import Path

from facenn.config import RenderConfig
from facenn.engine.characters import character
from facenn.exchange.renders import TABLE_FILE, RendersFolder, write_table
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
