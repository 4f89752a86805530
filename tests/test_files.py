import subprocess
import sys
from pathlib import Path

import pytest

from facenn.files import replace_bytes, replace_text, replacing


def test_replace_text_writes_utf8_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "note.txt"
    replace_text(path, "Füße\n")
    assert path.read_bytes() == "Füße\n".encode()


def test_replace_bytes_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    replace_bytes(path, b"old and longer")
    replace_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_keeps_suffix_and_folder_of_the_target(tmp_path: Path) -> None:
    with replacing(tmp_path / "face.jpg") as temporary:
        temporary.write_bytes(b"")
        assert temporary.suffix == ".jpg"
        assert temporary.parent == tmp_path
        assert not (tmp_path / "face.jpg").exists()
    assert (tmp_path / "face.jpg").exists()


def test_replacing_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    replace_text(path, "whole")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("ha", encoding="utf-8")
        raise ZeroDivisionError
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_leaves_nothing_when_the_first_write_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "new.txt") as temporary:
        temporary.write_text("ha", encoding="utf-8")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_replacing_shows_no_half_file_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    replace_bytes(path, b"whole")
    script = ("import os, signal, sys\nfrom pathlib import Path\nfrom facenn.files import replacing\n"
              "with replacing(Path(sys.argv[1])) as temporary:\n"
              "    temporary.write_bytes(b'ha')\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode < 0
    assert path.read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["face.png"]
