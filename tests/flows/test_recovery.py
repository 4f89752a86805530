import fcntl
from pathlib import Path
from uuid import uuid4

from prefect import State, flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Running

from flows.recovery import alive, resume_killed_runs


@flow
def nothing() -> None:
    """Has a run, and that is all."""


def run_in(client: SyncPrefectClient, state: State[None]) -> FlowRun:
    return client.create_flow_run(nothing, state=state)


def state_name(client: SyncPrefectClient, run: FlowRun) -> str | None:
    state = client.read_flow_run(run.id).state
    return state.name if state else None


def test_resume_killed_runs_schedules_a_run_whose_process_was_killed(tmp_path: Path, prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        killed = run_in(client, Running())
        (tmp_path / str(killed.id)).touch()
        assert resume_killed_runs(client, tmp_path) == [killed.name]
        assert state_name(client, killed) == "Scheduled"
        assert list(tmp_path.iterdir()) == []


def test_resume_killed_runs_leaves_alone_what_goes_on_or_has_ended(tmp_path: Path, prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        going_on, ended = run_in(client, Running()), run_in(client, Completed())
        for run in (going_on, ended):
            (tmp_path / str(run.id)).touch()
        (tmp_path / str(uuid4())).touch()  # of another server
        with (tmp_path / str(going_on.id)).open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert resume_killed_runs(client, tmp_path) == []
        assert state_name(client, going_on) == "Running"
        assert state_name(client, ended) == "Completed"
        assert [path.name for path in tmp_path.iterdir()] == [str(going_on.id)]


def test_alive_holds_a_lock_for_as_long_as_the_run_goes_on(tmp_path: Path, prefect_server: None) -> None:
    @flow
    def locked() -> bool:
        with alive(tmp_path):
            file = next(tmp_path.iterdir())
            with file.open() as again:
                try:
                    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    assert locked()
    assert list(tmp_path.iterdir()) == []
