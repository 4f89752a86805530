"""How the error of an Imitator falls with more renders and more training, and how fast its training steps are.

One Imitator per architecture and number of renders learns from the first renders of a folder, in a shuffled order. All
are judged on the last ones, from which none of them learns. Each architecture's training step is timed side by side
with the original recipe's, step for step. What is measured already is not measured again, unless code, renders, options
or device have changed; a training that was killed goes on.

    python benchmarks/imitator.py RENDERS --counts 250,500,1000,2000     into runs/imitators, which git ignores
"""

import argparse
import hashlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.optim import Adam

import facenn
from facenn.config import TrainConfig
from facenn.dataset import AVERAGED, Faces, Split, fits
from facenn.errors import ConfigError, FacennError
from facenn.evaluation import held_out
from facenn.exchange.renders import TABLE_FILE, RendersFolder
from facenn.files import replace_bytes, replace_text
from facenn.losses import imitation_loss
from facenn.networks.architectures import CLASSES, build
from facenn.networks.dcgan import Dcgan
from facenn.networks.imitator import Imitator
from facenn.networks.precision import wants_bf16
from facenn.report.curves import DASHES, PALETTE
from facenn.schedule import growth
from facenn.steps.project import RUNS, choose_device, device_name
from facenn.training import train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORIGINAL_SIDE, ORIGINAL_BATCH = 512, 4
WARM = 3  # steps that are not timed: kernels are chosen, memory is claimed
LOOKS = 20  # at the held-out renders, per training


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training ends and how long it takes.

    Attributes:
        architecture: of the Imitator.
        renders: how many it learns from.
        held_out: how many it is judged on.
        steps: optimisation steps.
        resolution: side of its pictures.
        batch_size: pictures per step.
        peak: learning rate at the start, above the floor.
        floor: learning rate at the end.
        precision: ``fp32`` or ``bf16``.
        seed: of weights and order.
    """

    architecture: str
    renders: int
    held_out: int
    steps: int
    resolution: int
    batch_size: int
    peak: float
    floor: float
    precision: str
    seed: int


@dataclass(frozen=True)
class Point:
    """Where a training was: pictures seen, seconds in its steps, held-out mean absolute error."""

    pictures: int
    seconds: float
    error: float


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        recipe: of the training.
        l1: held-out mean absolute error of RGB in [0, 1].
        psnr: held-out, in decibels.
        ssim: held-out.
        course: from the first look at the held-out renders to the last.
    """

    recipe: Recipe
    l1: float
    psnr: float
    ssim: float
    course: list[Point]


@dataclass(frozen=True)
class Speed:
    """Pictures per second, the median of single steps that took turns.

    Attributes:
        own: of a training step as ``facenn.training`` does it.
        original: of one of the original recipe.
    """

    own: float
    original: float


def untrained(recipe: Recipe, parameters: int) -> Imitator:
    """The network of a recipe.

    Raises:
        ConfigError: an architecture that is not offered.
    """
    return build(recipe.architecture, parameters, resolution=recipe.resolution,
                 generator=torch.Generator().manual_seed(recipe.seed))


class OriginalRecipe:
    """The original training step: transposed convolutions in float32, 4 pictures of 512 pixels, Adam as it comes."""

    def __init__(self, parameters: int, device: str) -> None:
        self._imitator = Dcgan(parameters, resolution=ORIGINAL_SIDE).to(device).train()
        self._optimizer = Adam(self._imitator.parameters(), lr=1e-4, betas=Dcgan.betas)
        self._vectors = torch.rand(ORIGINAL_BATCH, parameters, device=device)
        self._pictures = torch.rand(ORIGINAL_BATCH, 3, ORIGINAL_SIDE, ORIGINAL_SIDE, device=device)

    def pictures_per_second(self) -> float:
        """Of one step, from handing over the pictures to new weights."""
        begun = time.perf_counter()
        loss = imitation_loss(self._imitator(self._vectors), self._pictures).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._vectors.is_cuda:
            torch.cuda.synchronize()
        return ORIGINAL_BATCH / (time.perf_counter() - begun)


