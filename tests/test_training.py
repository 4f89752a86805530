import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.dataset import Faces, Split, split
from facenn.errors import CheckpointError, ConfigError, TrainingError
from facenn.networks.imitator import Imitator
from facenn.networks.precision import Precision
from facenn.ranks import Ranks
from facenn.training import TrainingResult, train, validation_error
from tests.discs import RESOLUTION, draw, fresh, write_discs

ROOT = Path(__file__).resolve().parents[1]
STEPS = 12
LARGE = 128  # pixels, of pictures that a pyramid learns in two sizes


class StoppedError(Exception):
    """Raised by a logger, as a power cut would."""


@dataclass
class Seen:
    """What a training told its callbacks."""

    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    pictures: dict[int, Tensor] = field(default_factory=dict)
    stop_at: int | None = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.curves.setdefault(name, {})[step] = value
        if step == self.stop_at:
            raise StoppedError

    def show(self, step: int, picture: Tensor) -> None:
        self.pictures[step] = picture


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as these lose more by sharing out their work than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return Faces(write_discs(tmp_path_factory.mktemp("renders")), resolution=RESOLUTION, keep_on="cpu")


@pytest.fixture(scope="module")
def parts(faces: Faces) -> Split:
    return split(len(faces), seed=0, fraction=0.2)


def run(
    imitator: Imitator, faces: Faces, parts: Split, checkpoint: Path, seen: Seen | None = None, *,
    steps: int = STEPS, peak: float = 2e-3, precision: Precision = "fp32", save_every: int = 4,
    label_noise: float = 0.0, grow: bool = True, log_every: int = 3, fuse: bool = False,
) -> TrainingResult:
    seen = seen or Seen()
    return train(imitator, faces, parts, steps=steps, batch_size=4, peak=peak, floor=1e-5, grow=grow,
                 precision=precision, fuse=fuse, label_noise=label_noise, seed=5, checkpoint=checkpoint,
                 save_every=save_every, validate_every=6, log_every=log_every, log=seen.log, show=seen.show)


def same_weights(one: Imitator, other: Imitator) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_training_learns_to_draw(tmp_path: Path, faces: Faces, parts: Split) -> None:
    imitator, seen = fresh(), Seen()
    before = validation_error(imitator, faces, parts.validation)
    result = run(imitator, faces, parts, tmp_path / "state.pt", seen, steps=150, save_every=1000)
    constant = np.mean([np.abs(draw(v) / 255.0 - 0.22).mean() for v in faces.renders.parameters])
    assert result.validation_error < 0.25 * before
    assert result.validation_error < 0.5 * constant  # better than any single colour
    assert result.steps == 150 and result.resumed_at == 0 and result.precision == "fp32"
    assert result.pictures_per_second > 0
    assert not imitator.training


def test_training_reports_through_its_callbacks(tmp_path: Path, faces: Faces, parts: Split) -> None:
    seen = Seen()
    result = run(fresh(), faces, parts, tmp_path / "state.pt", seen)
    assert list(seen.curves["train/error"]) == [3, 6, 9, 12]
    assert list(seen.curves["validation/error"]) == [6, 12]
    assert seen.curves["validation/error"][12] == result.validation_error
    rates = list(seen.curves["train/rate"].values())
    assert rates == sorted(rates, reverse=True) and rates[-1] == pytest.approx(2e-3 / 144 + 1e-5)
    assert seen.pictures[12].shape == (3, 2 * RESOLUTION, 6 * RESOLUTION)


def test_training_repeats_itself_from_the_same_seed(tmp_path: Path, faces: Faces, parts: Split) -> None:
    one, other = fresh(), fresh()
    run(one, faces, parts, tmp_path / "one.pt")
    run(other, faces, parts, tmp_path / "other.pt")
    assert same_weights(one, other)


@pytest.mark.parametrize("stop_at", [6, 9])
def test_training_resumes_as_if_it_had_never_stopped(
    tmp_path: Path, faces: Faces, parts: Split, stop_at: int
) -> None:
    undisturbed, resumed = fresh(), fresh(seed=99)
    run(undisturbed, faces, parts, tmp_path / "undisturbed.pt")
    state = tmp_path / "state.pt"
    with pytest.raises(StoppedError):
        run(fresh(), faces, parts, state, Seen(stop_at=stop_at))
    result = run(resumed, faces, parts, state)
    assert result.resumed_at == stop_at // 4 * 4
    assert same_weights(undisturbed, resumed)


@pytest.fixture(scope="module")
def large_faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return Faces(write_discs(tmp_path_factory.mktemp("large"), LARGE), resolution=LARGE)


def growing(seed: int = 0) -> Imitator:
    return fresh(seed, "pyramid", LARGE)


