"""The digest that tells whether two engines draw the same."""

import hashlib
from functools import cache
from pathlib import Path

ROOM = Path(__file__).parent


@cache
def engine_digest() -> str:
    """16 hexadecimal digits of the code that this process draws with, and of its head.

    Renders, libraries and compiled kernels are kept apart by it. It is taken once: code that is edited later is not
    what runs here.
    """
    return digest_of(ROOM)


def digest_of(room: Path) -> str:
    """16 hexadecimal digits of all modules and assets in a folder and below, and of their names.

    Args:
        room: folder of an engine.
    """
    digest = hashlib.sha256()
    for path in sorted([*room.rglob("*.py"), *room.rglob("*.npz")]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(room).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