def split_of(recipe: Recipe, count: int) -> Split:
    """The first renders to learn from, the last ones to be judged on.

    Raises:
        ConfigError: the folder has too few renders for both.
    """
    if not 0 < recipe.renders <= count - recipe.held_out or recipe.held_out < 1:
        raise ConfigError(f"expected {recipe.renders} renders to learn from and {recipe.held_out} others to be judged "
                          f"on, the folder has {count}")
    rows = np.arange(count)
    return Split(rows[:recipe.renders], rows[count - recipe.held_out:])


def time_steps(recipe: Recipe, faces: Faces, steps: int, device: str) -> Speed:
    """Time a training's last steps, those that learn whole pictures, each followed by one of the original recipe.

    What disturbs one disturbs the other.
    """
    original = OriginalRecipe(faces.schema.size, device)
    imitator = untrained(recipe, faces.schema.size)
    turns: list[tuple[float, float]] = []

    def take_turns(step: int, figures: Mapping[str, float]) -> None:
        if "train/pictures_per_second" in figures:
            turns.append((figures["train/pictures_per_second"], original.pictures_per_second()))

    with tempfile.TemporaryDirectory() as folder:
        _train(imitator, faces, recipe, device, checkpoint=Path(folder) / "state.pt", steps=WARM + steps, every=1,
               look_every=WARM + steps, log=take_turns, grow=False)
    own, others = np.median(turns[WARM:], 0).tolist()
    return Speed(own, others)


