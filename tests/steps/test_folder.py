"""Many photos: batches, what is there already, what is refused, threads, a killed command."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from torch import Tensor

from facenn.alignment import AlignedFace
from facenn.arrays import Log
from facenn.config import FitConfig, ImitatorFitConfig, Params
from facenn.engine.renderer import Engine
from facenn.errors import ConfigError, MissingFileError, PhotoError
from facenn.evaluation import Likeness
from facenn.fitting.result import FitResult
from facenn.images import read_pixels, to_pixels, write_pixels
from facenn.networks.frozen import Frozen
from facenn.schema import ParameterSchema
from facenn.steps.fit import FitReport, Fitter, Job, Outcome, Refusal, open_fitter
from facenn.steps.folder import fit_folder, folder_jobs, summarise
from facenn.steps.project import Project

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED, PHOTO = ROOT / "data/pretrained", ROOT / "data/photos/astronaut.jpg"
PROJECT = Project(PRETRAINED, Path("nowhere"), "sqlite:////nowhere.db")
TOY = FitConfig(method="imitator", imitator=ImitatorFitConfig(steps=2, candidates=2, batch=2))


def quiet(step: int, losses: Mapping[str, float]) -> None:
    pass


class StubMethod:
    """Finds the neutral face at once, and looks like the photo."""

    together, digest, made_by = 2, "stub", "nobody"

    def __init__(self, schema: ParameterSchema, frame: Tensor) -> None:
        self.schema, self.frame = schema, frame[:, :2]
        self.engine: Engine | None = None
        self.batches: list[int] = []
        self.loss = 1.0

    def fit(self, aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        self.batches.append(len(aligned))
        neutral = self.schema.neutral()
        return [FitResult(neutral, neutral, {"total": [self.loss]}, 1, to_pixels(a.picture)) for a in aligned]


@pytest.fixture
def method(portrait: ParameterSchema, face_points: Tensor) -> StubMethod:
    return StubMethod(portrait, face_points)


def fitter_of(method: StubMethod, frozen: Frozen, **options: Any) -> Fitter:
    return Fitter(Params().with_section("fit", {"method": "imitator", **options}).fit, method, frozen, device="cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three photos of one face: as it is, darker, mirrored."""
    folder = tmp_path / "photos"
    pixels = read_pixels(PHOTO)
    for name, seen in {"a": pixels, "b": pixels // 2, "c": pixels[:, ::-1]}.items():
        write_pixels(folder / f"{name}.png", np.ascontiguousarray(seen))
    return folder


def parameters(folder: Path) -> np.ndarray:
    named = json.loads((folder / "parameters.json").read_text())["parameters"]
    return np.array([value for value in named.values() if not isinstance(value, str)])


def already(outcomes: Sequence[Outcome]) -> list[bool]:
    assert all(isinstance(o, FitReport) for o in outcomes)
    return [o.already for o in outcomes if isinstance(o, FitReport)]


def test_folder_jobs_keep_photos_of_one_name_apart(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "a.PNG", "a.jpg.png", "notes.txt"):
        (tmp_path / name).touch()
    jobs = folder_jobs(tmp_path, Path("out"))
    assert {j.photo.name: j.folder.name for j in jobs} == {
        "a.PNG": "a.PNG", "a.jpg": "a.jpg", "a.jpg.png": "a.jpg.png", "b.jpg": "b"}


def test_folder_jobs_need_photos(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="expected photos in"):
        folder_jobs(tmp_path, Path("out"))


def test_fit_many_gives_what_single_fits_give(tmp_path: Path, photos: Path, toy_model: Path) -> None:
    fitter = open_fitter(TOY, toy_model, PROJECT, device="cpu")
    jobs = folder_jobs(photos, tmp_path / "many")
    outcomes = fitter.fit_many(jobs, log=quiet)
    single = tmp_path / "single"
    report = fitter.fit(jobs[1].photo, single, face=None, credit=None, log=quiet)
    again = fitter.fit_many([Job(jobs[1].photo, single)], log=quiet)
    assert already(outcomes) == [False] * 3
    assert np.abs(parameters(single) - parameters(jobs[1].folder)).max() < 1e-4
    assert np.abs(parameters(single) - parameters(jobs[0].folder)).mean() > 0.01
    assert isinstance(outcomes[1], FitReport)
    assert (outcomes[1].likeness is None) == (report.likeness is None)
    assert already(again) == [True]


def test_fit_many_goes_on_where_photos_are_bad(tmp_path: Path, photos: Path, method: StubMethod, frozen: Frozen
                                               ) -> None:
    (photos / "broken.jpg").write_bytes(PHOTO.read_bytes()[:5000])
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "folder.jpg").mkdir()
    write_pixels(photos / "dot.png", np.zeros((1, 1, 3), np.uint8))
    write_pixels(photos / "line.png", np.zeros((3, 2000, 3), np.uint8))
    outcomes = fitter_of(method, frozen).fit_many(folder_jobs(photos, tmp_path / "out"), log=quiet)
    refused = {o.photo: o.reason for o in outcomes if isinstance(o, Refusal)}
    assert set(refused) == {"broken.jpg", "gone.jpg", "folder.jpg", "dot.png", "line.png"}
    assert all(name in reason and "\n" not in reason for name, reason in refused.items())
    assert sum(method.batches) == 3
    assert [o.photo for o in outcomes] == sorted(p.name for p in photos.iterdir())


