import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch

from facenn import cli
from facenn.config import FitConfig
from facenn.engine.characters import character
from facenn.exchange.presets import write_preset
from facenn.images import read_pixels
from facenn.networks.checkpoints import load_imitator
from facenn.steps.fit import FitReport
from facenn.steps.registry import log_fit
from facenn.tracking import local_store, mark, registered

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
    model, = registered(local_store(project / ".facenn/mlflow"), "imitator-portrait")
    assert (model.version, model.run_id, model.aliases) == ("1", facts["mlflow_run"], ("candidate",))
    assert facts["model_version"] == "1"
    assert len((project / "models/seen.txt").read_text().split()) == 8
    assert len(facts["held_out"]) == 2
    assert (project / "models/curves.png").is_file()
    for curve, header in (("training", "step,error,learning_rate"), ("validation", "step,error")):
        lines = (project / f"models/{curve}.csv").read_text().splitlines()
        assert lines[0] == header
        assert [line.split(",")[0] for line in lines[1:]] == ["3"]
    assert not list((project / ".facenn/training").iterdir())  # nothing to resume


def test_train_leaves_a_run_that_can_be_compared(run: Callable[..., str], project: Path) -> None:
    store = local_store(project / ".facenn/mlflow")
    model, = registered(store, "imitator-portrait")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store, registry_uri=store)
    trained, version = client.get_run(model.run_id), client.get_model_version("imitator-portrait", "1")
    assert trained.info.run_name == version.description == "portrait-pyramid-64-3x2"
    assert trained.data.tags["mlflow.source.name"] == "facenn train"
    assert {"train/error", "train/rate", "train/pictures_per_second", "validation/error",
            "memory/process_peak_mib"} <= trained.data.metrics.keys()
    assert {k: version.tags[k] for k in ("character", "resolution", "steps", "renders", "run")} == {
        "character": "portrait", "resolution": "64", "steps": "3", "renders": "10", "run": model.run_id}
    assert len(version.tags["schema"]) == 12
    slides = [file.path for file in client.list_artifacts(model.run_id, "images") if file.path.endswith(".png")]
    assert len(slides) == 1 and "+step+3+" in slides[0]


def test_evaluate_measures_what_training_held_out(run: Callable[..., str], project: Path) -> None:
    (project / "params.yaml").write_text("fit: {method: imitator, imitator: {steps: 2, candidates: 1}}\n")
    printed = run("evaluate", "--recovered", "1", "--device", "cpu")
    measured = json.loads((project / "reports/evaluation/evaluation.json").read_text())
    figures = json.loads((project / "reports/evaluation/metrics.json").read_text())
    assert figures["held_out/l1"] == pytest.approx(measured["held_out"]["l1"], abs=1e-6)
    assert measured["held_out"]["faces"] == 2
    assert f"{measured['held_out']['l1']:.4f}" in printed
    assert 0 < measured["held_out"]["ssim"] < 1
    assert len(measured["recovery"]["slider_error"]) == 144
    champion = measured["champion"]
    assert (champion["champion"], champion["promoted"]) == ("imitator-portrait.safetensors", False)
    assert champion["l1"] < champion["challenger_l1"]
    assert "champion: the champion imitator-portrait.safetensors stays" in printed


def test_measure_takes_any_imitator_to_fresh_faces(run: Callable[..., str], project: Path) -> None:
    printed = run("measure", "--model", "candidate", "--character", "portrait", "--count", "1", "--seed", "7",
                  "--out", "measures/candidate.json", "--device", "cpu")
    measured = json.loads((project / "measures/candidate.json").read_text())
    assert (measured["model"], measured["seed"], measured["faces"]) == ("imitator-portrait-1.safetensors", 7, 1)
    assert f"{measured['l1']:.4f}" in printed
    assert (project / "measures/candidate.png").is_file()


def test_evaluate_lets_a_better_imitator_be_the_one_that_fits(run: Callable[..., str], project: Path) -> None:
    store, photo = local_store(project / ".facenn/mlflow"), str(ROOT / "data/photos/astronaut.jpg")
    model, = registered(store, "imitator-portrait")
    mark(store, model, {}, alias="champion")
    assert "imitator-portrait-1 is the champion already" in run("evaluate", "--recovered", "0", "--device", "cpu")
    run("fit", photo, "--out", "results/champion", "--device", "cpu")
    assert json.loads((project / "results/champion/measures.json").read_text())["model"] == "imitator-portrait-1"
    assert "imitator-portrait-1" in (project / "results/champion/report.html").read_text()


def test_fit_logs_nothing_of_the_photo_unless_asked(run: Callable[..., str], project: Path) -> None:
    secret = project / "secret" / "anna-example.jpg"
    secret.parent.mkdir()
    secret.write_bytes((ROOT / "data/photos/astronaut.jpg").read_bytes())
    assert "of the experiment fits" in run("fit", str(secret), "--model", "1", "--out", "results/anna-example",
                                           "--device", "cpu", "--track")
    crop, original = (project / "results/anna-example/photo.png").read_bytes(), secret.read_bytes()
    inside = [bytes(photo[i:i + 64]) for photo in (crop, original) for i in range(100, len(photo) - 64, 20_000)]
    wanted = [b"anna-example", str(secret.parent).encode(), *inside]

    def leaks() -> int:
        stored = [file.read_bytes() for file in (project / ".facenn/mlflow").rglob("*") if file.is_file()]
        return sum(any(needle in data for data in stored) for needle in wanted)

    assert leaks() == 0
    log_fit(FitReport(secret.name, project / "results/anna-example", None, 1.0), FitConfig(),
            tracking=local_store(project / ".facenn/mlflow"), model="imitator-portrait-1", with_photo=True)
    assert leaks() > 10  # the search finds what is there


