"""What bounds a training step of the Imitator: its arithmetic, or the memory that its layers pass pictures through.

Every operation of a step has to do its arithmetic at the rate of a large matrix product at best, and to read its inputs
and write its outputs at the rate of a large copy at best. Both rates are measured here, and the later of the two times,
added up, is the bound of operations that run one after the other. Kernels that do several operations at once can pass
below it.

    python benchmarks/bounds.py --fuse     into runs/bounds, which git ignores
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from facenn.errors import ConfigError, FacennError
from facenn.files import replace_text
from facenn.images import SIDE
from facenn.learner import Learner, adam
from facenn.networks.architectures import CLASSES, build
from facenn.networks.precision import wants_bf16
from facenn.schedule import Phase, growth
from facenn.steps.project import RUNS, choose_device, device_name

KINDS = {"conv": "convolution", "batch_norm": "normalisation", "adam": "optimiser", "mm": "matrix product"}
OTHER = "pixel by pixel"
PRODUCT = {"cuda": 8192, "cpu": 1024}  # side of the matrices whose product is timed
COPIED = {"cuda": 2**30, "cpu": 2**27}  # bytes
WARM, TIMED = 5, 20  # steps, and products and copies
RATE = 1e-4  # learning rate: what is learned does not matter here


@dataclass(frozen=True)
class Ceilings:
    """What a device can do at best.

    Attributes:
        product: floating point operations per second in a large matrix product of the training's precision.
        copy: bytes per second that a large copy reads and writes.
    """

    product: float
    copy: float

    def seconds(self, operations: float, moved: float) -> float:
        """Fewest seconds for this much arithmetic and traffic."""
        return max(operations / self.product, moved / self.copy)


@dataclass
class Cost:
    """Of the operations of one kind.

    Attributes:
        operations: floating point operations; counted for convolutions and matrix products alone.
        moved: bytes read and written.
        bound: fewest seconds.
        measured: seconds that they took, started one by one.
    """

    operations: float = 0
    moved: float = 0
    bound: float = 0
    measured: float = 0


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts arithmetic and traffic of all operations that run inside its block, by kind."""

    def __init__(self, ceilings: Ceilings) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.costs: dict[str, Cost] = defaultdict(Cost)
        self._ceilings = ceilings

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, then count it; views move nothing."""
        out = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
        if not operation.is_view:
            counted = flop_registry.get(operation.overloadpacket)
            operations = counted(*args, **(kwargs or {}), out_val=out) if counted else 0
            moved = sum({(t.data_ptr(), t.nbytes): t.nbytes for t in tensors}.values())
            cost = self.costs[kind_of(str(operation))]
            cost.operations += operations
            cost.moved += moved
            cost.bound += self._ceilings.seconds(operations, moved)
        return out


def kind_of(operation: str) -> str:
    """Of an operation of torch, by its name."""
    return next((kind for part, kind in KINDS.items() if part in operation), OTHER)


@dataclass(frozen=True)
class Lesson:
    """A learner and the batch that it learns from again and again."""

    learner: Learner
    parameters: Tensor
    pictures: Tensor

    def step(self) -> None:
        """Learn once."""
        self.learner.learn(self.parameters, self.pictures, rate=RATE)


@dataclass(frozen=True)
class Timed:
    """A training step.

    Attributes:
        architecture: of the Imitator.
        side: of its pictures.
        batch_size: pictures per step.
        fuse: whether its kernels were compiled.
        seconds: it took.
        costs: by kind of operation.
    """

    architecture: str
    side: int
    batch_size: int
    fuse: bool
    seconds: float
    costs: dict[str, Cost]


def on_gpu(device: str) -> bool:
    """Whether a device is a CUDA device, such as ``cuda:1``."""
    return torch.device(device).type == "cuda"


def synchronize(device: str) -> None:
    """Wait until a GPU is done."""
    if on_gpu(device):
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Median of single runs, warm."""
    taken = []
    for _ in range(WARM + TIMED):
        synchronize(device)
        begun = time.perf_counter()
        work()
        synchronize(device)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[WARM:])


def ceilings_of(device: str, *, bf16: bool) -> Ceilings:
    """Measure them."""
    side = PRODUCT[torch.device(device).type]
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    source = torch.randint(0, 255, (COPIED[torch.device(device).type],), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Ceilings(2 * side**3 / seconds_of(lambda: matrix @ matrix, device),
                    2 * source.nbytes / seconds_of(lambda: target.copy_(source), device))


def lesson(architecture: str, parameters: int, *, resolution: int, side: int, batch_size: int, device: str, bf16: bool,
           fuse: bool, record: bool) -> Lesson:
    """A learner of random pictures."""
    imitator = build(architecture, parameters, resolution=resolution, generator=torch.Generator().manual_seed(0))
    imitator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = Learner(imitator, adam(imitator), bf16=bf16, fuse=fuse, record=record)
    pictures = torch.rand(batch_size, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    return Lesson(learner, torch.rand(batch_size, parameters, device=device), pictures)


def cost_of(taught: Lesson, ceilings: Ceilings, device: str) -> dict[str, Cost]:
    """The cost of a step by kind, counted and measured operation by operation."""
    for _ in range(WARM):
        taught.step()
    with Counter(ceilings) as counter:
        taught.step()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu(device) else [])]
    synchronize(device)
    with profile(activities=activities) as profiled:
        taught.step()
        synchronize(device)
    for event in profiled.key_averages():
        if event.key.startswith("aten::"):
            own = event.self_device_time_total if on_gpu(device) else event.self_cpu_time_total
            counter.costs[kind_of(event.key)].measured += own / 1e6
    return dict(counter.costs)


