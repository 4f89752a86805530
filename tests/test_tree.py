"""The tests are laid out as the code is: what a file tests is at the same place in the package."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
# What spans rooms, or is seen from outside.
ACROSS = {"test_dvc.py", "test_examples.py", "test_house.py", "test_project.py", "test_stages.py", "test_tree.py",
          "engine/test_regression.py", "engine/test_skin_tones.py", "workshop/test_browser.py", "workshop/test_up.py"}


def test_every_test_file_stands_where_its_module_does() -> None:
    lost = []
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS)
        module = place.with_name(place.name.removeprefix("test_"))
        rooms = (ROOT / "facenn" / module, ROOT / "facenn" / module.with_suffix(""), ROOT / module)
        if str(place) not in ACROSS and not any(room.exists() for room in rooms):
            lost.append(str(place))
    assert lost == []
