import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

import facenn.steps.fit
from facenn.config import FitConfig, ImitatorFitConfig
from facenn.errors import ConfigError, MissingFileError
from facenn.evaluation import Likeness
from facenn.steps.fit import FitReport
from facenn.steps.project import Project
from flows.artifacts import fit_markdown
from flows.fit_photo import fit_photo
from tests.flows.pages import GREY, RED, newest_artifact, paint, pictures


class StubFitter:
    """Writes one-coloured pictures instead of searching."""

    config: FitConfig
    made_by = "stub"

    @classmethod
    def opened(cls, config: FitConfig, model: Path | None, project: Project, *, device: str) -> "StubFitter":
        cls.config = config
        return cls()

    def fit(self, photo: Path, out: Path, *, face: int | None, credit: str | None,
            log: Callable[[int, Mapping[str, float]], None]) -> FitReport:
        for name, colour in {"photo.png": GREY, "engine.png": RED, "losses.png": GREY}.items():
            paint(out / name, colour)
        (out / "parameters.json").write_text(json.dumps({"parameters": {"nose.width": 0.25, "hair.style": "bob"}}))
        for step in range(1, self.config.imitator.steps + 1):
            log(step, {"total": 1 / step})
        return FitReport(photo.name, out, Likeness({"sface": 0.25, "dlib": 0.5}), seconds=3)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo and the shipped networks, below the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paint(tmp_path / "me.png", GREY)
    shipped = tmp_path / "data/pretrained"
    shipped.mkdir(parents=True)
    for name in ("imitator-portrait", "translator-portrait", "blazeface"):
        (shipped / f"{name}.safetensors").touch()
    return Path("me.png")


def test_fit_photo_shows_photo_and_engine_picture_in_an_artifact(
        photo: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(facenn.steps.fit, "open_fitter", StubFitter.opened)
    with caplog.at_level(logging.INFO, logger="prefect.flow_runs"):
        folder = fit_photo(str(photo), config=FitConfig(
            method="imitator", imitator=ImitatorFitConfig(steps=40)))
    assert Path(folder).parent == Path("runs")
    assert StubFitter.config.imitator.steps == 40
    assert "step 40/40: total 0.025" in caplog.messages
    shown = newest_artifact("fit-photo")
    assert [picture.getpixel((0, 0)) for picture in pictures(shown)] == [GREY, (254, 0, 0), GREY]
    assert str(Path(folder).absolute() / "report.html") in shown
    assert json.loads(newest_artifact("fit-parameters")) == [
        {"parameter": "nose.width", "value": 0.25}, {"parameter": "hair.style", "value": "bob"}]
    assert float(newest_artifact("fit-progress")) == 100


def test_fit_photo_refuses_an_unknown_key_by_its_name(photo: Path) -> None:
    with pytest.raises(ParameterTypeError, match=r"config\.stepz: Extra inputs are not permitted"):
        fit_photo.validate_parameters({"photo": str(photo), "config": {"stepz": 3}})


def test_fit_photo_names_a_missing_file_before_anything_is_loaded(photo: Path) -> None:
    with pytest.raises(MissingFileError, match=r"^expected a photo at .*you\.png, found no file$"):
        fit_photo.fn("you.png")
    with pytest.raises(MissingFileError, match=r"^expected 3 of translator-portrait in .*, found none registered"):
        fit_photo.fn(str(photo), version=3)


def test_fit_photo_logs_the_photo_only_together_with_the_fit(photo: Path) -> None:
    with pytest.raises(ConfigError, match="expected track, too"):
        fit_photo.fn(str(photo), track_photo=True)


@pytest.mark.parametrize("name", ["..", "a/b", "/etc"])
def test_fit_photo_keeps_its_results_under_runs(photo: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a plain folder name"):
        fit_photo.fn(str(photo), name=name)


def test_fit_markdown_shows_the_imitators_picture_where_only_the_game_can_draw(tmp_path: Path) -> None:
    paint(tmp_path / "photo.png", GREY)
    paint(tmp_path / "imitator.png", RED)
    paint(tmp_path / "losses.png", GREY)
    markdown = fit_markdown(FitReport("me.png", tmp_path, None, seconds=3))
    assert "| photo | Imitator's picture" in markdown
    assert "No likeness" in markdown
    assert len(pictures(markdown)) == 3


def test_fit_form_explains_every_parameter_with_its_bounds() -> None:
    form = fit_photo.parameters
    assert all("description" in field for field in form.properties.values())
    config = form.definitions["ImitatorFitConfig"]["properties"]
    assert config["rate"]["description"]
    assert config["rate"]["maximum"] == 1