def measure(options: argparse.Namespace) -> tuple[Ceilings, list[Timed]]:
    """Time the steps of every architecture, in every size that it learns.

    Raises:
        ConfigError: an architecture or a resolution that is not offered, or no batch to normalise.
    """
    device = choose_device(options.device)
    bf16 = wants_bf16(options.precision, torch.device(device))
    sizes = [(architecture, phase) for architecture in options.architectures.split(",")
             for phase in phases_of(architecture, options)]
    ceilings, timed = ceilings_of(device, bf16=bf16), []
    for architecture, phase in sizes:
        teach = partial(lesson, architecture, options.parameters, resolution=options.resolution, side=phase.side,
                        batch_size=phase.batch_size, device=device, bf16=bf16)
        costs = cost_of(teach(fuse=False, record=False), ceilings, device)
        for fuse in (False, True) if options.fuse else (False,):
            seconds = seconds_of(teach(fuse=fuse, record=fuse and on_gpu(device)).step, device)
            timed.append(Timed(architecture, phase.side, phase.batch_size, fuse, seconds, costs))
            print(f"{architecture}, {phase.side} pixels: {phase.batch_size / seconds:.1f} pictures/s"
                  f"{' fused' if fuse else ''}", file=sys.stderr, flush=True)
    return ceilings, timed


def phases_of(architecture: str, options: argparse.Namespace) -> tuple[Phase, ...]:
    """The sizes that an architecture learns, each with its pictures per step."""
    if options.batch_size < 2:
        raise ConfigError(f"expected a --batch-size of 2 or more, got {options.batch_size}")
    sides = build(architecture, options.parameters, resolution=options.resolution).sides
    return growth(sides, 2 ** len(sides), options.batch_size, RATE)


def table(ceilings: Ceilings, timed: Sequence[Timed], device: str) -> str:
    """Everything measured, as Markdown."""
    whole = [one for one in timed if not one.fuse and one.side == max(t.side for t in timed)]
    return "\n".join([
        f"# What bounds a training step, on {device}", "",
        f"A large matrix product: {ceilings.product / 1e12:.3g} TFLOP/s. A large copy, read and written: "
        f"{ceilings.copy / 1e9:.3g} GB/s. *bound* is the least time for the arithmetic and the traffic of all "
        "operations at these rates, one after the other; fused operations can pass below it.", "",
        "| architecture | pixels | pictures a step | fused | ms a step | pictures/s | TFLOP/s | of the product's | "
        "bound ms | bound / step |", "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
        *(_row(one, ceilings) for one in timed), "",
        "Whole pictures, by kind of operation; *ms* where operations are started one by one:", "",
        "| architecture | kind | GFLOP | GB | bound ms | ms |", "|---|---|---:|---:|---:|---:|",
        *(_kind(one.architecture, kind, cost) for one in whole for kind, cost in sorted(one.costs.items())), ""])


def _row(one: Timed, ceilings: Ceilings) -> str:
    bound = sum(cost.bound for cost in one.costs.values())
    rate = sum(cost.operations for cost in one.costs.values()) / one.seconds
    return (f"| {one.architecture} | {one.side} | {one.batch_size} | {'yes' if one.fuse else 'no'} | "
            f"{1000 * one.seconds:.2f} | {one.batch_size / one.seconds:.1f} | {rate / 1e12:.3g} | "
            f"{rate / ceilings.product:.0%} | {1000 * bound:.2f} | {bound / one.seconds:.0%} |")


def _kind(architecture: str, kind: str, cost: Cost) -> str:
    return (f"| {architecture} | {kind} | {cost.operations / 1e9:.1f} | {cost.moved / 1e9:.3f} | "
            f"{1000 * cost.bound:.2f} | {1000 * cost.measured:.2f} |")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", default=",".join(CLASSES), help="with commas")
    parser.add_argument("--parameters", type=int, default=169, help="length of a parameter vector (169, of portrait)")
    parser.add_argument("--resolution", type=int, default=SIDE, help="side of whole pictures")
    parser.add_argument("--batch-size", type=int, default=32, help="whole pictures per step (32)")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--fuse", action="store_true",
                        help="time compiled steps as well, on a GPU replayed as CUDA graphs; needs a C++ compiler")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--out", type=Path, default=RUNS / "bounds", help="outside of what git tracks")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure; what the user can mend is one line and exit code 2."""
    try:
        options = parse()
        ceilings, timed = measure(options)
        text = table(ceilings, timed, device_name(choose_device(options.device)))
        replace_text(options.out / "bounds.md", text)
        print(text, end="")
    except FacennError as error:
        print(f"bounds: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
