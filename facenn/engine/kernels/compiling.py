"""How kernels are compiled, and where they are kept: in a folder of the engine that they were compiled from.

Numba keeps a compiled function until the file of that function changes, although constants and inlined functions of
other files are compiled into it. So the folder carries the digest of all files of the engine: an edit of any of them
begins a new one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numba as nb

from facenn.engine.digest import ROOM, engine_digest

config: Any = nb.config  # which gets its settings from the environment

PREFIX = "facenn-kernels-"
P = ParamSpec("P")
R = TypeVar("R")


def kernel(*, error_model: Literal["python", "numpy"] = "python") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function on its first call, once for every engine. Other threads go on while it runs.

    Args:
        error_model: numba's; ``numpy`` divides by zero without asking, so loops can use vector instructions.
    """
    def compiled(function: Callable[P, R]) -> Callable[P, R]:
        folder = kernel_folder()
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder or before)
        try:
            result: Callable[P, R] = nb.njit(error_model=error_model, cache=folder is not None, nogil=True)(
                function)
            return result
        finally:
            config.CACHE_DIR = before  # other users of numba keep their own folder

    return compiled


@cache
def kernel_folder() -> Path | None:
    """Where the kernels of this engine are kept; None if nothing can be written anywhere."""
    beside_code = ROOM / "__pycache__"
    for folder in _folders(beside_code):
        is_new = not folder.is_dir()
        if _is_own(folder):
            if is_new and folder.parent == beside_code:
                _remove_others(folder)
            return folder
    return None


def _folders(beside_code: Path) -> Iterator[Path]:
    """What to try: below the user's folder for numba if there is one, else beside the code, of the user, of all."""
    name = f"{PREFIX}{engine_digest()}"
    yield (Path(config.CACHE_DIR) if config.CACHE_DIR else beside_code) / name
    of_user, home = Path(os.environ.get("XDG_CACHE_HOME", "")), Path("~").expanduser()
    if of_user.is_absolute():
        yield of_user / "facenn" / name
    elif home.is_dir():
        yield home / ".cache" / "facenn" / name
    yield Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"


def _is_own(folder: Path) -> bool:
    """Whether this user alone, or root, can put files into a folder: kernels are code that will run here."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return folder.stat().st_uid in (0, os.getuid())


def _remove_others(folder: Path) -> None:
    """Remove kernels of earlier states of the code, which nothing will ask for again."""
    for other in folder.parent.glob(f"{PREFIX}*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
