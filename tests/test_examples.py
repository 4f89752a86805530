"""The examples in docstrings hold."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
           for path in sorted((ROOT / "facenn").rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted and not tried.failed


def test_what_a_notebook_would_call_has_an_example() -> None:
    assert {"facenn", "facenn.faces", "facenn.schema", "facenn.losses", "facenn.engine.renderer",
            "facenn.networks.cropping"} <= set(MODULES)