def test_fit_many_refuses_a_photo_whose_losses_are_no_numbers(tmp_path: Path, photos: Path, method: StubMethod,
                                                              frozen: Frozen) -> None:
    method.loss = float("nan")
    outcome = fitter_of(method, frozen).fit_many([Job(photos / "a.png", tmp_path)], log=quiet)[0]
    assert isinstance(outcome, Refusal)
    assert outcome.reason.endswith("a.png: total is nan at step 1, expected a number")
    assert not (tmp_path / "measures.json").exists()


def test_fit_many_does_nothing_twice(tmp_path: Path, photos: Path, method: StubMethod, frozen: Frozen) -> None:
    jobs = folder_jobs(photos, tmp_path)
    first = fitter_of(method, frozen).fit_many(jobs, log=quiet)
    written = {job: (job.folder / "report.html").stat().st_mtime_ns for job in jobs}
    second = fitter_of(method, frozen, batch=3, workers=7, rounds=9).fit_many(jobs, log=quiet)
    assert method.batches == [2, 1]
    assert (already(first), already(second)) == ([False] * 3, [True] * 3)
    for one, other in zip(first, second, strict=True):
        assert isinstance(one, FitReport)
        assert isinstance(other, FitReport)
        assert (one.photo, one.folder, one.likeness) == (other.photo, other.folder, other.likeness)
        assert other.seconds == pytest.approx(one.seconds, abs=0.01)
    assert written == {job: (job.folder / "report.html").stat().st_mtime_ns for job in jobs}


@pytest.mark.parametrize("change", ["half-written", "damaged", "no picture", "photo", "options", "lock", "search"])
def test_fit_many_redoes_what_is_not_the_same_any_more(tmp_path: Path, method: StubMethod, frozen: Frozen,
                                                       change: str) -> None:
    photo, options = tmp_path / "me.jpg", dict[str, Any]()
    photo.write_bytes(PHOTO.read_bytes())
    job = Job(photo, tmp_path / "out")
    fitter_of(method, frozen).fit_many([job], log=quiet)
    if change == "half-written":
        (job.folder / "measures.json").unlink()
    elif change == "damaged":
        (job.folder / "measures.json").write_text('{"key": 3, "likeness"')
    elif change == "no picture":
        (job.folder / "imitator.png").unlink()
    elif change == "photo":
        photo.write_bytes(PHOTO.read_bytes() + b"\0")
    elif change == "options":
        options["steps"] = 71
    elif change == "lock":
        options["lock"] = ("skin.tone",)
    else:
        method.digest = "another model"
    assert already(fitter_of(method, frozen, **options).fit_many([job], log=quiet)) == [False]
    assert already(fitter_of(method, frozen, **options).fit_many([job], log=quiet)) == [True]


