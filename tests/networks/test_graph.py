"""A network as plain steps: what each operation computes, and what a file of it survives."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from facenn.errors import CheckpointError, MissingFileError
from facenn.networks.graph import METADATA, PICTURE, Graph, Plan, Step, dequantise, load_graph, save_graph


def run(x: Tensor, *steps: Step, **weights: Tensor) -> Tensor:
    plan = Plan(x.shape[-1], steps, (steps[-1].output,), {})
    result: Tensor = Graph(plan, weights)(x)[0]
    return result


def plan_and_weights() -> tuple[Plan, dict[str, Tensor]]:
    random = torch.Generator().manual_seed(0)
    weights = {"kernel": torch.randn(4, 3, 3, 3, generator=random), "bias": torch.randn(4, generator=random)}
    steps = (Step("convolution", (PICTURE,), 1, ("kernel", "bias"), (2, 2), (0, 1, 0, 1), activation="relu6"),
             Step("flatten", (1,), 2))
    return Plan(8, steps, (2,), {"licence": "none"}), weights


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_graph(path, *plan_and_weights())
    return path


def test_convolution_pads_each_side_as_told() -> None:
    x, kernel = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    y = run(x, Step("convolution", (0,), 1, ("k", "b"), padding=(0, 1, 0, 1)), k=kernel, b=torch.zeros(1))
    assert y.tolist() == [[[[4, 2], [2, 1]]]]


def test_convolution_with_even_padding_equals_the_same_zeros_put_around_by_hand() -> None:
    x, kernel, bias = torch.randn(2, 3, 7, 7), torch.randn(5, 3, 3, 3), torch.randn(5)
    y = run(x, Step("convolution", (0,), 1, ("k", "b"), (2, 2), (1, 1, 1, 1)), k=kernel, b=bias)
    assert torch.allclose(y, F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, bias, 2), atol=1e-5)


def test_largest_never_lets_its_padding_win() -> None:
    x = torch.full((1, 1, 3, 3), -5.0)
    y = run(x, Step("largest", (0,), 1, stride=(2, 2), padding=(0, 1, 0, 1), window=(2, 2)))
    assert y.shape == (1, 1, 2, 2) and bool((y == -5).all())


def test_sum_goes_on_with_zeros_where_one_value_ends() -> None:
    x = torch.ones(1, 2, 4, 4)
    steps = (Step("average", (0,), 1, window=(2, 2), stride=(2, 2)), Step("sum", (0, 1), 2))
    y = run(x, *steps)
    assert y[0, 0].tolist() == [[2, 2, 1, 1], [2, 2, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_reshape_counts_channels_last() -> None:
    x = torch.arange(8.0).view(1, 2, 2, 2)
    assert run(x, Step("reshape", (0,), 1, shape=(8,)))[0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert run(x, Step("flatten", (0,), 1))[0].tolist() == list(range(8))


@pytest.mark.parametrize(("step", "weights", "expected"), [
    (Step("affine", (0,), 1, ("s", "b")), {"s": torch.tensor([2.0]), "b": torch.ones(1)}, [-3.0, 1.0, 17.0]),
    (Step("prelu", (0,), 1, ("a",)), {"a": torch.tensor([0.5])}, [-1.0, 0.0, 8.0]),
    (Step("activation", (0,), 1, activation="relu"), {}, [0.0, 0.0, 8.0]),
    (Step("activation", (0,), 1, activation="relu6"), {}, [0.0, 0.0, 6.0]),
    (Step("join", (0, 0), 1, axis=3), {}, [-2.0, 0.0, 8.0, -2.0, 0.0, 8.0]),
    (Step("pad", (0,), 1, padding=(1, 0)), {}, [0.0, -2.0, 0.0, 8.0]),
])
def test_operation_gives_the_known_answer(
    step: Step, weights: dict[str, Tensor], expected: list[float]
) -> None:
    x = torch.tensor([-2.0, 0.0, 8.0]).view(1, 1, 1, 3)
    assert run(x, step, **weights).flatten().tolist() == expected


def test_mean_and_linear_give_the_known_answer() -> None:
    x = torch.stack([torch.full((2, 2), 1.0), torch.tensor([[0.0, 2.0], [4.0, 6.0]])])[None]
    y = run(x, Step("mean", (0,), 1), Step("linear", (1,), 2, ("w",)), w=torch.tensor([[1.0, 10.0]]))
    assert y.tolist() == [[31.0]]


def test_dequantise_gives_each_run_its_scale_and_zero_and_each_row_its_gain() -> None:
    blocks = torch.tensor([[1, 2, 3, 4], [-1, 0, 1, 2]], dtype=torch.int8)
    scales, zeros = torch.tensor([[1.0, 10.0], [2.0, 0.5]]), torch.tensor([[0, 1], [1, 2]], dtype=torch.int8)
    weights = dequantise(blocks, scales, zeros, torch.tensor([1.0, 3.0]))
    assert weights.tolist() == [[1, 2, 20, 30], [-12, -6, -1.5, 0]]


def test_graph_is_frozen_but_differentiable_in_its_input(stored: Path) -> None:
    graph = load_graph(stored)
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    graph(x)[0].square().sum().backward()
    assert x.grad is not None and bool((x.grad != 0).any())
    assert not list(graph.parameters()) and not graph.training
    assert not any(buffer.requires_grad for buffer in graph.buffers())


def test_graph_gradient_is_right_in_double_precision(stored: Path) -> None:
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(load_graph(stored).double(), (x,))


def test_load_gives_back_what_was_saved(stored: Path) -> None:
    plan, weights = plan_and_weights()
    graph = load_graph(stored)
    assert graph.plan == plan
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(graph(x)[0], Graph(plan, weights)(x)[0])


def test_load_unpacks_int8_blocks(tmp_path: Path) -> None:
    plan, weights = plan_and_weights()
    blocks = torch.randint(-128, 128, (4, 3, 3, 3), generator=torch.Generator().manual_seed(1)).to(torch.int8)
    parts = (blocks, torch.rand(4, 3), torch.ones(4, 3, dtype=torch.int8), torch.rand(4))
    packed = dict(zip(("kernel.blocks", "kernel.scales", "kernel.zeros", "kernel.gains"), parts, strict=True))
    save_graph(tmp_path / "packed.safetensors", plan, {"bias": weights["bias"], **packed})
    loaded = load_graph(tmp_path / "packed.safetensors")
    assert torch.equal(loaded.get_buffer("kernel"), dequantise(*parts))


def test_save_writes_the_same_bytes_twice(stored: Path, tmp_path: Path) -> None:
    save_graph(tmp_path / "again.safetensors", *plan_and_weights())
    assert (tmp_path / "again.safetensors").read_bytes() == stored.read_bytes()


def test_load_names_a_missing_file_and_the_command_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.safetensors.*dvc pull"):
        load_graph(tmp_path / "gone.safetensors")


def test_load_refuses_every_truncation(stored: Path) -> None:
    whole = stored.read_bytes()
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        stored.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"network\.safetensors"):
            load_graph(stored)


def test_load_notices_a_single_changed_bit(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[-9] ^= 1
    stored.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"network\.safetensors.*damaged"):
        load_graph(stored)


@pytest.mark.parametrize(
    "metadata", [None, {"other": "x"}, {METADATA: "{"}, {METADATA: "[]"}, {METADATA: '{"size": 8}'}])
def test_load_refuses_a_file_without_steps(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors"):
        load_graph(path)


@pytest.mark.parametrize(("steps", "complaint"), [
    ((Step("teleport", (0,), 1),), "teleport"),
    ((Step("flatten", (0,), 1, activation="wish"),), "wish"),
    ((Step("linear", (0,), 1, ("absent",)),), "absent"),
    ((Step("flatten", (5,), 1),), "before it is made"),
    ((), "outputs"),
])
def test_load_refuses_steps_that_do_not_fit(tmp_path: Path, steps: tuple[Step, ...], complaint: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_graph(path, Plan(8, steps, (1,), {}), {"w": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=rf"odd\.safetensors.*{complaint}"):
        load_graph(path)
