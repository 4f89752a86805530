"""Kills every process with a mark in its environment once standard input closes: ``... sentinel NAME=VALUE``."""

import sys
import time

import psutil

PAUSE = 0.05  # seconds between two looks
ENOUGH = 10.0  # seconds after which a process that cannot be killed is left to the system


def main() -> None:
    """Wait until the process that holds the other end of standard input ends, however it ends; kill the marked ones."""
    name, _, value = sys.argv[1].partition("=")
    sys.stdin.buffer.read()
    end = time.monotonic() + ENOUGH
    while (left := marked(name, value)) and time.monotonic() < end:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(PAUSE)


def marked(name: str, value: str) -> list[psutil.Process]:
    """The processes that were started with this variable in their environment and have not ended.

    Children inherit it, in whatever session or group they are, and keep it when their parents die.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # of another user, or ended meanwhile
            continue
    return found


if __name__ == "__main__":
    main()
