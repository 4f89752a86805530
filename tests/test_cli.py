import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from facenn import cli
from facenn.networks.checkpoints import load_imitator

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project beside the pretrained networks."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    (folder / "data" / "pretrained").symlink_to(ROOT / "data" / "pretrained")
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command in the project, and return what it printed."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def command(*arguments: str) -> str:
        cli.app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    return command


def refused(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "facenn.cli", *arguments], cwd=project, capture_output=True, text=True,
                          check=False)


# The stages in the order in which data flows: each test builds on the files of the one before.

def test_render_draws_a_renders_folder(run: Callable[..., str], project: Path) -> None:
    assert "10 renders of portrait" in run("render", "--count", "10", "--workers", "1", "--labels")
    assert len(list((project / "data/renders/images").iterdir())) == 10
    assert len(list((project / "data/renders/labels").iterdir())) == 10


def test_validate_accepts_it(run: Callable[..., str], project: Path) -> None:
    assert "10 renders meet" in run("validate", "--min-rows", "10")
    assert json.loads((project / "reports/validation/validation.json").read_text())


def test_train_writes_a_network_and_registers_it(run: Callable[..., str], project: Path) -> None:
    assert "after 3 steps" in run("train", "--steps", "3", "--resolution", "64", "--validation", "0.2",
                                  "--batch-size", "2", "--precision", "fp32", "--device", "cpu")
    facts = json.loads((project / "models/training.json").read_text())
    assert facts["model_version"] == "1"
    assert len(facts["held_out"]) == 2
    assert (project / "models/curves.png").is_file()
    assert not list((project / ".facenn/training").iterdir())  # nothing to resume


def test_evaluate_measures_what_training_held_out(run: Callable[..., str], project: Path) -> None:
    (project / "params.yaml").write_text("fit: {steps: 2, candidates: 1}\n")
    printed = run("evaluate", "--recovered", "1", "--device", "cpu")
    measured = json.loads((project / "reports/evaluation/evaluation.json").read_text())
    assert measured["held_out"]["faces"] == 2
    assert f"{measured['held_out']['l1']:.4f}" in printed
    assert 0 < measured["held_out"]["ssim"] < 1
    assert len(measured["recovery"]["slider_error"]) == 139


def test_train_begins_with_the_weights_of_another_imitator(run: Callable[..., str], project: Path) -> None:
    run("train", "--steps", "1", "--resolution", "64", "--batch-size", "2", "--precision", "fp32", "--device", "cpu",
        "--peak", "1e-9", "--floor", "0", "--start-from", "models/imitator.safetensors", "--out", "models/second")
    first, second = (load_imitator(project / path)[0].state_dict()["colours.weight"]
                     for path in ("models/imitator.safetensors", "models/second/imitator.safetensors"))
    assert torch.allclose(first, second, atol=1e-6)


def test_fit_writes_everything_that_an_artist_needs(run: Callable[..., str], project: Path) -> None:
    printed = run("fit", str(ROOT / "data/photos/astronaut.jpg"), "--model", "models/imitator.safetensors", "--out",
                  "results/one", "--device", "cpu")
    written = {p.name for p in (project / "results/one").iterdir()}
    assert written == {"parameters.json", "model.bytes", "photo.png", "engine.png", "imitator.png", "losses.csv",
                       "losses.png", "measures.json", "report.html"}
    assert str(Path("results/one/report.html")) in printed
    preset = json.loads((project / "results/one/parameters.json").read_text())
    assert preset["character"] == "portrait"
    assert len((project / "results/one/model.bytes").read_bytes()) == 4 + 4 * 159


def test_fit_takes_a_folder_and_refuses_what_shows_no_face(run: Callable[..., str], project: Path,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    photos = project / "photos"
    photos.mkdir()
    (photos / "face.jpg").symlink_to(ROOT / "data/photos/astronaut.jpg")
    (photos / "wall.png").symlink_to(project / "models/curves.png")
    (photos / "broken.jpg").write_bytes((ROOT / "data/photos/astronaut.jpg").read_bytes()[:5000])
    cli.app(["fit", "photos", "--model", "models/imitator.safetensors", "--out", "results/all", "--device", "cpu"],
            standalone_mode=False)
    printed = capsys.readouterr()
    assert "face.jpg" in printed.out
    assert "wall.png" in printed.err
    assert "found none" in printed.err
    assert "broken.jpg" in printed.err
    counted = json.loads((project / "results/all/summary.json").read_text())
    assert (counted["fitted"], counted["refused"]) == (1, 2)


def test_inspect_ranks_the_sliders_and_draws_them(run: Callable[..., str], project: Path) -> None:
    printed = run("inspect", "--character", "classic", "--side", "32", "--out", "inspected").splitlines()
    assert len(printed) == 95 + 1
    assert "of 95 sliders" in printed[-1]
    assert (project / "inspected/sheets/nose.png").is_file()


def test_cli_answers_for_help_without_heavy_libraries() -> None:
    code = ("import sys; from facenn import cli; cli.app(['train', '--help'], standalone_mode=False); "
            "heavy = {'torch', 'mlflow', 'great_expectations', 'pandas', 'numba', 'scipy', 'matplotlib', 'skimage'}; "
            "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)")
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--batch-size" in done.stdout


@pytest.mark.parametrize(("arguments", "expected"), [
    (("render", "--count", "0"), "count: Input should be greater than or equal to 1, got 0"),
    (("render", "--character", "nobody", "--out", "elsewhere"), "expected one of the embedded characters"),
    (("train", "--renders", "nowhere"), "nowhere"),
    (("fit", "nowhere.jpg"), "nowhere.jpg"),
    (("fit", "data", "--face", "2"), "expected one photo with --face 2"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "engine", "--model", "m.safetensors"),
     "expected no --model with --method engine"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "guess"), "method: Input should be 'imitator' or"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--device", "abacus"), "expected a device such as cpu or cuda"),
    (("validate", "--params", "nowhere.yaml"), "nowhere.yaml"),
    (("build-head", "nowhere.whl"), "nowhere.whl"),
    (("inspect", "--character", "nobody"), "expected one of the embedded characters"),
])
def test_cli_refuses_bad_input_in_one_line(project: Path, arguments: tuple[str, ...], expected: str) -> None:
    result = refused(project, *arguments)
    assert result.returncode == 2
    assert expected in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
