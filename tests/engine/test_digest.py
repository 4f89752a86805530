from pathlib import Path

import pytest

from facenn.engine.digest import ROOM, digest_of, engine_digest


@pytest.fixture
def room(tmp_path: Path) -> Path:
    for name, text in (("drawing.py", "SIDE = 1\n"), ("skin/maps.py", "TONE = 1\n"), ("assets/head.npz", "head"),
                       ("assets/README.md", "note")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_engine_digest_is_that_of_its_room() -> None:
    assert engine_digest() == digest_of(ROOM)
    assert len(engine_digest()) == 16


@pytest.mark.parametrize("name", ["drawing.py", "skin/maps.py", "assets/head.npz"])
def test_digest_changes_with_every_file_that_draws(room: Path, name: str) -> None:
    before = digest_of(room)
    (room / name).write_text("changed", encoding="utf-8")
    assert digest_of(room) != before


def test_digest_changes_with_a_new_name(room: Path) -> None:
    before = digest_of(room)
    (room / "drawing.py").rename(room / "painting.py")
    assert digest_of(room) != before


@pytest.mark.parametrize("name", ["assets/README.md", "__pycache__/drawing.cpython-311.pyc", "notes.txt"])
def test_digest_ignores_what_draws_nothing(room: Path, name: str) -> None:
    before = digest_of(room)
    (room / name).parent.mkdir(exist_ok=True)
    (room / name).write_text("changed", encoding="utf-8")
    assert digest_of(room) == before
