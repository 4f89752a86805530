import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil

from facenn.processes import process_pool

PARENT = """
import os, time
from facenn.processes import process_pool

with process_pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_process_pool_works_in_processes_of_its_own() -> None:
    with process_pool(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()


def test_process_pool_readies_every_process_before_its_first_task(tmp_path: Path) -> None:
    with process_pool(1, partial(os.chdir, tmp_path)) as pool:
        assert pool.submit(os.getcwd).result() == str(tmp_path)


def test_process_pool_ends_with_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        assert not psutil.wait_procs([worker], timeout=30)[1]