def test_fit_of_one_photo_is_always_made_anew(tmp_path: Path, method: StubMethod, frozen: Frozen) -> None:
    for _ in range(2):
        report = fitter_of(method, frozen).fit(PHOTO, tmp_path, face=None, credit=None, log=quiet)
        assert not report.already
    assert method.batches == [1, 1]


def test_fit_folder_tries_refused_photos_again(tmp_path: Path, method: StubMethod, frozen: Frozen) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_bytes(b"late")
    with pytest.raises(PhotoError, match=r"none of 1 photos could be fitted; the first: .*me\.jpg"):
        fit_folder(fitter_of(method, frozen), photos, tmp_path / "out", log=quiet)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["refused"] == 1
    (photos / "me.jpg").write_bytes(PHOTO.read_bytes())
    assert already(fit_folder(fitter_of(method, frozen), photos, tmp_path / "out", log=quiet)) == [False]
    assert "reasons" not in json.loads((tmp_path / "out" / "summary.json").read_text())


def test_summarise_counts_and_names_reasons(tmp_path: Path) -> None:
    outcomes: list[Outcome] = [
        FitReport("a.jpg", tmp_path, Likeness({"sface": 0.2, "dlib": 0.5}), 1.0),
        Refusal("z.jpg", "z.jpg: no face"),
        FitReport("b.jpg", tmp_path, Likeness({"sface": 0.4, "dlib": 0.6}), 1.0, already=True),
        Refusal("y.jpg", "y.jpg: small"),
        FitReport("c.jpg", tmp_path, None, 1.0)]
    for name in ("photo", "engine"):
        write_pixels(tmp_path / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
    summarise(tmp_path / "counts.json", outcomes)
    assert read_pixels(tmp_path / "counts.jpg").shape[2] == 3
    assert json.loads((tmp_path / "counts.json").read_text()) == {
        "fitted": 3, "refused": 2, "sface": 0.3, "dlib": 0.55,
        "reasons": [{"photo": "y.jpg", "reason": "y.jpg: small"}, {"photo": "z.jpg", "reason": "z.jpg: no face"}]}


def test_fitter_lets_one_thread_at_a_time_draw(tmp_path: Path, photos: Path, method: StubMethod, frozen: Frozen
                                               ) -> None:
    both, busy = threading.Barrier(2), threading.Lock()

    def draw(vector: np.ndarray) -> SimpleNamespace:
        assert busy.acquire(blocking=False), "two threads draw at once"
        time.sleep(0.2)
        busy.release()
        return SimpleNamespace(picture=read_pixels(photos / "a.png"))

    def search(aligned: Sequence[AlignedFace], log: Log) -> list[FitResult]:
        both.wait(60)
        return StubMethod.fit(method, aligned, log)

    method.engine = cast(Engine, SimpleNamespace(draw=draw))
    method.fit = search  # type: ignore[method-assign]
    fitter = fitter_of(method, frozen)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda job: fitter.fit_many([job], log=quiet)[0],
                                 folder_jobs(photos, tmp_path / "out")[:2]))
    assert already(outcomes) == [False, False]


def test_fit_many_in_two_threads_is_fit_many_in_one(tmp_path: Path, photos: Path, toy_model: Path) -> None:
    config = FitConfig(method="imitator", imitator=ImitatorFitConfig(steps=2, candidates=2, batch=1))
    fitter = open_fitter(config, toy_model, PROJECT, device="cpu")
    alone, shared = (folder_jobs(photos, tmp_path / name) for name in ("alone", "shared"))
    fitter.fit_many(alone, log=quiet)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda jobs: fitter.fit_many(jobs, log=quiet), (shared[:2], shared[2:])))
    for one, other in zip(alone, shared, strict=True):
        assert np.array_equal(parameters(one.folder), parameters(other.folder))
        assert (one.folder / "engine.png").read_bytes() == (other.folder / "engine.png").read_bytes()


