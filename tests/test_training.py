from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from facenn.dataset import Faces, Split, split
from facenn.errors import CheckpointError, TrainingError
from facenn.exchange.renders import RendersFolder, write_table
from facenn.images import write_pixels
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema, Slider
from facenn.training import Precision, TrainingResult, train, validation_error

SCHEMA = ParameterSchema("toy", 1, tuple(Slider(name, "Face", name) for name in ("x", "y", "grey")))
RESOLUTION = 32
STEPS = 12


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


def draw(parameters: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A soft grey disc whose place and shade are the parameters."""
    x, y, grey = parameters
    rows, columns = np.mgrid[0:RESOLUTION, 0:RESOLUTION] / RESOLUTION
    disc = np.exp(-((columns - 0.25 - x / 2) ** 2 + (rows - 0.25 - y / 2) ** 2) * 30)
    return np.repeat((disc * (0.3 + 0.7 * grey) * 255)[..., None], 3, axis=2).round().astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as these lose more by sharing out their work than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("renders")
    parameters = np.random.default_rng(0).random((80, 3), dtype=np.float32)
    names = [f"face_{i:02}" for i in range(len(parameters))]
    for name, vector in zip(names, parameters, strict=True):
        write_pixels(folder / "images" / f"{name}.png", draw(vector))
    write_table(folder, SCHEMA, names, parameters)
    return Faces(RendersFolder.open(folder), resolution=RESOLUTION, in_memory=True)


@pytest.fixture(scope="module")
def parts(faces: Faces) -> Split:
    return split(len(faces), seed=0, fraction=0.2)


def fresh(seed: int = 0) -> Imitator:
    return Imitator(SCHEMA.size, resolution=RESOLUTION, generator=torch.Generator().manual_seed(seed))


def run(
    imitator: Imitator, faces: Faces, parts: Split, checkpoint: Path, seen: Seen | None = None, *,
    steps: int = STEPS, peak: float = 2e-3, precision: Precision = "fp32", save_every: int = 4,
) -> TrainingResult:
    seen = seen or Seen()
    return train(imitator, faces, parts, steps=steps, batch_size=4, peak=peak, floor=1e-5,
                 precision=precision, seed=5, checkpoint=checkpoint, save_every=save_every, validate_every=6,
                 log_every=3, log=seen.log, show=seen.show)


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


@pytest.mark.parametrize("damage", ["empty", "short", "other", "foreign"])
def test_training_refuses_a_damaged_state(tmp_path: Path, faces: Faces, parts: Split, damage: str) -> None:
    state = tmp_path / "state.pt"
    run(fresh(), faces, parts, state, steps=1)
    whole = state.read_bytes()
    if damage == "foreign":
        torch.save({"net": {}}, state)
    else:
        state.write_bytes({"empty": b"", "short": whole[: len(whole) // 2], "other": b"no state"}[damage])
    with pytest.raises(CheckpointError, match=r"state.pt: expected a training state"):
        run(fresh(), faces, parts, state, steps=1)


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
        run(imitator, faces, parts, state)
    assert state.read_bytes() == kept


def test_training_saves_no_weights_that_are_no_numbers(tmp_path: Path, faces: Faces, parts: Split) -> None:
    imitator = fresh()
    weights: Any = imitator.get_parameter("colours.weight")
    weights.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match="no longer numbers at step 1"):
        run(imitator, faces, parts, tmp_path / "state.pt", save_every=1)
    assert not (tmp_path / "state.pt").exists()


def test_training_in_bf16_comes_close_to_fp32(tmp_path: Path, faces: Faces, parts: Split) -> None:
    full = run(fresh(), faces, parts, tmp_path / "full.pt", steps=40)
    half = run(fresh(), faces, parts, tmp_path / "half.pt", steps=40, precision="bf16")
    assert half.precision == "bf16"
    assert half.validation_error == pytest.approx(full.validation_error, rel=0.2)
    assert half.validation_error != full.validation_error


def test_validation_error_of_known_pictures(faces: Faces, parts: Split) -> None:
    imitator = fresh()
    imitator.register_forward_hook(lambda module, inputs, drawn: torch.zeros_like(drawn))
    expected = np.mean([draw(v) / 255.0 for v in faces.renders.parameters[parts.validation]])
    found = validation_error(imitator, faces, parts.validation, batch_size=5)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device present")
def test_training_learns_on_a_gpu(tmp_path: Path, faces: Faces, parts: Split) -> None:
    imitator, seen = fresh(), Seen()
    before = validation_error(imitator, faces, parts.validation)
    result = train(imitator, faces, parts, steps=150, batch_size=4, peak=2e-3, floor=1e-5, seed=0,
                   device="cuda", checkpoint=tmp_path / "state.pt", save_every=50, validate_every=75,
                   log=seen.log, show=seen.show)
    assert result.precision == "bf16" and result.validation_error < 0.25 * before
