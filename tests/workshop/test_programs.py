"""Stand-ins for the programs of a workshop, run and stopped by a process of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = 30  # seconds after which what should happen does not
Run = subprocess.Popen[str]


@contextmanager
def running(folder: Path, *kinds: str, grace: float = 3600) -> Iterator[Run]:
    """The stand-ins of these kinds; whatever happens in a test, none of them is left."""
    command = [sys.executable, str(Path(__file__).with_name("standins.py")), str(grace), *kinds]
    with subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: Run, last: str) -> list[str]:
    """What it says up to a line."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1].startswith(last):
            return lines
    pytest.fail(f"never said {last!r}, but {lines}")


def events(folder: Path) -> list[str]:
    return (folder / "events").read_text().splitlines()


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + LONG
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def nothing_runs_in(folder: Path) -> bool:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder:
                return False
        except (psutil.Error, OSError):
            continue
    return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_programs_start_in_order_and_stop_in_reverse(tmp_path: Path, how: signal.Signals) -> None:
    with running(tmp_path, "server=good", "flows=good") as process:
        said(process, "ready")
        process.send_signal(how)
        assert "stopping flows, server; Ctrl-C hurries" in said(process, "server has ended")
        assert process.wait() == 0
    assert events(tmp_path) == ["server started", "flows started", "flows asked", "server asked"]
    assert nothing_runs_in(tmp_path)


def test_programs_stop_when_asked_while_they_start(tmp_path: Path) -> None:
    with running(tmp_path, "server=good", "flows=silent") as process:
        said(process, "starting flows")
        assert eventually(lambda: "flows started" in events(tmp_path))
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert events(tmp_path)[-2:] == ["flows asked", "server asked"]


def test_programs_name_the_one_that_ends_by_itself_and_stop_the_others(tmp_path: Path) -> None:
    with running(tmp_path, "server=crash", "flows=good") as process:
        said(process, "ready")
        (tmp_path / "crash").touch()
        report = said(process, "server ended")[-1]
        assert process.wait() == 1
    assert report == "server ended with exit code 1; it said: ValueError: the reason (all of it in logs/server.log)"
    assert events(tmp_path)[-1] == "flows asked"
    assert nothing_runs_in(tmp_path)


def test_programs_name_the_one_that_ends_before_it_answers(tmp_path: Path) -> None:
    (tmp_path / "crash").touch()
    with running(tmp_path, "server=good", "flows=crash", "never=good") as process:
        said(process, "flows ended with exit code 1; it said: ValueError: the reason")
        assert process.wait() == 1
    assert "never started" not in events(tmp_path)


def test_programs_name_the_signal_that_ended_one(tmp_path: Path) -> None:
    with running(tmp_path, "server=good") as process:
        said(process, "ready")
        server = next(child for child in psutil.Process(process.pid).children() if "server" in child.cmdline())
        server.kill()
        said(process, "server was ended by SIGKILL; it said: nothing")
        assert process.wait() == 1


def test_programs_leave_nothing_when_they_are_killed(tmp_path: Path) -> None:
    with running(tmp_path, "server=stubborn", "flows=family") as process:
        said(process, "ready")
        process.kill()
        process.wait()
        assert eventually(lambda: nothing_runs_in(tmp_path))


def test_programs_leave_no_child_in_a_session_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, "flows=family") as process:
        said(process, "ready")
        child = int((tmp_path / "child").read_text())
        assert os.getsid(child) == child
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert nothing_runs_in(tmp_path)


def test_programs_that_do_not_listen_are_ended_by_a_second_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, "server=good", "flows=stubborn") as process:
        said(process, "ready")
        process.send_signal(signal.SIGINT)
        assert eventually(lambda: "flows asked" in events(tmp_path))
        assert not said(process, "stopping")[-1].endswith("ended")
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == 0
    assert nothing_runs_in(tmp_path)


def test_programs_that_do_not_listen_are_ended_when_their_time_is_over(tmp_path: Path) -> None:
    with running(tmp_path, "server=good", "flows=stubborn", grace=0.5) as process:
        said(process, "ready")
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == 0
    assert events(tmp_path)[-2:] == ["flows asked", "server asked"]
    assert nothing_runs_in(tmp_path)


def test_programs_keep_the_log_of_the_start_before(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "crash").touch()
        with running(tmp_path, "server=crash") as process:
            assert process.wait() == 1
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["server.log", "server.log.1"]
    assert "Server stopped!" in (tmp_path / "logs" / "server.log.1").read_text()
