"""Programs that run side by side: started, watched, stopped in reverse; none outlives the process that started them."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import psutil

from facenn.errors import ProgramError

MARK = "FACENN_MARK"  # in the environment of every program, and so of all that it starts
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE = 0.1  # seconds between two looks
PATIENCE = 180  # seconds until a program that does not answer is given up; a first start migrates databases
GRACE = 15.0  # seconds from the request to end until it is enforced
TAIL = 20  # lines of a log that may hold the reason of its end
REASON = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b")


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        name: in messages.
        command: its arguments, the program first.
        environment: variables beside the inherited ones; None takes one away.
        log: file of its output; that of the start before is kept as ``.1``.
        answers: whether it is ready; called until it is.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str | None]
    log: Path
    answers: Callable[[], bool]


class Programs:
    """Runs programs while a ``with`` block lasts, and stops them in reverse when it ends, however it ends.

    Each is in a session of its own, so that Ctrl-C in a terminal reaches this process alone, which then stops them in
    order. A sentinel ends the processes that they leave behind, and all of them if this process is killed.

    Args:
        say: called with each line of progress.
        keep: file descriptor that stays open until the last process is gone, such as a lock's.
    """

    def __init__(self, say: Callable[[str], None], keep: int | None = None) -> None:
        self._say = say
        self._keep = [] if keep is None else [keep]
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._asked = 0
        self._mark = uuid.uuid4().hex

    def __enter__(self) -> "Programs":
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        self._sentinel = subprocess.Popen([sys.executable, "-m", "facenn.workshop.sentinel", f"{MARK}={self._mark}"],
                                          stdin=subprocess.PIPE, start_new_session=True, pass_fds=self._keep)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if isinstance(error, ProgramError):
            self._say(str(error))  # at once: to stop the others takes seconds
        if self._running:
            self._say(f"stopping {', '.join(program.name for program, _ in reversed(self._running))}; Ctrl-C hurries")
        heard = self._asked
        for program, process in reversed(self._running):
            self._stop(process, lambda: self._asked > heard)
            self._say(f"{program.name} has ended")
        self._sentinel.communicate()  # closes its input, and waits
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, *programs: Program) -> None:
        """Start programs at the same time; does nothing once the user has asked to stop."""
        if self._asked:
            return
        self._say(f"starting {', '.join(program.name for program in programs)}")
        for program in programs:
            program.log.parent.mkdir(parents=True, exist_ok=True)
            if program.log.exists():
                program.log.replace(program.log.with_name(f"{program.log.name}.1"))
            changes = {**program.environment, MARK: self._mark}
            environment = {name: value for name, value in {**os.environ, **changes}.items() if value is not None}
            with program.log.open("wb") as log:
                process = subprocess.Popen(program.command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=subprocess.STDOUT, start_new_session=True)
            self._running.append((program, process))

    def wait(self) -> bool:
        """Wait until each program answers.

        Returns:
            False when the user asked to stop instead.

        Raises:
            ProgramError: one that ended by itself, or gives no answer for three minutes.
        """
        began = time.monotonic()
        silent = [program for program, _ in self._running]
        while silent and not self._asked:
            self._check()
            if time.monotonic() - began > PATIENCE:
                first = silent[0]
                raise ProgramError(f"{first.name} gives no answer after {PATIENCE} s; {_last_words(first.log)}")
            silent = [program for program in silent if not program.answers()]
            time.sleep(PAUSE)
        return not self._asked

    def watch(self) -> None:
        """Return when the user asks to stop, by Ctrl-C, SIGTERM or by closing the terminal.

        Raises:
            ProgramError: a program ended by itself.
        """
        while not self._asked:
            self._check()
            time.sleep(PAUSE)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _check(self) -> None:
        for program, process in self._running:
            if (code := process.poll()) is not None:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                raise ProgramError(f"{program.name} {how}; {_last_words(program.log)}")

    def _stop(self, process: subprocess.Popen[bytes], hurry: Callable[[], bool]) -> None:
        """Ask the processes that a program started to end, then the program itself; kill those that do not.

        In this order a run of a flow can still report to the flows, which would kill it when they end.
        """
        deadline = time.monotonic() + GRACE
        for group in (_others(process), [psutil.Process(process.pid)] if process.poll() is None else []):
            for member in group:
                with suppress(psutil.NoSuchProcess):
                    member.terminate()
            while any(_alive(member) for member in group) and time.monotonic() < deadline and not hurry():
                process.poll()
                time.sleep(PAUSE)
        with suppress(ProcessLookupError):  # no process is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _others(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The other living processes of the group that a process leads."""
    found = []
    for other in psutil.process_iter():
        with suppress(ProcessLookupError):
            if other.pid != process.pid and os.getpgid(other.pid) == process.pid and _alive(other):
                found.append(other)
    return found


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _last_words(log: Path) -> str:
    """The line of a log that best tells why its program ended, and where the log is."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    reasons = [line for line in lines[-TAIL:] if REASON.match(line)]
    said = (reasons or lines or ["nothing"])[-1]
    return f"it said: {said} (all of it in {log})"
