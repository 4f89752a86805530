from pathlib import Path

import pytest

from facenn.config import TrainConfig
from facenn.errors import CheckpointError
from facenn.steps.train import state_file


def begun(folder: Path, batch_size: int, processes: int) -> Path:
    path = state_file(folder, TrainConfig(batch_size=batch_size), "digest", processes=processes)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(("batch_size", "processes"), [(4, 2), (8, 1), (2, 4)])
def test_a_training_goes_on_in_any_number_of_processes_with_as_many_pictures(
    tmp_path: Path, batch_size: int, processes: int
) -> None:
    path = begun(tmp_path, 4, 2)
    assert state_file(tmp_path, TrainConfig(batch_size=batch_size), "digest", processes=processes) == path


def test_a_training_does_not_go_on_with_another_number_of_pictures(tmp_path: Path) -> None:
    begun(tmp_path, 4, 2)
    with pytest.raises(CheckpointError, match="go on with 2 processes of 4 pictures per step, got 1; move it away"):
        state_file(tmp_path, TrainConfig(batch_size=4), "digest", processes=1)


def test_another_training_has_another_state(tmp_path: Path) -> None:
    path = begun(tmp_path, 4, 1)
    others = [state_file(tmp_path, TrainConfig(batch_size=6), "digest", processes=1),
              state_file(tmp_path, TrainConfig(batch_size=4, seed=1), "digest", processes=1),
              state_file(tmp_path, TrainConfig(batch_size=4), "other", processes=1)]
    assert len({path, *others}) == 4
