"""Commands of a flow run: their output line by line, and their end when the run ends."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from flows import guard


class Commands:
    """The running commands of a flow run; they end with it, however it ends.

    Attributes:
        ended: True once the run is over; no command starts any more.
    """

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()

    def run(self, command: list[str], log: Callable[[str], None]) -> tuple[int, list[str]]:
        """Run a command to its end; may be called by several threads.

        Args:
            command: program and arguments.
            log: called with every line of its output.

        Returns:
            Its exit code, 128 and the signal's number if a signal ended it, and all its lines.

        Raises:
            InterruptedError: the run is over.
        """
        lines: list[str] = []
        with self._start(command) as process:
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    log(lines[-1])
            finally:
                with self._lock:
                    self._running.discard(process)
                    _let_go(process)
        return process.returncode, lines

    def end(self) -> None:
        """End the running commands with all their processes, and refuse new ones."""
        with self._lock:
            self.ended = True
            for process in self._running:
                _let_go(process)

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        with self._lock:
            if self.ended:
                raise InterruptedError(f"expected a run that goes on for {command[0]}, this one is over")
            # a session of its own: a signal to the run's group must leave the guard to its work
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, env=_environment(), encoding="utf-8",
                errors="replace")
            self._running.add(process)
            return process


def _let_go(process: subprocess.Popen[str]) -> None:
    """Close the pipe whose end tells the guard to end its command."""
    if process.stdin is not None:
        process.stdin.close()


def _environment() -> dict[str, str]:
    """The variables of this process, with the commands of its Python first on the PATH."""
    commands = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([commands, os.environ.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1"}
