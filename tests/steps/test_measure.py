import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facenn.config import FitConfig, ImitatorFitConfig
from facenn.engine.renderer import Engine
from facenn.errors import CheckpointError, ConfigError
from facenn.images import read_pixels, to_tensor
from facenn.networks.checkpoints import save_imitator
from facenn.networks.dcgan import Dcgan
from facenn.people import random_vector
from facenn.schema import ParameterSchema
from facenn.steps import measure as module
from facenn.steps.measure import Fresh, Measures, measure

PRETRAINED = Path(__file__).resolve().parents[2] / "data" / "pretrained"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("portrait")


@pytest.fixture(autouse=True)
def _made_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine takes seconds to be made."""
    monkeypatch.setattr(module, "Engine", lambda name: engine)


class Painter(nn.Module):
    """Draws the engine's own picture."""

    resolution = 512

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.somewhere = nn.Parameter(torch.zeros(1))

    def forward(self, parameters: Tensor) -> Tensor:
        return torch.stack([to_tensor(self.engine.draw(vector).picture) for vector in parameters.numpy()])


def measured(model: Path, out: Path, fresh: Fresh) -> Measures:
    return measure(model, out, fresh, FitConfig(), pretrained=PRETRAINED, device="cpu", progress=lambda done: None,
                   log=lambda step, losses: None)


def record(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_fresh_faces_follow_from_the_seed_and_are_none_of_those_that_are_rendered(portrait: ParameterSchema) -> None:
    faces = [Fresh("portrait", 1, seed).vector(portrait, i) for seed in (1, 2) for i in (0, 1)]
    assert len({face.tobytes() for face in faces}) == 4
    assert np.array_equal(faces[1], Fresh("portrait", 9, 1).vector(portrait, 1))
    rendered = {random_vector(portrait, seed, i).tobytes() for seed in range(4) for i in range(4)}
    assert not rendered & {face.tobytes() for face in faces}


def test_measure_finds_no_gap_where_the_imitator_is_the_engine(
        tmp_path: Path, toy_model: Path, engine: Engine, portrait: ParameterSchema,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_imitator", lambda *_, **__: (Painter(engine), portrait))
    found = measured(toy_model, tmp_path / "out.json", Fresh("portrait", 1))
    assert (found.random.l1, found.random.ssim, found.random.seen, found.fitted) == (0, 1, 1, None)
    assert found.random.landmark_px == pytest.approx(0, abs=1e-4)
    assert found.random.sface_distance == pytest.approx(0, abs=1e-5)
    assert set(found.random.parts.values()) == {0}


def test_measure_writes_random_and_fitted_figures_side_by_side(tmp_path: Path, toy_model: Path) -> None:
    told: list[int] = []
    fresh, config = Fresh("portrait", 2, 5, fitted=2), FitConfig(imitator=ImitatorFitConfig(
        steps=2, candidates=0, batch=1))
    found = measure(toy_model, tmp_path / "a" / "out.json", fresh, config, pretrained=PRETRAINED, device="cpu",
                    progress=told.append, log=lambda step, losses: told.append(step))
    assert told == [0, 1, 2, 1, 2, 3, 4]
    assert fresh.fit_steps(config) == 4
    written = record(tmp_path / "a" / "out.json")
    assert (written["model"], written["character"], written["resolution"]) == (toy_model.name, "portrait", 64)
    assert (written["seed"], written["faces"], written["seen"], written["fitted"]["faces"]) == (5, 2, 2, 2)
    assert written["l1"] == pytest.approx(found.random.l1, abs=1e-6)
    assert written["fitted"].keys() == written.keys() - {"model", "sha256", "character", "resolution", "seed", "fitted"}
    assert {"background", "skin", "brow", "eye", "nose", "lips", "ear", "neck", "cloth"} <= written["parts"].keys()
    assert found.figures()["fitted/l1/nose"] == pytest.approx(written["fitted"]["parts"]["nose"], abs=1e-6)
    height, width, _ = read_pixels(tmp_path / "a" / "out.png").shape
    assert width > 3 * 512
    assert 2 * 512 < height < 3 * 512


def test_measure_repeats_itself_with_the_same_seed_alone(tmp_path: Path, toy_model: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        measured(toy_model, tmp_path / f"{name}.json", Fresh("portrait", 1, seed))
    one, same, other = (record(tmp_path / f"{name}.json") for name in ("one", "same", "other"))
    assert one == same
    assert one["l1"] != other["l1"]


@pytest.mark.parametrize(("count", "seed", "fitted", "expected"), [
    (0, 1, 0, "--count of 1 face or more, got 0"), (1, -1, 0, "--seed of 0 or more"),
    (2, 1, 3, "the 2 faces of --count"), (2, 1, -1, "--fitted between 0")])
def test_fresh_faces_refuse_numbers_out_of_bounds(count: int, seed: int, fitted: int, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Fresh("portrait", count, seed, fitted)


def test_measure_refuses_what_it_cannot_compare(tmp_path: Path, toy_model: Path, portrait: ParameterSchema) -> None:
    with pytest.raises(ConfigError, match="expected one of the embedded characters"):
        Fresh("hero", 1)
    with pytest.raises(CheckpointError, match="expected parameters of character classic, got portrait"):
        measured(toy_model, tmp_path / "out.json", Fresh("classic", 1))
    newer = ParameterSchema("portrait", portrait.version + 1, portrait.sliders, portrait.choices)
    save_imitator(tmp_path / "newer.safetensors", Dcgan(newer.size, resolution=32), newer)
    with pytest.raises(CheckpointError, match="got version 4"):
        measured(tmp_path / "newer.safetensors", tmp_path / "out.json", Fresh("portrait", 1))
    with pytest.raises(ConfigError, match=r"expected a \.json file"):
        measured(toy_model, tmp_path / "out.png", Fresh("portrait", 1))
    assert not (tmp_path / "out.json").exists()
