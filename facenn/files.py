"""Files appear whole or not at all: written to a temporary name beside the target, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path with the target's suffix that becomes ``path`` when the block ends without an error.

    Args:
        path: where the file will stand; missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write UTF-8 text to ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def replace_bytes(path: Path, data: bytes) -> None:
    """Write bytes to ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
