import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows import guard

PATIENCE = 30  # seconds, for a machine that does much else


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone(pid: int) -> bool:
    """Whether a process ends before patience does."""
    latest = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < latest:
        time.sleep(0.05)
    return not alive(pid)


def guarded(*command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, guard.__file__, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)


def read_pid(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_guard_hands_on_output_and_exit_code() -> None:
    with guarded("sh", "-c", "echo said; exit 7") as process:
        assert process.stdout is not None  # communicate() would close its standard input, and so end it
        assert process.stdout.read() == "said\n"
        assert process.wait() == 7


def test_guard_tells_a_signal_as_shells_do() -> None:
    with guarded("sh", "-c", "kill -9 $$") as process:
        assert process.wait() == 128 + signal.SIGKILL


def test_guard_ends_grandchildren_when_its_starter_lets_go() -> None:
    with guarded("sh", "-c", "sleep 600 & echo $!; wait") as process:
        grandchild = read_pid(process)
        assert alive(grandchild)
        assert process.stdin is not None
        process.stdin.close()
        assert gone(grandchild)


def test_guard_leaves_nothing_behind_when_its_command_ends() -> None:
    with guarded("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!") as process:
        assert gone(read_pid(process))
    assert process.returncode == 0


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    """A program that runs a command as the pipeline does; the command tells its own number."""
    program = tmp_path / "starter.py"
    root = Path(guard.__file__).parents[1]
    program.write_text(f"import sys; sys.path.insert(0, {str(root)!r})\n"
                       "from flows.commands import Commands\n"
                       "command = ['sh', '-c', 'sleep 600 & echo $!; wait']\n"
                       "Commands().run(command, lambda line: print(line, flush=True))\n")
    return program


@pytest.mark.parametrize("group", [False, True])
def test_commands_end_with_a_process_that_is_killed_by_force(starter: Path, group: bool) -> None:
    with subprocess.Popen([sys.executable, str(starter)], stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        grandchild = read_pid(process)
        assert alive(grandchild)
        os.killpg(process.pid, signal.SIGKILL) if group else process.kill()
        assert gone(grandchild)
