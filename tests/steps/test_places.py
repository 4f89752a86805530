import os
import subprocess
import sys

import pytest

from facenn.steps.places import experiment_tags


@pytest.mark.parametrize(("variables", "expected"), [({}, ".facenn"), ({"DVC_ROOT": "/project"}, "/project/.facenn")])
def test_state_of_an_experiment_outlasts_its_copy(variables: dict[str, str], expected: str) -> None:
    others = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    code = "from facenn.steps.places import STATE; print(STATE)"
    done = subprocess.run([sys.executable, "-c", code], env=others | variables, check=True,
                          capture_output=True, text=True)
    assert done.stdout.strip() == expected


def test_tags_name_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert experiment_tags() == {}
    monkeypatch.setenv("DVC_EXP_NAME", "hotter")
    assert experiment_tags() == {"dvc_experiment": "hotter"}
