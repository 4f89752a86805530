import base64
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ParameterTypeError

import facenn.steps.photos
from facenn.config import FitConfig
from facenn.errors import ConfigError, MissingFileError
from facenn.evaluation import Likeness
from facenn.images import write_pixels
from facenn.steps.photos import FitReport
from flows.fitting import fit_markdown, fit_photo

GREY, RED = (128, 128, 128), (255, 0, 0)


def paint(path: Path, colour: tuple[int, int, int]) -> None:
    write_pixels(path, np.full((8, 8, 3), colour, np.uint8))


class StubFitter:
    """Writes one-coloured pictures instead of searching."""

    config: FitConfig

    @classmethod
    @contextmanager
    def opened(cls, config: FitConfig, model: Path | None, pretrained: Path, *, device: str) -> Iterator["StubFitter"]:
        cls.config = config
        yield cls()

    def fit(self, photo: Path, out: Path, *, face: int | None, credit: str | None,
            log: Callable[[int, Mapping[str, float]], None]) -> FitReport:
        for name, colour in {"photo.png": GREY, "engine.png": RED}.items():
            paint(out / name, colour)
        for step in range(1, self.config.steps + 1):
            log(step, {"total": 1 / step})
        return FitReport(photo.name, out, Likeness(sface=0.25, dlib=0.5), seconds=3)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo and an Imitator in the current folder."""
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "me.png", GREY)
    (tmp_path / "model.safetensors").write_bytes(b"")
    return Path("me.png")


def pictures(markdown: str) -> list[Image.Image]:
    """The pictures inside a markdown text."""
    encoded = re.findall(r"\(data:image/jpeg;base64,([^)]+)\)", markdown)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in encoded]


def newest_artifact(key: str) -> str:
    """The text of the newest artifact of a key."""
    with get_client(sync_client=True) as client:  # Artifact.get leaves its connection open
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
                                      sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(found[0].data)


def test_fit_photo_shows_photo_and_engine_picture_in_an_artifact(
        photo: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(facenn.steps.photos, "open_fitter", StubFitter.opened)
    with caplog.at_level(logging.INFO, logger="prefect.flow_runs"):
        folder = fit_photo(str(photo), FitConfig(steps=40), "model.safetensors")
    assert Path(folder).parent == Path("runs")
    assert StubFitter.config.steps == 40
    assert "step 40/40: total 0.025" in caplog.messages
    shown = newest_artifact("fit-photo")
    assert [picture.getpixel((0, 0)) for picture in pictures(shown)] == [GREY, (254, 0, 0)]
    assert str(Path(folder).absolute() / "report.html") in shown


def test_fit_photo_refuses_an_unknown_key_by_its_name(photo: Path) -> None:
    with pytest.raises(ParameterTypeError, match=r"config\.stepz: Extra inputs are not permitted"):
        fit_photo.validate_parameters({"photo": str(photo), "config": {"stepz": 3}})


def test_fit_photo_names_a_missing_file_before_anything_is_loaded(photo: Path) -> None:
    with pytest.raises(MissingFileError, match=r"^expected a photo at .*you\.png, found no file$"):
        fit_photo.fn("you.png", model="model.safetensors")
    with pytest.raises(MissingFileError, match=r"^expected an Imitator at .*none\.safetensors, found no file$"):
        fit_photo.fn(str(photo), model="none.safetensors")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc"])
def test_fit_photo_keeps_its_results_under_runs(photo: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a plain folder name"):
        fit_photo.fn(str(photo), model="model.safetensors", name=name)


def test_fit_markdown_shows_the_imitators_picture_where_only_the_game_can_draw(tmp_path: Path) -> None:
    paint(tmp_path / "photo.png", GREY)
    paint(tmp_path / "imitator.png", RED)
    markdown = fit_markdown(FitReport("me.png", tmp_path, None, seconds=3))
    assert "| photo | Imitator's picture" in markdown
    assert "No likeness" in markdown
    assert len(pictures(markdown)) == 2


def test_fit_form_explains_every_parameter_with_its_bounds() -> None:
    form = fit_photo.parameters
    assert all("description" in field for field in form.properties.values())
    config = form.definitions["FitConfig"]["properties"]
    assert config["rate"]["description"]
    assert config["rate"]["maximum"] == 1