def test_killed_fit_of_a_folder_continues(tmp_path: Path, photos: Path, toy_model: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pretrained").symlink_to(PRETRAINED)
    command = ["fit", "photos", "--out", "out", "--model", str(toy_model), "--device", "cpu", "--method", "imitator",
               "--steps", "2",
               "--candidates", "2", "--batch", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = tmp_path / "out/a/measures.json"
    with subprocess.Popen([sys.executable, "-m", "facenn.cli", *command], cwd=tmp_path, env=environment) as killed:
        while not first.is_file() and killed.poll() is None:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out/summary.json").exists()
    written = first.stat().st_mtime_ns
    done = subprocess.run([sys.executable, "-m", "facenn.cli", *command], cwd=tmp_path, env=environment, check=True,
                          capture_output=True, text=True)
    assert "there already" in done.stdout
    assert "a.png" not in done.stdout
    assert "c.png: " in done.stdout
    assert first.stat().st_mtime_ns == written
    assert json.loads((tmp_path / "out/summary.json").read_text())["fitted"] == 3


@pytest.mark.parametrize("name", ["photo.png", "engine.png", "parameters.json", "model.bytes"])
def test_fit_replaces_no_file_of_another_origin(tmp_path: Path, method: StubMethod, frozen: Frozen, name: str
                                                ) -> None:
    (tmp_path / name).write_bytes(PHOTO.read_bytes())
    fitter = fitter_of(method, frozen)
    with pytest.raises(ConfigError, match=rf"{re.escape(str(tmp_path))}.*{name}.* would be replaced"):
        fitter.fit(PHOTO, tmp_path, face=None, credit=None, log=quiet)
    (outcome,) = fitter.fit_many([Job(PHOTO, tmp_path)], log=quiet)
    assert isinstance(outcome, Refusal)
    assert name in outcome.reason
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == PHOTO.read_bytes()
    assert method.batches == []


def test_fit_never_replaces_its_own_photo(tmp_path: Path, method: StubMethod, frozen: Frozen) -> None:
    fitter = fitter_of(method, frozen)
    fitter.fit(PHOTO, tmp_path, face=None, credit=None, log=quiet)
    crop = (tmp_path / "photo.png").read_bytes()
    with pytest.raises(ConfigError, match=r"expected the results in another folder"):
        fitter.fit(tmp_path / "photo.png", tmp_path, face=None, credit=None, log=quiet)
    assert (tmp_path / "photo.png").read_bytes() == crop


def test_fit_goes_on_in_the_folder_of_a_killed_one(tmp_path: Path, method: StubMethod, frozen: Frozen) -> None:
    write_pixels(tmp_path / "photo.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / ".unfinished").touch()
    fitter_of(method, frozen).fit(PHOTO, tmp_path, face=None, credit=None, log=quiet)
    assert (tmp_path / "measures.json").is_file()
    assert not (tmp_path / ".unfinished").exists()


@pytest.mark.parametrize("name", ["summary.jpg", "summary.json"])
def test_fit_folder_replaces_no_summary_of_another_origin(tmp_path: Path, photos: Path, method: StubMethod,
                                                          frozen: Frozen, name: str) -> None:
    (tmp_path / name).write_bytes(PHOTO.read_bytes())
    with pytest.raises(ConfigError, match=rf"got .*{name}"):
        fit_folder(fitter_of(method, frozen), photos, tmp_path, log=quiet)
    assert (tmp_path / name).read_bytes() == PHOTO.read_bytes()
    assert method.batches == []


def test_fit_folder_takes_its_own_sheet_for_no_photo(photos: Path, method: StubMethod, frozen: Frozen) -> None:
    fitter = fitter_of(method, frozen)
    fit_folder(fitter, photos, photos, log=quiet)
    again = fit_folder(fitter, photos, photos, log=quiet)
    assert (photos / "summary.jpg").is_file()
    assert already(again) == [True] * 3
