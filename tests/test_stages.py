"""Each stage of dvc.yaml depends on the code that makes its result, found by following imports from its command."""

import ast
import functools
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Nothing in these changes what a stage computes: words, types, files' names, where a project keeps things, what MLflow
# shows, how processes end. Options are dependencies of their own, by their values in params.yaml.
IMMATERIAL = {"arrays", "config", "errors", "files", "processes", "tracking", "steps/project", "steps/provenance",
              "steps/registry"}
# How a training, or the report of a fit, is shown: a new sentence there must not train a network again.
SHOWN = {"train": {"report", "steps/sheets"}}


def imports(tree: ast.AST) -> set[Path]:
    """Files of the package that some code imports, anywhere in it but for the sake of types."""
    for_types = [block for block in ast.walk(tree)
                 if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)]
    typing = {id(node) for block in for_types for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "facenn":
                stem = ROOT / Path(*name.split("."))
                found |= {file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()}
    return found


@functools.cache
def imports_of(path: Path) -> set[Path]:
    return imports(ast.parse(path.read_text()))


def closure(files: set[Path], left_out: set[str]) -> set[str]:
    """Names of files and of all that they import, directly or not, but for what is left out.

    Packages' own files hold no code. A name has no suffix and is relative to the package.
    """
    found, waiting = set[str](), [*files]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(ROOT / "facenn").with_suffix(""))
        if name not in found | left_out and name.split("/")[0] not in left_out and path.name != "__init__.py":
            found.add(name)
            waiting += imports_of(path)
    return found


def command(stage: str) -> ast.FunctionDef:
    tree = ast.parse((ROOT / "facenn/cli.py").read_text())
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef)
                and node.name == stage.replace("-", "_"))


def decisive(stage: str) -> set[str]:
    """Names of the files that decide the result of a stage."""
    return closure(imports(command(stage)), IMMATERIAL | SHOWN.get(stage, set()))


def listed(stage: str) -> set[str]:
    deps = (dep for dep in STAGES[stage]["deps"] if dep.startswith("facenn/"))
    return {dep.removeprefix("facenn/").removesuffix(".py") for dep in deps}


def test_every_stage_is_a_command_with_a_file_of_its_name() -> None:
    for stage, definition in STAGES.items():
        assert definition["cmd"].split()[:2] == ["facenn", stage]
        assert f"steps/{stage.replace('-', '_')}" in decisive(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_decides_its_result(stage: str) -> None:
    rooms = listed(stage)
    missing = {name for name in decisive(stage) if name not in rooms and not any(
        name.startswith(f"{room}/") for room in rooms)}
    assert sorted(missing) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_run(stage: str) -> None:
    names = decisive(stage)
    idle = {dep for dep in listed(stage) if dep not in names and not any(name.startswith(f"{dep}/") for name in names)}
    assert sorted(idle) == []


def test_editing_a_stage_leaves_the_training_alone() -> None:
    others = {f"steps/{stage.replace('-', '_')}" for stage in STAGES} - {"steps/train"}
    assert not others & decisive("train")
