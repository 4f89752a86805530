"""Turns on the GPU: a global concurrency limit of the Prefect server, which its pages can change."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

GPU = "gpu"
LEASE = 60  # seconds after which the slot of a killed run is free again; Prefect accepts no fewer


def prepare_gpu_limit() -> None:
    """Make the limit ``gpu``, one at a time, where there is none; call it before runs are served.

    Slots that are taken while no run is active are given back: a server that keeps its leases in memory, as it
    does by default, forgets them when it restarts, but not that the slots were taken.
    """
    with get_client(sync_client=True) as client:
        _make(client)
        taken = client.read_global_concurrency_limit_by_name(GPU).active_slots
        if taken and not client.read_flow_runs(flow_run_filter=_GOING_ON, limit=1):
            client.update_global_concurrency_limit(GPU, GlobalConcurrencyLimitUpdate(active_slots=0))


@contextmanager
def gpu_slot(device: str) -> Iterator[None]:
    """Wait for a slot of the limit ``gpu`` and hold it; on a CPU no slot is needed.

    Args:
        device: where the block computes, such as cpu or cuda.
    """
    if device.startswith("cpu"):
        yield
        return
    with get_client(sync_client=True) as client:
        _make(client)
    # A server that cannot be reached for a while must not end a training of hours.
    with concurrency(GPU, occupy=1, strict=True, lease_duration=LEASE, raise_on_lease_renewal_failure=False):
        yield


_GOING_ON = FlowRunFilter(state=FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])))


def _make(client: SyncPrefectClient) -> None:
    try:
        client.read_global_concurrency_limit_by_name(GPU)
    except ObjectNotFound:
        try:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))
        except ObjectAlreadyExists:  # another run was quicker
            return
