from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Barrier

import pytest

import facenn.steps.fit
from facenn.config import FitConfig, ImitatorFitConfig
from facenn.errors import BatchError, ConfigError, MissingFileError, PhotoError
from facenn.evaluation import Likeness
from facenn.steps.fit import FitReport, Job, Outcome, Refusal
from facenn.steps.project import Project
from flows.fit_folder import fit_folder
from tests.flows.pages import GREY, RED, newest_artifact, paint, pictures

TWO = FitConfig(method="imitator", imitator=ImitatorFitConfig(batch=2))


class StubFitter:
    """Paints instead of searching; refuses photos called no..., and breaks at those called bad...."""

    opened: list[FitConfig]
    met: Barrier | None = None

    @classmethod
    def open(cls, config: FitConfig, model: Path | None, project: Project, *, device: str) -> "StubFitter":
        assert project.pretrained.is_absolute()
        cls.opened.append(config)
        return cls()

    def fit_many(self, jobs: Sequence[Job], *, log: Callable[[int, Mapping[str, float]], None]) -> list[Outcome]:
        if self.met is not None:
            self.met.wait(60)
        return [self._fit(job) for job in jobs]

    def _fit(self, job: Job) -> Outcome:
        if job.photo.stem.startswith("bad"):
            raise RuntimeError("out of memory")
        if job.photo.stem.startswith("no"):
            return Refusal(job.photo.name, f"{job.photo}: expected a face, found none")
        for name, colour in {"photo.png": GREY, "engine.png": RED}.items():
            paint(job.folder / name, colour)
        return FitReport(job.photo.name, job.folder, Likeness({"sface": 0.25, "dlib": 0.5}), seconds=1)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos, and the shipped networks below the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(facenn.steps.fit, "open_fitter", StubFitter.open)
    monkeypatch.setattr(StubFitter, "opened", [], raising=False)
    shipped = tmp_path / "data/pretrained"
    shipped.mkdir(parents=True)
    for name in ("imitator-portrait", "translator-portrait", "blazeface"):
        (shipped / f"{name}.safetensors").touch()
    for name in ("ann", "bob", "cleo"):
        paint(tmp_path / "people" / f"{name}.png", GREY)
    return tmp_path / "people"


def test_fit_folder_fits_every_photo_and_opens_one_fitter(photos: Path, prefect_server: None) -> None:
    paint(photos / "nobody.png", GREY)
    folder = Path(fit_folder("people", config=TWO))
    assert folder == photos.parent / "runs/people"
    assert sorted(p.parent.name for p in folder.glob("*/engine.png")) == ["ann", "bob", "cleo"]
    assert '"fitted": 3' in (folder / "summary.json").read_text()
    assert StubFitter.opened == [TWO]
    shown = newest_artifact("fit-folder")
    assert [picture.getpixel((0, 0)) for picture in pictures(shown)] == 3 * [GREY, (254, 0, 0)]
    assert "expected a face, found none" in shown
    assert float(newest_artifact("fit-progress")) == 100


def test_fit_folder_fits_batches_at_the_same_time_when_asked(
        photos: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StubFitter, "met", Barrier(2))  # broken, and so an error, where a batch comes alone
    paint(photos / "dora.png", GREY)
    fit_folder("people", config=TWO, at_once=2)
    assert len(StubFitter.opened) == 1


def test_fit_folder_does_the_other_batches_when_one_fails(photos: Path, prefect_server: None) -> None:
    paint(photos / "bad.png", GREY)
    with pytest.raises(BatchError, match=r"^1 of 2 batches failed, .*out of memory.* a new run goes on"):
        fit_folder("people", config=TWO)
    assert (photos.parent / "runs/people/cleo/engine.png").is_file()


def test_fit_folder_without_one_fitted_photo_says_why(photos: Path, prefect_server: None) -> None:
    for path in photos.iterdir():
        path.rename(path.with_stem(f"no-{path.stem}"))
    with pytest.raises(PhotoError, match=r"^none of 3 photos could be fitted; .*no-ann\.png: expected a face"):
        fit_folder("people")


def test_fit_folder_refuses_what_does_not_go_together_before_it_begins(photos: Path) -> None:
    with pytest.raises(MissingFileError, match=r"^expected a folder of photos at .*elsewhere, found none$"):
        fit_folder.fn("elsewhere")
    with pytest.raises(ConfigError, match="expected 1 with the method engine"):
        fit_folder.fn("people", at_once=2, config=FitConfig(method="engine"))
    with pytest.raises(ConfigError, match="expected track, too"):
        fit_folder.fn("people", track_photo=True)
    assert StubFitter.opened == []
