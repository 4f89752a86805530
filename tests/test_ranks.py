import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from facenn.errors import ConfigError, TrainingError
from facenn.exchange.renders import RendersFolder
from facenn.ranks import ALONE, Ranks, joined, report_once
from tests import discs

ROOT = Path(__file__).resolve().parents[1]
STEPS = 6


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> RendersFolder:
    return discs.write_discs(tmp_path_factory.mktemp("renders"))


@pytest.fixture(scope="module")
def alone(renders: RendersFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process learns from four faces a step."""
    state = tmp_path_factory.mktemp("alone") / "state.pt"
    discs.learn(discs.fresh(), renders.path, state, steps=STEPS)
    return read(state)


def read(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(state, weights_only=True)
    return found


def processes(
    renders: RendersFolder, state: Path, count: int, *options: str, last: tuple[str, ...] = ()
) -> list[subprocess.CompletedProcess[str]]:
    """Train in this many processes at once, started by hand; ``last`` are options of the last one alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = []
    for rank in range(count):
        command = [sys.executable, "-W", "error", str(ROOT / "tests" / "discs.py"), str(renders.path), str(state),
                   "--steps", str(STEPS), *options, *(last if rank == count - 1 else ())]
        started.append(subprocess.Popen(command, env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    told = [process.communicate(timeout=120) for process in started]
    return [subprocess.CompletedProcess([], process.returncode, *lines)
            for process, lines in zip(started, told, strict=True)]


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Over weights and running statistics."""
    assert one["weights"].keys() == other["weights"].keys()
    return max(float((one["weights"][name] - other["weights"][name]).abs().max()) for name in one["weights"])


def test_two_processes_learn_what_one_learns_from_twice_the_faces(
    renders: RendersFolder, alone: dict[str, Any], tmp_path: Path
) -> None:
    first, second = processes(renders, tmp_path / "state.pt", 2, "--batch-size", "2")
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.split() == [str(step) for step in range(1, STEPS + 1)]
    assert second.stdout == first.stderr == second.stderr == ""
    together = read(tmp_path / "state.pt")
    assert together["settings"] == alone["settings"] and together["step"] == STEPS
    assert largest_difference(together, alone) < 1e-5
    for name, weight in discs.fresh().named_parameters():  # the tolerance is small beside what was learned
        assert (together["weights"][name] - weight).abs().max() > 5e-4


def test_processes_grow_together_and_leave_weights_alone_that_have_no_turn_yet(tmp_path: Path) -> None:
    renders = discs.write_discs(tmp_path / "renders", 128)
    discs.learn(discs.fresh(architecture="pyramid", side=128), renders.path, tmp_path / "alone.pt", steps=STEPS)
    done = processes(renders, tmp_path / "together.pt", 2, "--batch-size", "2", "--architecture", "pyramid", "--side",
                     "128")
    assert [one.returncode for one in done] == [0, 0], done[0].stderr
    alone, together = read(tmp_path / "alone.pt"), read(tmp_path / "together.pt")
    assert alone["settings"] == together["settings"] and alone["settings"]["sizes"] == 2
    assert largest_difference(alone, together) < 1e-5


def test_a_killed_process_ends_the_others_and_the_same_command_goes_on(
    renders: RendersFolder, alone: dict[str, Any], tmp_path: Path
) -> None:
    state = tmp_path / "state.pt"
    first, second = processes(renders, state, 2, "--batch-size", "2", last=("--killed-at", "5"))
    assert second.returncode == -9 and first.returncode == 2
    assert re.fullmatch("facenn: another process of this training has ended .*\n", first.stderr)
    assert read(state)["step"] == 4
    first, second = processes(renders, state, 2, "--batch-size", "2")
    assert first.returncode == second.returncode == 0
    assert first.stdout.split() == ["5", "6"]
    assert largest_difference(read(state), alone) < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_ranks_share_every_row_once_and_in_order(count: int) -> None:
    rows = np.arange(6)
    shares = [Ranks(rank, count).share(rows) for rank in range(count)]
    assert np.concatenate(shares).tolist() == rows.tolist()
    assert {len(share) for share in shares} <= {6 // count, 6 // count + 1}


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process group of this process alone, which is told that it is one of two."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True,  # type: ignore[attr-defined]
                          wait_for_workers=False)
    pretend_to_be_one_of_two(monkeypatch, store.port)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def pretend_to_be_one_of_two(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("group")
def test_of_several_processes_one_tells() -> None:
    assert [report_once() for _ in range(3)] == [True, False, False]


def test_a_process_tells_when_the_keeper_of_the_store_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        pretend_to_be_one_of_two(monkeypatch, taken.getsockname()[1])
        monkeypatch.setattr("facenn.ranks.TOLD", timedelta(milliseconds=100))
        assert report_once()


@pytest.mark.usefixtures("group")
def test_ranks_sum_and_compare_what_they_are_given() -> None:
    ranks = Ranks(0, 2)
    assert ranks.sum(torch.tensor(3.0)).item() == 3  # the only member of its group
    ranks.check_same("anything", device=torch.device("cpu"))


@pytest.mark.usefixtures("group")
def test_ranks_refuse_to_train_on_different_things(monkeypatch: pytest.MonkeyPatch) -> None:
    def reduce(extremes: torch.Tensor, operation: object) -> None:
        extremes += torch.tensor([1, 0])  # another process has a larger number

    monkeypatch.setattr(dist, "all_reduce", reduce)
    with pytest.raises(ConfigError, match="the same renders and the same saved state in all 2 processes"):
        Ranks(0, 2).check_same("anything", device=torch.device("cpu"))


def test_a_signal_ends_a_training_of_several_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(TrainingError, match="ended by SIGTERM; the last saved state"), joined("cpu"):
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # while it tells why it ends
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_error_that_no_other_process_caused_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(RuntimeError, match="shapes do not fit"), joined("cpu"):
            raise RuntimeError("shapes do not fit")
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_process_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as ranks:
        assert ranks == ALONE and ranks.first
        assert not dist.is_initialized()
    assert report_once()
