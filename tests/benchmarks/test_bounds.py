from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import bounds as module
from benchmarks.bounds import Ceilings, Counter, kind_of, main, measure, parse, table
from facenn.errors import ConfigError

SMALL = ("--architectures", "dcgan,pyramid", "--parameters", "3", "--resolution", "128", "--batch-size", "2",
         "--precision", "fp32", "--device", "cpu")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRODUCT", {"cpu": 64})
    monkeypatch.setattr(module, "COPIED", {"cpu": 2**16})
    monkeypatch.setattr(module, "WARM", 1)
    monkeypatch.setattr(module, "TIMED", 2)


def test_counter_counts_arithmetic_and_traffic_of_a_convolution() -> None:
    ceilings = Ceilings(product=1e9, copy=1e6)
    convolution, pictures = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.rand(2, 3, 8, 8)
    with Counter(ceilings) as counter, torch.no_grad():
        drawn = convolution(pictures)
        drawn.relu().view(-1)
    cost, other = counter.costs["convolution"], counter.costs["pixel by pixel"]
    assert cost.operations == 2 * 9 * 3 * 5 * 2 * 64
    assert cost.moved == 4 * (2 * 3 * 64 + 5 * 3 * 9 + 2 * 5 * 64)
    assert cost.bound == pytest.approx(cost.moved / 1e6)
    assert other.operations == 0 and other.moved == 2 * 4 * 2 * 5 * 64
    assert set(counter.costs) == {"convolution", "pixel by pixel"}


def test_ceilings_bound_by_the_later_of_both() -> None:
    ceilings = Ceilings(product=10, copy=5)
    assert ceilings.seconds(100, 20) == 10 and ceilings.seconds(10, 20) == 4


@pytest.mark.parametrize(("name", "kind"), [
    ("aten.convolution_backward.default", "convolution"), ("aten::cudnn_batch_norm", "normalisation"),
    ("aten::addmm", "matrix product"), ("aten::_fused_adam_", "optimiser"), ("aten::sigmoid", "pixel by pixel")])
def test_operations_have_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_table_tells_steps_of_every_size_and_kinds_of_whole_pictures() -> None:
    ceilings, timed = measure(parse(SMALL))
    assert ceilings.product > 0 and ceilings.copy > 0
    assert [(one.architecture, one.side, one.batch_size) for one in timed] == [
        ("dcgan", 128, 2), ("pyramid", 64, 4), ("pyramid", 128, 2)]
    assert all({"convolution", "optimiser", "pixel by pixel"} <= set(one.costs) for one in timed)
    assert "normalisation" in timed[0].costs and "normalisation" not in timed[1].costs
    assert all(cost.measured > 0 for one in timed for cost in one.costs.values())
    lines = table(ceilings, timed, "a CPU").splitlines()
    assert sum(line.startswith("| pyramid | 64 |") for line in lines) == 1
    assert sum(line.startswith("| pyramid | convolution |") for line in lines) == 1
    row = next(line for line in lines if line.startswith("| pyramid | 128 |")).split(" | ")
    assert float(row[5]) == pytest.approx(2000 / float(row[4]), rel=0.02)


def test_measure_refuses_what_it_cannot_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                             tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a --batch-size of 2 or more, got 1"):
        measure(parse([*SMALL, "--batch-size", "1"]))
    monkeypatch.setattr("sys.argv", ["bounds", "--architectures", "cathedral", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("bounds: expected an architecture among dcgan, pyramid")
