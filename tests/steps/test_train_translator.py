import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from facenn.arrays import Floats
from facenn.config import FitConfig, TrainTranslatorConfig
from facenn.engine.characters import character
from facenn.fitting.guess import load_translator
from facenn.making.examples import Examples
from facenn.people import random_vector
from facenn.perception.cells import CELLS
from facenn.perception.observation import Observation
from facenn.perception.skin import SkinSpots
from facenn.steps import train_translator as module
from facenn.steps.fit import open_fitter
from facenn.steps.project import Project
from facenn.steps.train_translator import TrainedTranslator, train_translator
from facenn.tracking import CHAMPION, registered
from facenn.translating import TranslatorMeasures

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "data/photos/astronaut.jpg"
CONFIG = TrainTranslatorConfig(count=60, epochs=3, batch_size=16)


@pytest.fixture
def reference(face_points: Tensor) -> Floats:
    points: Floats = (face_points[:, :2] / 512).numpy()
    return points


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, reference: Floats) -> None:
    """Examples without pictures: noise, but for the colour of hair."""
    def load(folder: Path, name: str, pretrained: Path, *, count: int, seed: int, workers: int, progress: object
             ) -> Examples:
        schema, chance, spots = character(name).schema, np.random.default_rng(0), SkinSpots(reference)
        vectors = np.stack([random_vector(schema, seed, i) for i in range(count)])
        lightness = vectors[:, [schema.slider_of("hair.lightness") or 0]]
        shapes = ((1152,), (478, 2), (len(spots), 3), (3,), (CELLS, CELLS), (3,))
        seen = Observation(*(chance.random((count, *shape), np.float32) for shape in shapes))
        presence = (np.arange(count) != 5).astype(np.float32)
        return Examples(schema, vectors,
                        replace(seen, points=reference + 0.01 * seen.points, hair=np.repeat(lightness, 3, 1)),
                        presence, reference)

    monkeypatch.setattr(module, "load_examples", load)


def train(out: Path, project: Project, config: TrainTranslatorConfig = CONFIG) -> TrainedTranslator:
    return train_translator(config, out, project=project, progress=lambda done: None, log=lambda *_: None)


def test_translator_is_trained_registered_and_fits_a_photo(tmp_path: Path, tracking: str) -> None:
    project = Project(ROOT / "data/pretrained", tmp_path, tracking)
    found = train(tmp_path, replace(project, pretrained=tmp_path))
    assert found.verdict == "the first champion of portrait"
    assert found.measures.examples == 6  # one in ten
    model = registered(tracking, "translator-portrait")[-1]
    assert (model.run_id, model.aliases) == (found.mlflow_run, ("candidate", CHAMPION))
    record = json.loads((tmp_path / "translator.json").read_text())
    assert record["mlflow_run"] == found.mlflow_run
    assert record["measures"]["sex"] == found.measures.sex
    assert (tmp_path / "translator.csv").read_text().splitlines()[0] == "step,loss"
    assert load_translator(tmp_path / "translator.safetensors").spread.min() > 0

    # A worse one does not take its place.
    verdict = train(tmp_path / "worse", project, CONFIG.model_copy(update={"epochs": 1, "rate": 1.0})).verdict
    assert verdict.startswith("the champion translator-portrait-")

    # The method takes its time from loading alone, respects locks, and writes what other methods write.
    config = FitConfig(method="translate", lock=("hair.style=bald", "nose.hump=0.9"))
    fitter = open_fitter(config, tmp_path / "translator.safetensors", project, device="cpu")
    report = fitter.fit(PHOTO, tmp_path / "fit", face=None, credit=None, log=lambda *_: None)
    again = fitter.find(PHOTO, face=None, log=lambda *_: None)
    named = json.loads((tmp_path / "fit/parameters.json").read_text())["parameters"]
    assert (named["hair.style"], named["nose.hump"]) == ("bald", pytest.approx(0.9))
    assert named == fitter.schema.to_named(again.result.vector)
    assert report.likeness is not None
    assert "Course of the fit" not in (tmp_path / "fit/report.html").read_text()
    assert (tmp_path / "fit/engine.png").is_file()
    assert not (tmp_path / "fit/imitator.png").exists()


def test_card_says_what_a_translator_learned_from_and_is_not_for() -> None:
    measures = TranslatorMeasures(6, {"Skin": 0.1}, {"Skin": 0.42}, {}, None)
    text = module.card(CONFIG, measures)
    assert "60 pictures of random people" in text
    assert "42%" in text
    assert "without a photo of any person" in text
