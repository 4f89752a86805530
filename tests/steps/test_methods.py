from pathlib import Path

import pytest

from facenn.fitting import engine, imitator, translator
from facenn.steps.methods import code_of

ROOT = Path(__file__).resolve().parents[2] / "facenn"


@pytest.mark.parametrize(("own", "other"), [(engine, imitator), (imitator, engine), (translator, engine)])
def test_results_of_a_method_depend_on_its_code_and_on_what_both_share_but_not_on_the_other(
        own: object, other: object) -> None:
    rooms = [Path(room.__path__[0]) for room in (own, other)]  # type: ignore[attr-defined]
    code = set(code_of(str(rooms[0])))
    assert set(rooms[0].glob("*.py")) <= code
    assert not code & set(rooms[1].glob("*.py"))
    assert {ROOT / name for name in ("fitting/prior.py", "fitting/choices.py", "perception/hair.py", "losses.py",
                                     "alignment.py", "networks/recognition.py")} <= code
