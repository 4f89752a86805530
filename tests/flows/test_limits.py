from collections.abc import Iterator

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from flows.limits import GPU, gpu_slot, prepare_gpu_limit


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    """Of a server that has no limit yet, and will have none afterwards."""
    with get_client(sync_client=True) as client:
        _forget(client)
        yield client
        _forget(client)


def _forget(client: SyncPrefectClient) -> None:
    try:
        client.delete_global_concurrency_limit_by_name(GPU)
    except ObjectNotFound:
        return


def taken(client: SyncPrefectClient) -> int:
    return client.read_global_concurrency_limit_by_name(GPU).active_slots


def test_gpu_limit_is_one_until_a_person_changes_it(client: SyncPrefectClient) -> None:
    prepare_gpu_limit()
    assert client.read_global_concurrency_limit_by_name(GPU).limit == 1
    client.update_global_concurrency_limit(GPU, GlobalConcurrencyLimitUpdate(limit=3))
    prepare_gpu_limit()
    assert client.read_global_concurrency_limit_by_name(GPU).limit == 3


def test_gpu_slot_is_held_by_one_block_and_given_back(client: SyncPrefectClient) -> None:
    with gpu_slot("cuda:0"):
        assert taken(client) == 1
        with pytest.raises(TimeoutError), concurrency(GPU, strict=True, timeout_seconds=0.2):
            pytest.fail("two blocks held the only slot")
    assert taken(client) == 0


def test_gpu_slot_asks_no_server_on_a_cpu(client: SyncPrefectClient) -> None:
    with gpu_slot("cpu"), pytest.raises(ObjectNotFound):
        taken(client)


def test_gpu_limit_gives_back_slots_of_nobody_but_not_those_of_a_run(client: SyncPrefectClient) -> None:
    prepare_gpu_limit()
    client.update_global_concurrency_limit(GPU, GlobalConcurrencyLimitUpdate(active_slots=1))

    @flow
    def going_on() -> int:
        prepare_gpu_limit()
        return taken(client)

    assert going_on() == 1
    prepare_gpu_limit()
    assert taken(client) == 0
