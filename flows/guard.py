"""Starts a command whose processes all end with their starter: ``python flows/guard.py COMMAND...``.

The guard's standard input is a pipe that its starter holds open. When it closes, as a run is cancelled or its process
killed, the command's whole process group is ended: a training must not go on unseen. The group is also ended when the
command ends. Only the standard library is used: it starts at once.
"""

import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 10  # seconds between asking processes to end and killing them
POLL = 0.05


def main(command: list[str]) -> int:
    """Run a command until it ends or the starter is gone.

    Returns:
        Its exit code; 128 and the signal's number, as shells have it, if a signal ended it.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_starter, args=(child.pid,), daemon=True).start()
    code = child.wait()
    end_group(child.pid)
    return code if code >= 0 else 128 - code


def end_group(group: int) -> None:
    """End every process of a group: ask, wait, kill."""
    try:
        os.killpg(group, signal.SIGTERM)
        latest = time.monotonic() + GRACE
        while time.monotonic() < latest:
            os.killpg(group, 0)
            time.sleep(POLL)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:  # no process is left
        return


def _end_with_starter(group: int) -> None:
    while os.read(sys.stdin.fileno(), 1):  # returns nothing once the pipe is closed
        pass
    end_group(group)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
