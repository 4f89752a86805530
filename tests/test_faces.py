"""The front door in Python, from a folder that is no project."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facenn
from facenn.config import FitConfig, ImitatorFitConfig
from facenn.errors import ConfigError, FormatError, MissingFileError, SchemaError
from facenn.exchange.presets import write_preset
from facenn.faces import Face
from facenn.schema import ParameterSchema

PHOTO = Path(__file__).resolve().parents[1] / "data/photos/astronaut.jpg"
TOY = FitConfig(method="imitator", imitator=ImitatorFitConfig(steps=1, candidates=0),
                lock=("nose.hump=0.3", "hair.style=bob", "eyebrows.style"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def found(elsewhere: Path) -> Face:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return facenn.fit(PHOTO, model=str(PHOTO.parents[1] / "pretrained/imitator-portrait.safetensors"),
                          device="cpu", config=TOY)


def test_fit_finds_named_parameters_and_writes_nothing(found: Face, elsewhere: Path) -> None:
    assert found.parameters["nose.hump"] == pytest.approx(0.3)
    assert found.parameters["hair.style"] == "bob"
    assert found.picture.size == found.photo.size == (512, 512)
    assert set(found.distances) == {"sface", "dlib"}
    assert list(elsewhere.iterdir()) == []


def test_save_writes_what_the_command_writes_and_replaces_nothing_of_another_origin(found: Face, elsewhere: Path,
                                                                                     tmp_path: Path) -> None:
    folder = found.save(tmp_path / "out")
    assert {"parameters.json", "model.bytes", "engine.png", "report.html", "measures.json"} <= {
        path.name for path in folder.iterdir()}
    assert json.loads((folder / "parameters.json").read_text())["parameters"] == dict(found.parameters)
    (tmp_path / "photo.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"photo\.png of another origin would be replaced"):
        found.save(tmp_path)


def test_draw_takes_faces_files_vectors_and_names_and_draws_the_same(found: Face, tmp_path: Path,
                                                                     portrait: ParameterSchema) -> None:
    write_preset(tmp_path / "face.json", portrait, found.vector)
    drawn = [np.asarray(facenn.draw(what)) for what in (found, tmp_path / "face.json", found.vector, found.parameters)]
    assert np.array_equal(drawn[0], np.asarray(found.picture))
    assert all(np.abs(one.astype(int) - drawn[0]).max() <= 2 for one in drawn)


def test_draw_leaves_what_is_not_named_neutral_and_turns_the_head(portrait: ParameterSchema) -> None:
    neutral, named = (np.asarray(facenn.draw(p, side=64)) for p in (portrait.neutral(), {"hair.style": "bald"}))
    assert np.array_equal(neutral, named)
    turned = np.asarray(facenn.draw({}, side=64, yaw=25, expression={"smile": 1}))
    assert np.abs(turned.astype(int) - neutral).mean() > 1


def test_front_door_refuses_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("{}")
    for call, error, message in (
            (lambda: facenn.fit("nowhere.jpg"), MissingFileError, "nowhere.jpg"),
            (lambda: facenn.fit(PHOTO, device="abacus"), ConfigError, "expected a device"),
            (lambda: facenn.fit(PHOTO, method="guess"), ConfigError, "method"),  # type: ignore[arg-type]
            (lambda: facenn.draw({"nose.humb": 1}), SchemaError, "nose.humb"),
            (lambda: facenn.draw({}, character="nobody"), ConfigError, "nobody"),
            (lambda: facenn.draw(tmp_path / "nothing.json"), MissingFileError, "nothing.json"),
            (lambda: facenn.draw(str(tmp_path / "empty.json")), FormatError, "expected a preset with the keys")):
        with pytest.raises(error, match=message) as refused:
            call()
        assert "\n" not in str(refused.value)


def test_package_offers_the_front_door_and_loads_nothing_heavy_for_it() -> None:
    code = "import sys, facenn; assert callable(facenn.fit); print({'torch', 'numba', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        facenn.fitt  # noqa: B018
