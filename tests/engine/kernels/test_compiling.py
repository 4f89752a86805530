import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numba as nb
import pytest

from facenn.engine.digest import engine_digest
from facenn.engine.kernels import compiling
from facenn.engine.kernels.compiling import kernel, kernel_folder

PACKAGE = Path(compiling.__file__).parents[2]
DRAWING = """
import numpy as np
from facenn.engine.kernels.sampling import LANES, ROWS, Row
from facenn.engine.kernels.skin import look_up_skin
from facenn.engine.kernels.tables import Textures
from facenn.engine.layout import Attribute, Brow, Canvas, Strength, Texture
table = np.zeros((ROWS, LANES), np.float32)
table[Attribute.FACE_X], table[Attribute.FACE_Y] = np.linspace(0.1, 0.9, LANES), 0.69
skin, canvas, brow = (np.zeros((8, 8, len(channels)), np.uint8) for channels in (Texture, Canvas, Brow))
brow[..., [Brow.HAIRS, Brow.ALONG, Brow.ACROSS]] = 60, 128, 60
look_up_skin(table.ravel(), LANES, Textures(skin, canvas, brow, brow, brow),
             np.full(len(Strength), 0.5, np.float32), np.zeros(LANES, np.uint8))
assert table[Row.COVER].any()
print(table[Row.COVER].tolist())
"""
"""Draws one row of an eyebrow with the kernel that does so in every picture."""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    kernel_folder.cache_clear()
    yield
    kernel_folder.cache_clear()


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[str], str]:
    """Draw with a copy of the package in a new process, and keep its kernels in a folder of that name."""
    shutil.copytree(PACKAGE, tmp_path / "copy" / "facenn", ignore=shutil.ignore_patterns("__pycache__", "pretrained"))

    def drawn(kept: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "copy"), "NUMBA_CACHE_DIR": str(tmp_path / kept)}
        return subprocess.run([sys.executable, "-c", DRAWING], env=environment, cwd=tmp_path, check=True,
                              capture_output=True, text=True).stdout

    return drawn


def test_an_edit_of_another_file_reaches_the_kernels(draw: Callable[[str], str], tmp_path: Path) -> None:
    before = draw("kept")
    source = tmp_path / "copy" / "facenn" / "engine" / "layout.py"
    text = source.read_text(encoding="utf-8")
    edited = text.replace("low=7.25, high=7.80", "low=7.20, high=7.85")
    assert edited != text
    source.write_text(edited, encoding="utf-8")
    after = draw("kept")
    assert after != before
    assert after == draw("empty")


def test_kernels_are_kept_beside_the_code_or_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path
                                                                 ) -> None:
    monkeypatch.setattr(nb.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "ROOM", tmp_path / "engine")
    assert kernel_folder() == tmp_path / "engine" / "__pycache__" / f"facenn-kernels-{engine_digest()}"
    kernel_folder.cache_clear()
    monkeypatch.setattr(nb.config, "CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_folder() == tmp_path / "mine" / f"facenn-kernels-{engine_digest()}"


@pytest.mark.parametrize(("room", "cache", "home", "chosen"), [
    ("open", "open", "open", "room"), ("shut", "open", "open", "cache"), ("shut", "shut", "open", "temporary"),
    ("shut", "", "open", "home"), ("shut", "", "missing", "temporary"), ("shut", "relative", "missing", "temporary")])
def test_kernels_find_a_place_where_the_code_cannot_be_written(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: str, cache: str, home: str, chosen: str) -> None:
    """A plain file stands in the place of a folder that cannot be written."""
    for name, state in (("room", room), ("cache", cache), ("home", home)):
        if state == "open":
            (tmp_path / name).mkdir()
        elif state == "shut":
            (tmp_path / name).touch()
    monkeypatch.setattr(nb.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "ROOM", tmp_path / "room")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache") if cache in ("open", "shut") else cache)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    folder = kernel_folder()
    assert folder is not None
    assert folder.relative_to(tmp_path).parts[0] == chosen
    assert not (tmp_path / "home").exists() or home == "open"


def test_nothing_is_kept_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_is_own", lambda folder: False)
    assert kernel_folder() is None
    assert kernel()(lambda x: x + 1)(2) == 3


def test_kernels_of_earlier_code_are_removed_beside_it_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling, "ROOM", tmp_path)
    for mine in ("", str(tmp_path / "mine")):
        monkeypatch.setattr(nb.config, "CACHE_DIR", mine)
        place = Path(mine or tmp_path / "__pycache__")
        for name in ("facenn-kernels-0123", "other"):
            (place / name).mkdir(parents=True)
        folder = kernel_folder()
        assert folder is not None
        assert folder.parent == place
        left = {path.name for path in place.iterdir()} - {folder.name}
        assert left == ({"other", "facenn-kernels-0123"} if mine else {"other"})
        kernel_folder.cache_clear()


def test_other_users_of_numba_keep_their_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nb.config, "CACHE_DIR", str(tmp_path))
    doubled = kernel(error_model="numpy")(lambda x: 2 * x)
    assert str(tmp_path) == compiling.config.CACHE_DIR
    assert doubled(3) == 6