@pytest.mark.parametrize("stop_at", [6, 11])
def test_growing_training_resumes_in_either_size_as_if_it_had_never_stopped(
    tmp_path: Path, large_faces: Faces, parts: Split, stop_at: int
) -> None:
    undisturbed, resumed, seen = growing(), growing(seed=99), Seen()
    run(undisturbed, large_faces, parts, tmp_path / "undisturbed.pt", seen)
    assert seen.curves["train/side"] == {3: 64, 6: 64, 9: LARGE, 12: LARGE}
    assert seen.pictures[6].shape == (3, 2 * LARGE, 6 * LARGE)
    state = tmp_path / "state.pt"
    with pytest.raises(StoppedError):
        run(growing(), large_faces, parts, state, Seen(stop_at=stop_at), log_every=1)
    assert run(resumed, large_faces, parts, state).resumed_at == stop_at // 4 * 4
    assert same_weights(undisturbed, resumed)


def test_growing_training_learns_more_from_the_same_steps_than_whole_pictures_alone_would_teach(
    tmp_path: Path, large_faces: Faces, parts: Split
) -> None:
    found = []
    for grow in (True, False):
        imitator = growing()
        imitator.start_from(large_faces.batch(parts.training).pictures.mean(0))
        found.append(run(imitator, large_faces, parts, tmp_path / f"{grow}.pt", steps=40, grow=grow))
    assert found[0].validation_error < found[1].validation_error
    with pytest.raises(CheckpointError, match="of a training with sizes 2, got one with 1"):
        run(growing(), large_faces, parts, tmp_path / "False.pt", steps=40)


def test_training_that_is_over_stays_as_it_is(tmp_path: Path, faces: Faces, parts: Split) -> None:
    first, second, seen = fresh(), fresh(seed=99), Seen()
    done = run(first, faces, parts, tmp_path / "state.pt")
    again = run(second, faces, parts, tmp_path / "state.pt", seen)
    assert same_weights(first, second)
    assert again.resumed_at == STEPS and again.validation_error == done.validation_error
    assert not seen.curves


def test_training_does_not_resume_under_other_settings(tmp_path: Path, faces: Faces, parts: Split) -> None:
    state = tmp_path / "state.pt"
    run(fresh(), faces, parts, state)
    kept = state.read_bytes()
    with pytest.raises(CheckpointError, match=r"state of a training with peak 0.5, got .* 0.002"):
        run(fresh(), faces, parts, state, peak=0.5)
    with pytest.raises(CheckpointError, match="of a training with faces"):
        run(fresh(), faces, split(len(faces), seed=1, fraction=0.2), state)
    assert state.read_bytes() == kept


