import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import imitator as module
from benchmarks.imitator import measure, parse, recipes_of, split_of
from facenn.errors import ConfigError
from facenn.exchange.renders import write_table
from facenn.files import replace_text
from facenn.images import read_pixels, write_pixels
from facenn.schema import ParameterSchema, Slider

OPTIONS = ("--counts", "4,8", "--held-out", "3", "--steps", "25", "--timed", "2", "--resolution", "32", "--batch-size",
           "2", "--precision", "fp32", "--device", "cpu", "--architectures", "dcgan")


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures whose grey is the only parameter."""
    folder = tmp_path_factory.mktemp("renders")
    greys = np.random.default_rng(0).random((12, 1), np.float32)
    names = [f"{i:02d}" for i in range(12)]
    for name, grey in zip(names, greys[:, 0], strict=True):
        write_pixels(folder / "images" / f"{name}.png", np.full((32, 32, 3), round(255 * float(grey)), np.uint8))
    write_table(folder, ParameterSchema("toy", 1, (Slider("grey", "toy", "Grey"),)), names, greys)
    return folder


@pytest.fixture(autouse=True)
def _small_original(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ORIGINAL_SIDE", 32)


def test_measure_writes_table_and_figure_and_does_nothing_twice(
        renders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    options = parse([str(renders), *OPTIONS, "--out", str(tmp_path)])
    measure(options)
    text = capsys.readouterr().out
    assert text == (tmp_path / "imitators.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| dcgan")]
    assert [row[1:4] for row in rows[:2]] == [["4", "25", "50"], ["8", "25", "50"]]
    own, original, ratio = (float(cell.strip(" |")) for cell in rows[2][1:])
    assert ratio == pytest.approx(own / original, rel=0.05)
    assert read_pixels(tmp_path / "imitators.png").shape[:2] == (800, 2200)
    course = json.loads(next(tmp_path.glob("dcgan-8-*.json")).read_text())["course"]
    assert [point["pictures"] for point in course] == [*range(4, 50, 4), 50]
    assert all(np.diff([point["seconds"] for point in course]) > 0)
    assert course[-1]["error"] < course[0]["error"]
    assert not list((tmp_path / "states").iterdir())
    monkeypatch.setattr(module, "train", None)
    measure(options)
    assert capsys.readouterr().out == text


def test_measure_goes_on_with_a_training_that_was_killed(
        renders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed, killed = (parse([str(renders), *OPTIONS, "--out", str(tmp_path / name)]) for name in ("a", "b"))
    measure(undisturbed)
    def dying(path: Path, text: str) -> None:
        replace_text(path, text)
        if path.parent.name == "states" and '"10"' in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "replace_text", dying)
    with pytest.raises(KeyboardInterrupt):
        measure(killed)
    monkeypatch.undo()
    monkeypatch.setattr(module, "ORIGINAL_SIDE", 32)
    measure(killed)
    for count in (4, 8):
        one, other = (json.loads(next((tmp_path / name).glob(f"dcgan-{count}-*.json")).read_text()) for name in "ab")
        assert one["l1"] == pytest.approx(other["l1"], abs=1e-6)
        assert [p["pictures"] for p in one["course"]] == [p["pictures"] for p in other["course"]]


def test_split_judges_every_count_on_the_same_renders() -> None:
    small, large = (recipe for recipe in recipes_of(parse(["renders", *OPTIONS]), "cpu"))
    assert split_of(small, 12).training.tolist() == [0, 1, 2, 3]
    assert split_of(small, 12).validation.tolist() == split_of(large, 12).validation.tolist() == [9, 10, 11]
    with pytest.raises(ConfigError, match="8 renders to learn from and 3 others"):
        split_of(large, 10)


@pytest.mark.parametrize("bad", [("--counts", "4,many"), ("--steps", "0"), ("--batch-size", "1"),
                                 ("--architectures", "dcgan:few"), ("--architectures", "dcgan:0"),
                                 ("--architectures", "dcgan:1:2:3")])
def test_recipes_refuse_what_cannot_be_trained(bad: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        recipes_of(parse(["renders", *OPTIONS, *bad]), "cpu")


def test_recipes_give_each_architecture_steps_and_peak_of_its_own() -> None:
    options = parse(["renders", *OPTIONS, "--peak", "0.1", "--architectures", "dcgan,pyramid:40:0.5"])
    assert [(r.architecture, r.renders, r.steps, r.peak) for r in recipes_of(options, "cpu")] == [
        ("dcgan", 4, 25, 0.1), ("dcgan", 8, 25, 0.1), ("pyramid", 4, 40, 0.5), ("pyramid", 8, 40, 0.5)]