def test_train_begins_with_the_weights_of_another_imitator(run: Callable[..., str], project: Path) -> None:
    run("train", "--steps", "1", "--resolution", "64", "--batch-size", "2", "--precision", "fp32", "--device", "cpu",
        "--peak", "1e-9", "--floor", "0", "--start-from", "models/imitator.safetensors", "--out", "models/second")
    first, second = (load_imitator(project / path)[0].state_dict()["embed.0.weight"]
                     for path in ("models/imitator.safetensors", "models/second/imitator.safetensors"))
    assert torch.allclose(first, second, atol=1e-3)


def test_train_under_torchrun_speaks_with_one_voice(project: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "facenn", "train", "--steps", "3", "--resolution", "32", "--batch-size", "2", "--validation",
               "0.2", "--precision", "fp32", "--device", "cpu", "--out", "models/together"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *command], cwd=project, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Imitator in models/together: held-out error .* after 3 steps, .*\n", done.stdout)
    facts = json.loads((project / "models/together/training.json").read_text())
    before = json.loads((project / "models/second/training.json").read_text())
    assert int(facts["model_version"]) == int(before["model_version"]) + 1  # registered once
    assert load_imitator(project / "models/together/imitator.safetensors")[0].resolution == 32
    assert not list((project / ".facenn/training").iterdir())


def test_fit_writes_everything_that_an_artist_needs(run: Callable[..., str], project: Path) -> None:
    printed = run("fit", str(ROOT / "data/photos/astronaut.jpg"), "--model", "models/imitator.safetensors", "--out",
                  "results/one", "--device", "cpu", "--lock", "nose.hump=0.3", "--lock", "hair.style=long")
    written = {p.name for p in (project / "results/one").iterdir()}
    assert written == {"parameters.json", "model.bytes", "photo.png", "engine.png", "imitator.png", "losses.csv",
                       "losses.png", "measures.json", "report.html"}
    assert str(Path("results/one/report.html")) in printed
    preset = json.loads((project / "results/one/parameters.json").read_text())
    assert preset["character"] == "portrait"
    assert (preset["parameters"]["nose.hump"], preset["parameters"]["hair.style"]) == (0.3, "long")
    assert len((project / "results/one/model.bytes").read_bytes()) == 4 + 4 * 169


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
    assert (project / "results/all/summary.jpg").is_file()


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
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--lock", "nose.humb=0.3"), "the nearest: nose.hump"),
    (("fit", "data", "--face", "2"), "expected one photo with --face 2"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--summary", "s.json"), "expected a folder of photos with"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "engine", "--model", "models/imitator.safetensors"),
     "expected a Translator, got a network called 'imitator'"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "engine", "--model", "new/translator.safetensors"),
     "expected a Translator at new/translator.safetensors, found no file"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--model", "new/imitator.safetensors"),
     "expected an Imitator at new/imitator.safetensors, found no file"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "engine", "--model", "9", "--character", "nobody"),
     "expected 9 of translator-nobody in sqlite:"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--track-photo"), "expected --track with --track-photo"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--method", "guess"),
     "method: Input should be 'imitator', 'engine' or"),
    (("fit", str(ROOT / "data/photos/astronaut.jpg"), "--device", "abacus"), "expected a device such as cpu or cuda"),
    (("measure", "--count", "2", "--character", "nobody"), "expected one of the embedded characters"),
    (("measure", "--count", "2", "--model", "9"), "expected 9 of imitator-portrait in sqlite:"),
    (("measure", "--count", "0"), "expected a --count of 1 face or more, got 0"),
    (("evaluate", "--model", "champion"), "expected the result folder of a training with --model, got champion"),
    (("validate", "--params", "nowhere.yaml"), "nowhere.yaml"),
    (("build-head", "nowhere.whl"), "nowhere.whl"),
    (("inspect", "--character", "nobody"), "expected one of the embedded characters"),
])
def test_cli_refuses_bad_input_in_one_line(project: Path, arguments: tuple[str, ...], expected: str,
                                           monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In this process, whose libraries are loaded."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "argv", ["facenn", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert expected in said
    assert len(said.strip().splitlines()) == 1


def test_command_of_its_own_refuses_in_one_line_too(project: Path) -> None:
    result = refused(project, "fit", "nowhere.jpg")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_cli_tells_a_killed_worker_from_bad_input_by_its_exit_code(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def killed() -> None:
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")

    monkeypatch.setattr(cli, "app", killed)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == os.EX_TEMPFAIL
    assert re.fullmatch(r"facenn: .* one was killed, .*\n", capsys.readouterr().err)


def test_draw_draws_a_saved_face(run: Callable[..., str], project: Path) -> None:
    schema = character("portrait").schema
    write_preset(project / "somebody.json", schema, schema.neutral())
    assert "runs/somebody.png" in run("draw", "somebody.json", "--side", "64", "--yaw", "20")
    assert read_pixels(project / "runs/somebody.png").shape == (64, 64, 3)
    for arguments, expected in ((("draw", "nobody.json"), "expected a preset at nobody.json, found no file"),
                                (("draw", "somebody.json", "--out", "face.txt"), "expected a .png or .jpg file")):
        assert expected in refused(project, *arguments).stderr
