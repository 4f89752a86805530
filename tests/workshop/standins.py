"""Runs stand-ins for the programs of a workshop: ``python standins.py GRACE NAME=KIND ...`` in an empty folder.

Kinds: good (answers and ends when asked), family (a good one whose child, in a session of its own, ignores requests),
stubborn (ends only by force), crash (ends by itself when the file ``crash`` appears), silent (never answers).
"""

import sys
from pathlib import Path

from facenn.errors import ProgramError
from facenn.workshop import programs as module
from facenn.workshop.programs import Program, Programs

GOOD = """
import signal, subprocess, sys, time, traceback
from pathlib import Path
name, kind = sys.argv[1:]
def note(what):
    with Path("events").open("a") as events:
        events.write(f"{name} {what}\\n")
def end(*_):
    note("asked")
    if kind != "stubborn":
        sys.exit(0)
signal.signal(signal.SIGTERM, end)
if kind == "family":
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE)
    child.stdout.readline()
    Path("child").write_text(str(child.pid))
note("started")
if kind != "silent":
    Path(f"{name}.answers").touch()
end_of_time = time.monotonic() + 60
while time.monotonic() < end_of_time:
    time.sleep(0.02)
    if kind == "crash" and Path("crash").exists():
        traceback.print_exception(ValueError("the reason"))
        sys.exit("Server stopped!")
"""


def program(name: str, kind: str) -> Program:
    return Program(name, (sys.executable, "-c", GOOD, name, kind), {"EXTRA": None}, Path("logs") / f"{name}.log",
                   Path(f"{name}.answers").exists)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    module.GRACE = float(sys.argv[1])
    try:
        with Programs(say) as programs:
            for argument in sys.argv[2:]:
                name, _, kind = argument.partition("=")
                programs.start(program(name, kind))
                if not programs.wait():
                    return
            say("ready")
            programs.watch()
    except ProgramError:
        sys.exit(1)


if __name__ == "__main__":
    main()
