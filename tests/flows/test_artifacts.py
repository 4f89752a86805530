import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facenn.images import write_pixels
from flows.artifacts import SIZE, TEXT, Shown, artifact_key, data_uri
from flows.stages import Meta

REPORT = Path("report.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("FACENN_MLFLOW_PAGE", raising=False)
    return tmp_path


def test_shown_is_nothing_for_a_stage_that_declares_nothing() -> None:
    assert Shown(Meta()).markdown("done") is None


def test_shown_holds_the_outcome_and_the_report_that_was_written() -> None:
    shown = Shown(Meta(report=REPORT))
    REPORT.write_text("| face | value |\n")
    assert shown.markdown("bad") == "bad\n\n| face | value |\n"


def test_shown_leaves_out_what_an_earlier_run_wrote() -> None:
    REPORT.write_text("all hold")
    shown = Shown(Meta(report=REPORT))
    assert shown.markdown("bad") == "bad\n\nThis run wrote no `report.md`.\n"


def test_shown_tells_a_file_that_was_written_again_with_the_same_words() -> None:
    REPORT.write_text("same")
    shown = Shown(Meta(report=REPORT))
    REPORT.rename("old.md")  # as a writer does that replaces files; keeps the old file's number in use
    REPORT.write_text("same")
    assert "same" in (shown.markdown("done") or "")


def test_shown_cuts_a_report_that_is_too_long_at_a_line() -> None:
    shown = Shown(Meta(report=REPORT))
    REPORT.write_text("0123456789\n" * TEXT)
    text = shown.markdown("bad") or ""
    assert len(text) < TEXT + 1000
    assert text.endswith(f"\n0123456789\n\nThe rest is in `{REPORT.resolve()}`.\n")


def test_shown_pictures_stay_below_the_size_of_an_artifact() -> None:
    pictures = tuple(Path(f"{i}.png") for i in range(3))
    shown = Shown(Meta(pictures=pictures))
    noise = np.random.default_rng(1).integers(0, 256, (600, 600, 3), np.uint8)
    for picture in pictures:
        write_pixels(picture, noise)
    text = shown.markdown("done") or ""
    assert text.count("data:image/jpeg") == 3
    assert SIZE / 4 < len(text) < SIZE


@pytest.mark.parametrize(("variable", "server", "line"), [
    ("FACENN_MLFLOW_PAGE", "http://127.0.0.1:5000", "[All curves in MLflow](http://127.0.0.1:5000/#/runs/a1b2)"),
    ("MLFLOW_TRACKING_URI", "https://mlflow.me/", "[All curves in MLflow](https://mlflow.me/#/runs/a1b2)"),
    ("MLFLOW_TRACKING_URI", "sqlite:////tmp/mlflow.db", "MLflow run `a1b2`")])
def test_shown_leads_to_mlflow_where_it_has_pages(
        monkeypatch: pytest.MonkeyPatch, variable: str, server: str, line: str) -> None:
    monkeypatch.setenv(variable, server)
    shown = Shown(Meta(mlflow_run=Path("run.json")))
    Path("run.json").write_text(json.dumps({"mlflow_run": "a1b2"}))
    assert shown.markdown("done") == f"done\n\n{line}\n"


def test_artifact_key_has_only_what_prefect_takes() -> None:
    assert artifact_key("Fit_photos@a/b.jpg") == "fit-photos-a-b-jpg"


def noisy(path: Path, side: int) -> Path:
    write_pixels(path, np.random.default_rng(1).integers(0, 256, (side, 2 * side, 3), np.uint8))
    return path


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))))


def test_data_uri_carries_a_picture_as_it_is(tmp_path: Path) -> None:
    assert opened(data_uri(noisy(tmp_path / "a.png", 32))).size == (64, 32)


def test_data_uri_shrinks_a_picture_into_a_square_and_enlarges_none(tmp_path: Path) -> None:
    picture = noisy(tmp_path / "a.png", 32)
    assert opened(data_uri(picture, side=20)).size == (20, 10)
    assert opened(data_uri(picture, side=200)).size == (64, 32)


def test_data_uri_shrinks_a_picture_until_it_fits(tmp_path: Path) -> None:
    picture = noisy(tmp_path / "a.png", 128)
    address = data_uri(picture, limit=10_000)
    assert len(address) <= 10_000 < len(data_uri(picture))
    width, height = opened(address).size
    assert abs(width / height - 2) < 0.1