@pytest.mark.parametrize("damage", ["empty", "short", "other", "foreign", "unsafe"])
def test_training_refuses_a_damaged_state(tmp_path: Path, faces: Faces, parts: Split, damage: str) -> None:
    state = tmp_path / "state.pt"
    run(fresh(), faces, parts, state, steps=1)
    whole = state.read_bytes()
    if damage == "foreign":
        torch.save({"net": {}}, state)
    elif damage == "unsafe":
        torch.save({"step": Path("/")}, state)
    else:
        state.write_bytes({"empty": b"", "short": whole[: len(whole) // 2], "other": b"no state"}[damage])
    with pytest.raises(CheckpointError, match=r"state.pt: expected a training state") as refused:
        run(fresh(), faces, parts, state, steps=1)
    assert "\n" not in str(refused.value)


def test_training_state_holds_nothing_but_tensors_and_plain_values(
    tmp_path: Path, faces: Faces, parts: Split
) -> None:
    run(fresh(), faces, parts, tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == STEPS and state["settings"]["batch_size"] == 4
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_training_stops_at_a_loss_that_is_no_number(tmp_path: Path, faces: Faces, parts: Split) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StoppedError):
        run(fresh(), faces, parts, state, Seen(stop_at=9))
    kept = state.read_bytes()
    imitator = fresh()
    imitator.register_forward_hook(lambda module, inputs, drawn: drawn * float("nan"))
    with pytest.raises(TrainingError, match="the training loss is nan at step 9"):
        run(imitator, faces, parts, state, log_every=11)
    assert state.read_bytes() == kept


def test_training_saves_no_weights_that_are_no_numbers(tmp_path: Path, faces: Faces, parts: Split) -> None:
    imitator = fresh()
    weights: Any = imitator.get_parameter("colours.weight")
    weights.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match="no longer numbers at step 1"):
        run(imitator, faces, parts, tmp_path / "state.pt", save_every=1)
    assert not (tmp_path / "state.pt").exists()


def killed(faces: Faces, state: Path, *options: str) -> None:
    """Train in a process of its own, which is killed on its way."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests" / "discs.py"), str(faces.renders.path), str(state), *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not options[2:]:  # it does not kill itself: at a moment that nobody chose, after the first save
            while process.stdout.readline().strip() != "3":
                pass
            time.sleep(random.uniform(0, 0.2))
            process.kill()
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL


def finish(imitator: Imitator, faces: Faces, state: Path, steps: int) -> TrainingResult:
    seen = Seen()
    return train(imitator, faces, split(len(faces), seed=0, fraction=0.2), steps=steps, batch_size=4, peak=2e-4,
                 floor=1e-5, precision="fp32", seed=5, checkpoint=state, save_every=2, validate_every=100, log_every=1,
                 log=seen.log, show=seen.show)


@pytest.mark.parametrize("options", [("--steps", "150"), ("--steps", "7", "--killed-saving", "2")],
                         ids=["at any moment", "while it saves"])
def test_training_that_was_killed_ends_with_the_same_weights(
    tmp_path: Path, faces: Faces, options: tuple[str, ...]
) -> None:
    state, steps = tmp_path / "state" / "state.pt", int(options[1])
    killed(faces, state, *options)
    resumed, undisturbed = fresh(seed=99), fresh()
    result = finish(resumed, faces, state, steps)
    assert 0 < result.resumed_at < steps and result.resumed_at % 2 == 0
    assert [path.name for path in state.parent.iterdir()] == ["state.pt"]
    finish(undisturbed, faces, tmp_path / "undisturbed.pt", steps)
    assert same_weights(resumed, undisturbed)


def test_training_that_cannot_save_says_so_and_keeps_the_last_state(
    tmp_path: Path, faces: Faces, parts: Split
) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StoppedError):
        run(fresh(), faces, parts, state, Seen(stop_at=6))
    kept, (soft, hard) = state.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, hard))  # as a disk that is full half-way
    try:
        with pytest.raises(TrainingError, match=r"state.pt: could not save the state of step 8: File too large; "):
            run(fresh(), faces, parts, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state.read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_label_noise_changes_what_is_learned_and_resumes(tmp_path: Path, faces: Faces, parts: Split) -> None:
    found = []
    for name, noise in (("none", 0.0), ("some", 0.1), ("again", 0.1)):
        imitator, seen = fresh(), Seen(stop_at=6 if name == "again" else None)
        state = tmp_path / f"{name}.pt"
        if seen.stop_at:
            with pytest.raises(StoppedError):
                run(fresh(), faces, parts, state, seen, label_noise=noise)
        run(imitator, faces, parts, state, label_noise=noise)
        found.append(imitator)
    assert same_weights(found[1], found[2])
    assert not same_weights(found[0], found[1])
    with pytest.raises(CheckpointError, match=r"label_noise 0.2, got one with 0.1"):
        run(fresh(), faces, parts, tmp_path / "some.pt", label_noise=0.2)


def test_label_noise_stays_within_the_sliders(tmp_path: Path, faces: Faces, parts: Split) -> None:
    seen: list[Tensor] = []
    imitator = fresh()
    imitator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]) if module.training else None)
    run(imitator, faces, parts, tmp_path / "state.pt", label_noise=0.9)
    shown = torch.cat(seen)
    assert shown.min() == 0 and shown.max() == 1


def test_training_in_bf16_comes_close_to_fp32(tmp_path: Path, faces: Faces, parts: Split) -> None:
    full = run(fresh(), faces, parts, tmp_path / "full.pt", steps=40)
    half = run(fresh(), faces, parts, tmp_path / "half.pt", steps=40, precision="bf16")
    assert half.precision == "bf16"
    assert half.validation_error == pytest.approx(full.validation_error, rel=0.2)
    assert half.validation_error != full.validation_error


def test_fused_training_compiles_its_loss_once_per_training(
    tmp_path: Path, faces: Faces, parts: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Callable[..., Tensor]] = []

    def compiling(function: Callable[..., Tensor], *, dynamic: bool) -> Callable[..., Tensor]:
        assert not dynamic
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compiling)
    plain, fused = fresh(), fresh()
    run(plain, faces, parts, tmp_path / "plain.pt")
    assert not compiled
    run(fused, faces, parts, tmp_path / "fused.pt", fuse=True)
    assert len(compiled) == 1 and same_weights(plain, fused)


def test_fused_training_takes_one_process(tmp_path: Path, faces: Faces, parts: Split) -> None:
    with pytest.raises(ConfigError, match="expected one process for a training with fuse, got 2"):
        train(fresh(), faces, parts, steps=1, batch_size=4, peak=1e-3, floor=1e-5, fuse=True, seed=0,
              checkpoint=tmp_path / "state.pt", save_every=1, validate_every=1, log=Seen().log, show=Seen().show,
              ranks=Ranks(0, 2))


def test_validation_error_of_known_pictures(faces: Faces, parts: Split) -> None:
    imitator = fresh()
    imitator.register_forward_hook(lambda module, inputs, drawn: torch.zeros_like(drawn))
    expected = np.mean([draw(v) / 255.0 for v in faces.renders.parameters[parts.validation]])
    found = validation_error(imitator, faces, parts.validation, batch_size=5)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device present")
@pytest.mark.parametrize("fuse", [False, True])
def test_training_learns_on_a_gpu(tmp_path: Path, faces: Faces, parts: Split, fuse: bool) -> None:
    imitator, seen = fresh(), Seen()
    before = validation_error(imitator, faces, parts.validation)
    result = train(imitator, faces, parts, steps=150, batch_size=4, peak=2e-3, floor=1e-5, seed=0, fuse=fuse,
                   device="cuda", checkpoint=tmp_path / "state.pt", save_every=50, validate_every=75,
                   log=seen.log, show=seen.show)
    assert result.precision == "bf16" and result.validation_error < 0.25 * before
