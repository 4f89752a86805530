"""The pipeline as a Prefect flow: one task per DVC stage, with the edges that DVC's own graph has."""

import os
import subprocess
import sys
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed

from facenn.errors import FacennError, MissingFileError

CACHED = "Cached"  # Prefect's own name for a task whose result was there already
DVC_LINES = ("Running stage ", "> ", "ERROR: failed to reproduce ")  # what DVC says around a command's own lines


class StageError(FacennError, RuntimeError):
    """A stage that failed, with the last line it said and the stages that did not run because of it."""


@flow(name="pipeline")
def pipeline() -> dict[str, str]:
    """Bring every stage of dvc.yaml up to date, in the folder where the flow is served.

    DVC decides what has changed: a stage that has not is Cached, and nothing of it is computed again. What
    depends on a failed stage does not run; everything else does.

    Returns:
        Per stage ``Completed`` or ``Cached``.

    Raises:
        MissingFileError: no dvc.yaml in the folder.
        StageError: a stage failed.
    """
    needs = stage_graph()
    futures: dict[str, PrefectFuture[State[None]]] = {}
    for name in TopologicalSorter(needs).static_order():
        run = run_stage.with_options(name=name, task_run_name=name)
        futures[name] = run.submit(name, wait_for=[futures[need] for need in needs[name]], return_state=False)
    wait(list(futures.values()))
    states = {name: future.state for name, future in futures.items()}
    _raise_failures(states)
    return {name: state.name or "" for name, state in states.items()}


@task(cache_policy=NO_CACHE)  # DVC is the cache
def run_stage(name: str) -> State[None]:
    """Run one stage through DVC and pass on what it says, line by line.

    Args:
        name: of the stage, as DVC calls it.

    Returns:
        ``Completed``, or ``Cached`` when DVC found nothing to do.

    Raises:
        StageError: the stage failed.
    """
    log = get_run_logger()
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment(),
                          encoding="utf-8", errors="replace") as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                log.info("%s", lines[-1])
        except BaseException:
            process.terminate()  # a cancelled run must not go on unseen
            raise
    if process.returncode:
        raise StageError(f"{name}: {_reason(lines) or f'exit code {process.returncode}'}")
    if any(line.startswith(f"Stage '{name}' ") and "skipping" in line for line in lines):
        return Completed(name=CACHED, message="unchanged")
    return Completed()


def stage_graph() -> dict[str, list[str]]:
    """Which stages each stage needs, as DVC sees them; files that are only tracked are no stages.

    Raises:
        MissingFileError: no dvc.yaml in the current folder.
    """
    from dvc.repo import Repo

    definition = Path.cwd() / "dvc.yaml"
    if not definition.is_file():
        raise MissingFileError(f"expected the definition of the pipeline at {definition}, found no file")
    with Repo(".") as repo:
        graph = repo.index.graph
        stages = [stage for stage in graph if stage.cmd]
        return {stage.addressing: sorted(need.addressing for need in graph.successors(stage) if need.cmd)
                for stage in stages}


def _environment() -> dict[str, str]:
    """This process's, with the commands of its Python first, whether or not its environment is activated."""
    commands = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([commands, os.environ.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1"}


def _reason(lines: list[str]) -> str:
    """The last line that a failed stage said itself, or else DVC's."""
    said = [line for line in lines if line and not line.startswith(DVC_LINES)]
    return (said or lines or [""])[-1]


def _raise_failures(states: Mapping[str, State[None]]) -> None:
    failed = {name: state for name, state in states.items() if state.is_final() and not state.is_completed()}
    if not failed:
        return
    reasons = [str(state.result(raise_on_failure=False)) for state in failed.values()]
    left = [name for name, state in states.items() if not state.is_final()]
    raise StageError("; ".join(reasons) + (f" (not run: {', '.join(left)})" if left else ""))
