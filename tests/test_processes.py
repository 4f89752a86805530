import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from threadpoolctl import threadpool_info

from facenn.processes import one_thread_each, process_pool, use_one_thread

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


def test_numerical_libraries_have_one_thread_in_the_block_and_all_of_theirs_after_it() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="inside"), one_thread_each():
            assert torch.get_num_threads() == 1
            assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
            raise ValueError("inside")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_of_a_pool_use_one_thread_each() -> None:
    with ThreadPoolExecutor(1, initializer=use_one_thread) as threads:
        assert threads.submit(torch.get_num_threads).result() == 1