def train_one(recipe: Recipe, faces: Faces, state: Path, device: str) -> Trained:
    """Train an Imitator, or go on with it, and judge it.

    Args:
        recipe: of the training.
        faces: in its resolution.
        state: file of the training's state; what was logged so far stands beside it as JSON.
        device: where to compute.
    """
    course = state.with_suffix(".json")
    logged: dict[str, dict[str, float]] = json.loads(course.read_text()) if state.is_file() else {}

    def log(step: int, figures: Mapping[str, float]) -> None:
        logged.setdefault(str(step), {}).update(figures)
        if "validation/error" in figures:
            replace_text(course, json.dumps(logged))

    imitator = untrained(recipe, faces.schema.size)
    parts, every = split_of(recipe, len(faces)), -(-recipe.steps // LOOKS)
    imitator.start_from(faces.mean_picture(parts.training[:AVERAGED]))
    _train(imitator, faces, recipe, device, checkpoint=state, steps=recipe.steps, every=every, look_every=every,
           log=log)
    found = held_out(imitator, faces, parts.validation)
    phases = growth(imitator.sides, recipe.steps, recipe.batch_size, recipe.peak)
    points, before, seconds = [], 0, 0.0
    for step, figures in sorted((int(step), figures) for step, figures in logged.items()):
        seen = next(p for p in phases if step <= p.before + p.steps).seen_after(step)
        seconds += (seen - before) / figures["train/pictures_per_second"]
        before = seen
        points.append(Point(seen, seconds, figures["validation/error"]))
    return Trained(recipe, found.l1, found.psnr, found.ssim, points)


def _train(imitator: Imitator, faces: Faces, recipe: Recipe, device: str, *, checkpoint: Path, steps: int, every: int,
           look_every: int, log: Callable[[int, Mapping[str, float]], None], grow: bool = True) -> None:
    """Log every so many steps, look at the held-out renders and save every so many."""
    train(imitator, faces, split_of(recipe, len(faces)), steps=steps, batch_size=recipe.batch_size, peak=recipe.peak,
          floor=recipe.floor, grow=grow, precision="bf16" if recipe.precision == "bf16" else "fp32", seed=recipe.seed,
          device=device, checkpoint=checkpoint, save_every=look_every, validate_every=look_every, log_every=every,
          log=log, show=lambda step, picture: None)


def curves_png(trained: Sequence[Trained]) -> bytes:
    """Held-out error against the number of renders, and against the seconds in training steps, as a PNG."""
    figure = Figure(figsize=(11, 4), dpi=200, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(one.recipe.architecture for one in trained))
    counts = sorted({one.recipe.renders for one in trained})
    for name in names:
        own = sorted((one.recipe.renders, one.l1) for one in trained if one.recipe.architecture == name)
        left.plot(*zip(*own, strict=True), label=name, color=_colour(names, name), marker=".", linewidth=1.6)
    for one in trained:
        right.plot([p.seconds for p in one.course], [p.error for p in one.course],
                   label=f"{one.recipe.architecture}, {one.recipe.renders:,} renders",
                   color=_colour(names, one.recipe.architecture), linewidth=1.6, marker=".",
                   linestyle=DASHES[counts.index(one.recipe.renders) % len(DASHES)])
    left.set_xscale("log", base=2)
    left.set_xticks(counts, [f"{count:,}" for count in counts])
    right.set_xscale("log")
    _dress(left, "renders to learn from")
    _dress(right, "seconds in training steps")
    left.set_ylabel("held-out mean absolute error")
    left.set_ylim(bottom=0)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _colour(names: Sequence[str], name: str) -> str:
    return PALETTE[names.index(name) % len(PALETTE)]


def _dress(axes: "Axes", label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def table(trained: Sequence[Trained], speeds: Mapping[str, Speed], device: str) -> str:
    """Everything measured, as Markdown."""
    recipe = trained[0].recipe
    lines = [f"# Imitators on {device}", "",
             f"{recipe.resolution} pixels, {recipe.batch_size} pictures a step, more where they are smaller, "
             f"{recipe.precision}, judged on {recipe.held_out} renders that none learned from; seconds are those in "
             "training steps.", "",
             "| architecture | renders | steps | pictures seen | seconds | L1 | PSNR | SSIM |",
             "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for one in trained:
        r, end = one.recipe, one.course[-1]
        lines.append(f"| {r.architecture} | {r.renders} | {r.steps} | {end.pictures} | {end.seconds:.1f} | "
                     f"{one.l1:.4f} | {one.psnr:.2f} | {one.ssim:.4f} |")
    lines += ["", "Whole pictures per second in a training step, and in one of the original recipe, dcgan in fp32 with "
              f"{ORIGINAL_BATCH} pictures of {ORIGINAL_SIDE} pixels, which took turns:", "",
              "| architecture | own | original recipe | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {speed.own:.1f} | {speed.original:.1f} | {speed.own / speed.original:.2f} |"
              for name, speed in speeds.items()]
    return "\n".join([*lines, ""])


def recorded(path: Path, make: Callable[[], Trained | Speed]) -> dict[str, Any]:
    """What was measured earlier, or is now, as it reads in its file."""
    if not path.is_file():
        replace_text(path, json.dumps(asdict(make())) + "\n")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def digest_of(folder: RendersFolder, device: str) -> str:
    """What tells whether figures can stand in one table: the renders, the code that trains and judges, the device."""
    digest = hashlib.sha256((folder.path / TABLE_FILE).read_bytes() + device.encode())
    package = Path(facenn.__path__[0])
    code = [package / f"{name}.py" for name in ("dataset", "evaluation", "losses", "schedule", "training")]
    for path in [folder.image_path(0), *code, *sorted((package / "networks").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = TrainConfig()
    parser.add_argument("renders", type=Path, help="a renders folder")
    parser.add_argument("--counts", default="250,500,1000,2000", help="renders to learn from, with commas")
    parser.add_argument("--architectures", default=",".join(CLASSES),
                        help="with commas; dcgan:300:0.002,pyramid:900 gives steps and peak of their own")
    parser.add_argument("--held-out", type=int, default=64, help="renders at the end that judge (64)")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="of each training")
    parser.add_argument("--timed", type=int, default=20, help="steps whose speed is measured (20)")
    parser.add_argument("--resolution", type=int, default=defaults.resolution)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--peak", type=float, default=defaults.peak)
    parser.add_argument("--floor", type=float, default=defaults.floor)
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default=defaults.precision)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--out", type=Path, default=RUNS / "imitators", help="outside of what git tracks")
    return parser.parse_args(arguments)


def recipes_of(options: argparse.Namespace, device: str) -> list[Recipe]:
    """A recipe per architecture and number of renders.

    Raises:
        ConfigError: counts that are no numbers, or numbers below 1.
    """
    if not all(count.isdecimal() for count in options.counts.split(",")):
        raise ConfigError(f"expected numbers with commas for --counts, got {options.counts!r}")
    if min(options.steps, options.timed) < 1 or options.batch_size < 2:
        raise ConfigError(f"expected --steps and --timed of 1 or more and a --batch-size of 2 or more, got "
                          f"{options.steps}, {options.timed} and {options.batch_size}")
    bf16 = wants_bf16(options.precision, torch.device(device))
    recipes = []
    for architecture, steps, peak in map(_entry, options.architectures.split(",")):
        recipes += [Recipe(architecture, int(count), options.held_out, steps or options.steps, options.resolution,
                           options.batch_size, peak or options.peak, options.floor, "bf16" if bf16 else "fp32",
                           options.seed) for count in options.counts.split(",")]
    return recipes


def _entry(text: str) -> tuple[str, int | None, float | None]:
    """An architecture, and its own steps and learning rate where it names them."""
    architecture, *own = text.split(":")
    try:
        steps, peak = int(own[0]) if own else None, float(own[1]) if own[1:] else None
    except ValueError:
        steps, peak = 0, 0.0
    if own[2:] or steps == 0 or peak == 0.0:
        raise ConfigError(f"expected an architecture, as in dcgan or dcgan:300 or dcgan:300:0.002, got {text!r}")
    return architecture, steps, peak


def measure(options: argparse.Namespace) -> None:
    """Time, train, judge, and write table and figure."""
    device = choose_device(options.device)
    folder, recipes, name = RendersFolder.open(options.renders), recipes_of(options, device), device_name(device)
    for recipe in recipes:  # before hours of training, whatever is wrong with the last one
        split_of(recipe, len(folder))
        untrained(recipe, folder.schema.size)
    kept = device if fits(folder, resolution=options.resolution, device=device) else None
    faces, same = Faces(folder, resolution=options.resolution, keep_on=kept), digest_of(folder, name)
    speeds: dict[str, Speed] = {}
    trained: list[Trained] = []
    for recipe in recipes:
        key = hashlib.sha256(f"{same} {recipe}".encode()).hexdigest()[:12]
        if recipe.architecture not in speeds:
            raw = recorded(options.out / f"speed-{recipe.architecture}-{options.timed}-{key}.json",
                           partial(time_steps, recipe, faces, options.timed, device))
            speeds[recipe.architecture] = Speed(**raw)
        state = options.out / "states" / f"{key}.pt"
        raw = recorded(options.out / f"{recipe.architecture}-{recipe.renders}-{key}.json",
                       partial(train_one, recipe, faces, state, device))
        for left in (state, state.with_suffix(".json")):
            left.unlink(missing_ok=True)
        trained.append(Trained(recipe, raw["l1"], raw["psnr"], raw["ssim"], [Point(**p) for p in raw["course"]]))
        print(f"{recipe.architecture}, {recipe.renders} renders: L1 {trained[-1].l1:.4f}", file=sys.stderr)
    text = table(trained, speeds, name)
    replace_text(options.out / "imitators.md", text)
    replace_bytes(options.out / "imitators.png", curves_png(trained))
    print(text, end="")


def main() -> None:
    """Measure; what the user can mend is one line and exit code 2."""
    try:
        measure(parse())
    except FacennError as error:
        print(f"imitator: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
