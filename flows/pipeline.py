"""The pipeline as a Prefect flow: one task per DVC stage, with the edges that DVC's own graph has."""

import os
import re
import signal
import sys
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from itertools import takewhile

from prefect import State, Task, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed

from facenn.errors import KilledError, StageError
from flows.artifacts import Shown, artifact_key
from flows.commands import Commands
from flows.limits import gpu_slot
from flows.recovery import alive
from flows.stages import Stage, read_stages, select

CACHED = "Cached"  # Prefect's own name for a task whose result was there already
BEFORE, AFTER = "> ", ("Generating lock file ", "Updating lock file ", "ERROR: failed to reproduce ")  # DVC's lines
TOLD = 12  # last lines of a stage that its run's page shows
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)  # sent by the system or a person; the others are a crash
RETRY_DELAYS = (30.0, 120.0)  # seconds; memory that other programs took may be free by then


@flow(name="pipeline")
def pipeline(targets: list[str] = [], force: bool = False) -> dict[str, str]:  # noqa: B006  the form's default
    """Bring the stages of dvc.yaml up to date, in the folder where the flow is served.

    DVC decides what has changed: a stage that has not is Cached, and nothing of it is computed again. What
    depends on a failed stage does not run; everything else does. Stages that use a GPU wait for their turn; one
    that a signal killed is tried again if it continues where it stopped.

    Args:
        targets: Only these stages, and the stages that they need; default: all
        force: Run the targets even if nothing has changed; without targets, every stage

    Returns:
        Per stage ``Completed`` or ``Cached``.

    Raises:
        MissingFileError: no dvc.yaml in the folder.
        ConfigError: a target that is no stage, or a dvc.yaml whose ``meta`` is refused.
        StageError: a stage failed.
    """
    stages = select(read_stages(), targets)
    with alive():
        states = _run(stages, {name for name in stages if force and (not targets or name in targets)})
    _raise_failures(states)
    return {name: state.name or "" for name, state in states.items()}


def _run(stages: Mapping[str, Stage], forced: Collection[str]) -> dict[str, State[None]]:
    """Run stages in their order, independent ones at the same time; their final states by name."""
    commands = Commands()
    futures: dict[str, PrefectFuture[State[None]]] = {}
    try:
        for name in TopologicalSorter({name: stage.needs for name, stage in stages.items()}).static_order():
            stage = stages[name]
            run = run_stage.with_options(
                name=name, task_run_name=name, retry_delay_seconds=list(RETRY_DELAYS),
                retries=len(RETRY_DELAYS) if stage.meta.resumable else 0)
            futures[name] = run.submit(stage, commands, force=name in forced,
                                       wait_for=[futures[need] for need in stage.needs], return_state=False)
        wait(list(futures.values()))
    finally:  # a cancelled run must not go on unseen
        commands.end()
    return {name: future.state for name, future in futures.items()}


def _was_killed(_task: Task[..., State[None]], _run: TaskRun, state: State[None]) -> bool:
    """Whether to try a stage again: what failed by itself would fail again."""
    return isinstance(state.result(raise_on_failure=False), KilledError)


@task(cache_policy=NO_CACHE, retry_condition_fn=_was_killed)  # DVC is the cache
def run_stage(stage: Stage, commands: Commands, *, force: bool) -> State[None]:
    """Run one stage through DVC, log its output line by line, and show the files that it wrote.

    Args:
        stage: of dvc.yaml.
        commands: of this run of the pipeline.
        force: True to run it even if nothing has changed.

    Returns:
        ``Completed``, or ``Cached`` when DVC found nothing to do.

    Raises:
        StageError: the stage failed.
        KilledError: it was killed from outside.
    """
    log = get_run_logger()
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item",
               *(["--force"] if force else []), stage.name]
    shown = Shown(stage.meta)
    device = os.environ.get("FACENN_DEVICE", "cuda") if stage.meta.gpu else "cpu"
    if not device.startswith("cpu"):
        log.info("waiting for a slot of the global concurrency limit gpu")
    with gpu_slot(device):
        code, lines = commands.run(command, lambda line: log.info("%s", line))
    if commands.ended:
        raise StageError(f"{stage.name}: ended with its run")
    if code == 0 and any(line.startswith(f"Stage '{stage.name}' ") and "skipping" in line for line in lines):
        return Completed(name=CACHED, message="unchanged")
    error = _failure(stage.name, code, lines) if code else None
    outcome = f"**{error}**" if error else "\n".join(["```text", *_own_lines(lines)[-TOLD:], "```"])
    if (markdown := shown.markdown(outcome)) is not None:
        create_markdown_artifact(markdown, key=artifact_key(stage.name),
                                 description=f"Stage {stage.name}: {'failed' if error else 'done'}")
    if error:
        raise error
    return Completed()


def _failure(name: str, code: int, lines: list[str]) -> StageError:
    """Why a stage failed: a KilledError where another try may help."""
    told = re.search(r", exited with (-?\d+)$", (lines or [""])[-1])  # DVC's own code is another
    code = int(told[1]) if told else code
    own = _own_lines(lines)
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        shell = signal.strsignal(number) or ""  # what a shell that waited for the stage adds, "Killed"
        own = [line for line in own if line not in (shell, f"{shell} (core dumped)")]
        said = f"; its last line: {own[-1]}" if own else ""
        memory = ", perhaps because memory ran out" if number == signal.SIGKILL else ""
        kind = KilledError if number in FROM_OUTSIDE else StageError
        return kind(f"{name}: killed by {signal.Signals(number).name}{memory}{said}")
    last = (own or lines or [f"exit code {code}"])[-1]
    if code == os.EX_TEMPFAIL:
        return KilledError(f"{name}: {last}")
    return StageError(f"{name}: {last}")


def _own_lines(lines: list[str]) -> list[str]:
    """The lines of a stage itself, without those of DVC before and after."""
    start = max((i + 1 for i, line in enumerate(lines) if line.startswith(BEFORE)), default=0)
    own = takewhile(lambda line: not line.startswith(AFTER), lines[start:])
    return [line for line in own if line]


def _raise_failures(states: Mapping[str, State[None]]) -> None:
    failed = {name: state for name, state in states.items() if state.is_final() and not state.is_completed()}
    if not failed:
        return
    reasons = [str(state.result(raise_on_failure=False)) for state in failed.values()]
    left = [name for name, state in states.items() if not state.is_final()]
    raise StageError("; ".join(reasons) + (f" (not run: {', '.join(left)})" if left else ""))
