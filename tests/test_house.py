"""The page about the house: its tree and doors are those that stand, and its recipes work in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from facenn.engine.renderer import Engine
from facenn.people import random_vector

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/house.md").read_text()
SIDE = 64


def section(title: str, page: str = PAGE) -> str:
    """What stands below a heading, up to the next one of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |^\1 |\Z)", page, re.S | re.M)
    assert found is not None, f"docs/house.md has no section {title!r}"
    return found[2]


def block(title: str) -> list[str]:
    """The lines of the first block of a section."""
    found = re.search(r"^```text\n(.*?)^```", section(title), re.S | re.M)
    assert found is not None
    return found[1].splitlines()


# The tree and the doors

def test_tree_names_every_module_and_every_room_and_no_other() -> None:
    named, rooms = list[str](), list[str]()
    for line in block("The tree"):
        entries = re.match(r" *((?:\w+(?:\.py|/)(?:, )?)+)(?:  +\S.*)?$", line)
        assert entries is not None, line
        depth = (len(line) - len(line.lstrip())) // 2
        rooms = rooms[:depth]
        named += ["".join(rooms) + entry for entry in entries[1].split(", ")]
        if line.lstrip().split()[0].endswith("/"):
            rooms.append(entries[1])
    there = [path.relative_to(ROOT) for root in ("facenn", "flows") for path in (ROOT / root).rglob("*.py")]
    standing = {f"{path}" if path.name != "__init__.py" else f"{path.parent}/" for path in there}
    assert sorted(named) == sorted(standing)


def test_doors_are_those_that_import_linter_checks() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    doors = next(contract for contract in contracts if contract["type"] == "layers")
    assert doors["exhaustive"]
    assert [set(line.split(" | ")) for line in block("Doors")] == [
        set(layer.split(" | ")) for layer in reversed(doors["layers"])]


def test_every_file_that_the_page_names_is_there() -> None:
    made = {"ellipses.py", "data/pretrained/studio.safetensors"}
    for name in re.findall(r"`((?:facenn|flows|tests|benchmarks|docs)/[\w/.-]*|\w+\.(?:py|yaml|toml))`", PAGE):
        inside = name if "/" in name or name in ("dvc.yaml", "params.yaml", "pyproject.toml") else f"facenn/{name}"
        assert name in made or (ROOT / inside).exists(), name


def test_counts_of_the_files_that_a_photo_enters_are_those_of_the_lists() -> None:
    walk = section("How a photo walks through")
    parts = re.split(r"^\*(.*)\*$", walk, flags=re.M)
    entered = {title: set(re.findall(r"`([\w/]+\.py)`", text)) for title, text in zip(parts[1::2], parts[2::2],
                                                                                      strict=True)}
    opening, imitator, engine, closing = entered.values()
    assert all((ROOT / "facenn" / name).is_file() for names in entered.values() for name in names)
    shared = opening | closing
    assert not shared & (imitator | engine)
    stated = [int(count) for count in re.findall(r"(\d+)(?: files| with `engine`)", walk)]
    assert stated == [len(shared | imitator), len(shared | engine), len(shared), len(imitator), len(engine)]


# The recipes

@dataclass(frozen=True)
class Step:
    """One step of a recipe.

    Attributes:
        file: that is edited or made; empty for commands.
        where: ``after``, ``after each``, ``instead of``, ``at its end``, ``a new file``, or ``run``.
        anchor: the words that are looked for in the file.
        code: what is written, or run.
    """

    file: str
    where: str
    anchor: str
    code: str


def steps_of(title: str) -> list[Step]:
    found = []
    for item in re.split(r"^\d+\. ", section(title), flags=re.M)[1:]:
        fence = re.search(r"^   ```\w+\n(.*?)^   ```", item, re.S | re.M)
        assert fence is not None, item
        code = re.sub(r"^   ", "", fence[1], flags=re.M)
        head = re.match(r"`([^`]+)`, (after each|after|instead of|at its end|a new file)(?: `([^`]+)`)?", item)
        assert head or item.startswith("Run"), item
        found.append(Step(head[1], head[2], head[3] or "", code) if head else Step("", "run", "", code))
    return found


def follow(step: Step, copy: Path) -> None:
    if step.where == "run":
        run(copy, step.code)
        return
    path = copy / step.file
    text = "" if step.where == "a new file" else path.read_text()
    if step.where == "instead of":
        assert text.count(step.anchor) == 1, f"{step.file} holds {step.anchor!r} {text.count(step.anchor)} times"
        text = text.replace(step.anchor, step.code.rstrip("\n"))
    elif step.where in ("after", "after each"):
        lines = text.splitlines(keepends=True)
        held = [step.anchor in line for line in lines]
        expected = any(held) if step.where == "after each" else sum(held) == 1
        assert expected, f"{step.file} holds {step.anchor!r} in {sum(held)} lines"
        text = "".join(line + step.code * holds for line, holds in zip(lines, held, strict=True))
    elif step.where == "at its end":
        text += "\n\n" + step.code
    else:
        text = step.code
    path.write_text(text)


def environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "FACENN_HOME": str(copy / ".facenn"), "FACENN_DEVICE": "cpu",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(copy: Path, command: str) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=copy, env=environment(copy), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


def pytest_in(copy: Path, *arguments: str) -> str:
    return run(copy, " ".join(["python -m pytest -q -n 0 -p no:cacheprovider", *arguments]))


@pytest.fixture
def followed(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the project in which the recipe of a title was followed, and whose code ruff likes."""
    def made(title: str) -> Path:
        copy = tmp_path / "copy"
        for folder in ("facenn", "tests"):
            shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", "params.yaml", "pyproject.toml"):
            shutil.copy(ROOT / name, copy / name)
        (copy / "data/pretrained").mkdir(parents=True)
        shutil.copy(ROOT / "data/pretrained/README.md", copy / "data/pretrained")
        for network in (ROOT / "data/pretrained").glob("*.safetensors"):
            (copy / "data/pretrained" / network.name).symlink_to(network)
        steps = steps_of(title)
        for step in steps:
            follow(step, copy)
        if files := {step.file for step in steps if step.file.endswith(".py")}:
            run(copy, f"ruff check --no-cache {' '.join(sorted(files))}")
        return copy

    return made


LINED = f"""
import numpy as np


def test_liner_is_drawn_and_its_absence_is_the_face_as_it_was(make_engine):
    engine, before = make_engine("portrait", {SIDE}), np.load("before.npz", allow_pickle=True)
    slider = next(s for s in engine.schema.sliders if s.name == "lips.liner")
    assert (slider.neutral, slider.role, engine.schema.version) == (0, "make-up", before["version"] + 1)
    for face, picture in zip(before["faces"], before["pictures"]):
        without, lined = (engine.draw(engine.schema.from_named({{**face, slider.name: value}})).picture
                          for value in (0.0, 1.0))
        assert np.array_equal(without, picture)
        assert np.abs(lined.astype(int) - without).max() > 20
"""


def test_recipe_of_a_slider_draws_it_and_leaves_every_other_picture_as_it_was(
        followed: Callable[[str], Path], make_engine: Callable[[str, int], Engine]) -> None:
    copy, engine = followed("A slider of looks"), make_engine("portrait", SIDE)
    vectors = [engine.schema.neutral(), *(random_vector(engine.schema, 7, i) for i in range(3))]
    faces = [engine.schema.to_named(vector) | {"hair.style": "bald"} for vector in vectors]  # hair takes long to grow
    pictures = [engine.draw(engine.schema.from_named(face)).picture for face in faces]
    np.savez(copy / "before.npz", faces=np.array(faces), pictures=pictures, version=engine.schema.version)
    (copy / "tests/engine/test_liner.py").write_text(LINED)
    pytest_in(copy, "tests/engine/test_liner.py", "tests/engine/test_characters.py", "-k 'liner or portrait'")


def test_recipe_of_an_engine_makes_a_folder_that_is_valid_and_can_be_learned_from(
        followed: Callable[[str], Path]) -> None:
    copy = followed("An engine")
    assert (copy / "runs/ellipses/validation/validation.md").is_file()
    assert (copy / "runs/ellipses/model/imitator.safetensors").is_file()


JOINED = """
import torch


def test_ensemble_holds_the_new_network(frozen):
    assert [member.name for member in frozen.ensemble.members] == ["sface", "faceres", "studio"] * 2
    embedding = frozen.ensemble.embed(torch.rand(1, 3, 64, 64), torch.rand(1, 478, 3) * 64)
    assert embedding.shape == (1, 2 * (128 + 1024 + 128))
"""


def test_recipe_of_a_recognition_network_puts_it_into_every_fit(followed: Callable[[str], Path]) -> None:
    copy = followed("A recognition network")
    (copy / "tests/networks/test_studio.py").write_text(JOINED)
    pytest_in(copy, "tests/networks/test_studio.py", "tests/networks/test_recognition.py")


def test_recipe_of_a_loss_makes_an_option_and_a_term_of_every_step(followed: Callable[[str], Path]) -> None:
    copy = followed("A loss")
    assert "--proportion" in run(copy, "COLUMNS=200 python -m facenn fit --help")
    pytest_in(copy, "tests/test_config.py",
              "tests/fitting/imitator/test_descent.py::test_fit_keeps_every_step_of_every_loss")
