"""Recovery of runs whose process was killed: found by a lock that ends with the process, and scheduled again."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Scheduled

from facenn.steps.project import flow_runs


@contextmanager
def alive(folder: Path | None = None) -> Iterator[None]:
    """Hold a file locked while this flow run goes on; a killed process leaves the file, without its lock.

    Nothing is held outside of a server's flow run.
    """
    run_id = flow_run.get_id()
    if run_id is None:
        yield
        return
    folder = folder or flow_runs()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / run_id
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def resume_killed_runs(client: SyncPrefectClient, folder: Path | None = None) -> list[str]:
    """Schedule the runs again whose process was killed; they continue from the files that they wrote.

    Args:
        client: of the Prefect server.
        folder: where ``alive`` keeps its files; None for that of the project.

    Returns:
        The names of the runs that were scheduled.
    """
    resumed = []
    for path in sorted((folder or flow_runs()).glob("*")):
        with path.open(encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process is alive
            name = _schedule(client, path.name)
            path.unlink(missing_ok=True)
        resumed += [name] if name else []
    return resumed


def _schedule(client: SyncPrefectClient, run_id: str) -> str | None:
    try:
        run = client.read_flow_run(UUID(run_id))
    except (ObjectNotFound, ValueError):
        return None  # of another server, or no run at all
    if run.state is None or not run.state.is_running():
        return None
    client.set_flow_run_state(run.id, Scheduled(message="its process was killed; it goes on"), force=True)
    return run.name
