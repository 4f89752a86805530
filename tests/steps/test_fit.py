import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facenn.config import EngineFitConfig, FitConfig, ImitatorFitConfig
from facenn.engine.characters import character
from facenn.errors import CheckpointError, MissingFileError
from facenn.exchange.original import original_schema
from facenn.exchange.unity import read_model
from facenn.fitting.guess import load_translator
from facenn.networks.checkpoints import load_imitator, save_imitator, schema_difference
from facenn.networks.dcgan import Dcgan
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema
from facenn.steps.fit import open_fitter
from facenn.steps.project import Project

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED, PHOTO = ROOT / "data/pretrained", ROOT / "data/photos/astronaut.jpg"
PROJECT = Project(PRETRAINED, Path("nowhere"), "sqlite:////nowhere.db")
CONFIG = FitConfig(method="imitator", imitator=ImitatorFitConfig(steps=1, candidates=0))


def fit_with(model: Path, out: Path) -> None:
    fitter = open_fitter(CONFIG, model, PROJECT, device="cpu")
    fitter.fit(PHOTO, out, face=None, credit=None, log=lambda *_: None)


def test_fit_for_a_foreign_game_shows_the_imitators_picture(tmp_path: Path, toy_imitator: Imitator) -> None:
    schema = original_schema("male", painted=True)
    imitator = Dcgan(schema.size, resolution=64, generator=torch.Generator().manual_seed(0))
    imitator.frame.copy_(toy_imitator.frame)
    save_imitator(tmp_path / "game.safetensors", imitator, schema)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "engine.png").write_bytes(b"of an earlier fit")
    (tmp_path / "out" / "measures.json").write_text('{"key": "of an earlier fit"}')
    fit_with(tmp_path / "game.safetensors", tmp_path / "out")
    assert not (tmp_path / "out" / "engine.png").exists()
    assert "the game's own picture comes from loading" in (tmp_path / "out" / "report.html").read_text()
    shape, values = read_model(tmp_path / "out" / "model.bytes")
    assert (shape, len(values)) == (3, 99)


def test_fit_refuses_an_imitator_of_another_engine(tmp_path: Path, toy_imitator: Imitator,
                                                   portrait: ParameterSchema) -> None:
    older = ParameterSchema(portrait.character, portrait.version + 1, portrait.sliders, portrait.choices)
    save_imitator(tmp_path / "older.safetensors", toy_imitator, older)
    with pytest.raises(CheckpointError, match=r"older\.safetensors: expected version"):
        fit_with(tmp_path / "older.safetensors", tmp_path)


def test_model_bytes_tell_the_sex_of_the_fitted_face(tmp_path: Path, toy_model: Path) -> None:
    fit_with(toy_model, tmp_path)
    gender = json.loads((tmp_path / "parameters.json").read_text())["parameters"]["person.gender"]
    assert read_model(tmp_path / "model.bytes")[0] == (3 if gender > 0.5 else 4)


def test_fit_on_the_engine_begins_with_the_shipped_translator(tmp_path: Path) -> None:
    config = FitConfig(engine=EngineFitConfig(rounds=1, workers=1), lock=("nose.hump=0.9",))
    assert config.method == "engine"
    (tmp_path / "imitator.png").write_bytes(b"of an earlier fit")
    (tmp_path / "measures.json").write_text('{"key": "of an earlier fit"}')
    told: list[int] = []
    fitter = open_fitter(config, None, PROJECT, device="cpu")
    fitter.fit(PHOTO, tmp_path, face=None, credit=None, log=lambda step, losses: told.append(step))
    assert told == [1]
    assert fitter.made_by == "Gauss-Newton on the engine, from translator-portrait"
    written = {p.name for p in tmp_path.iterdir()}
    assert "engine.png" in written
    assert "imitator.png" not in written
    measures = json.loads((tmp_path / "measures.json").read_text())
    assert measures["method"] == "engine"
    assert measures["pictures_drawn"] > 10
    assert json.loads((tmp_path / "parameters.json").read_text())["parameters"]["nose.hump"] == pytest.approx(0.9)
    losses = (tmp_path / "losses.csv").read_text().splitlines()
    total = losses[0].split(",").index("total")
    assert float(losses[-1].split(",")[total]) < float(losses[1].split(",")[total])


def test_fit_on_the_engine_takes_no_imitator_and_no_character_without_a_translator(toy_model: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a Translator, got a network called 'imitator'"):
        open_fitter(FitConfig(method="engine"), toy_model, PROJECT, device="cpu")
    with pytest.raises(MissingFileError, match=r"translator-classic\.safetensors"):
        open_fitter(FitConfig(method="engine", character="classic"), None, PROJECT, device="cpu")


def test_shipped_translator_is_of_the_engine_that_comes_along() -> None:
    translator = load_translator(PRETRAINED / "translator-portrait.safetensors", expect=character("portrait").schema)
    assert all(np.abs(slopes).max() > 0 for slopes in translator.jacobian.values())
    assert 0.2 < float(translator.frame[1, 0]) < 0.8  # the tip of the nose is about in the middle


def test_shipped_champion_is_of_the_engine_that_comes_along() -> None:
    imitator, schema = load_imitator(PRETRAINED / "imitator-portrait.safetensors")
    assert schema_difference(character("portrait").schema, schema) is None
    assert imitator.resolution == 512
    assert 100 < float(imitator.frame[1, 0]) < 412  # the tip of the nose is about in the middle
