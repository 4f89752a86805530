"""CPU milliseconds per 512x512 portrait with a random look, stage by stage and hair style by hair style.

Every picture has a new look; hair styles take turns. CPU time of one thread: a busy machine does not blur it. Pictures
of 256x256, which fits draw, are timed as a whole.

    python benchmarks/render.py --write     also renews benchmarks/results/render.md
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest import mock

import numba
import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from facenn.arrays import Array, Vector
from facenn.engine import renderer
from facenn.engine.hair.styles import HAIR_STYLES
from facenn.engine.head.asset import Head
from facenn.engine.kernels import raster, resolve
from facenn.engine.renderer import Engine
from facenn.engine.skin.brows import BROW_STYLES
from facenn.engine.skin.maps import SkinMaps
from facenn.files import replace_text
from facenn.images import write_pixels
from facenn.people import random_vector
from facenn.schema import ParameterSchema

RESULTS = Path(__file__).parent / "results" / "render.md"
GOAL, SMALL_GOAL = 100, 30  # milliseconds
SMALL, SMALL_COUNT = 256, 170  # side of the pictures that fits draw, and how many are timed: ten of each hair style
EARLY = 50  # pictures after which memory is looked at first: every style has been drawn by then

STAGES: dict[str, list[tuple[object, str]]] = {
    "shape": [(Head, "shape")],
    "geometry": [(Engine, "_geometry")],
    "light": [(raster, "project"), (raster, "depth_map"), (raster, "light_vertices")],
    "visibility": [(raster, "visibility")],
    "brows": [(SkinMaps, "brows")],
    "resolve": [(resolve, "resolve")],
    "JPEG": [(sys.modules[__name__], "write_pixels")],
}
"""What is timed; the kernels are wrapped where the engine looks them up."""

P = ParamSpec("P")
R = TypeVar("R")
Clock = dict[str, float]


@dataclass(frozen=True)
class Startup:
    """CPU seconds of a fresh process.

    Attributes:
        imports: until the engine can be made.
        engine: making it.
        first: the first picture of each hair style and brow style, all in all.
    """

    imports: float
    engine: float
    first: float


def timed(function: Callable[P, R], stage: str, clock: Clock) -> Callable[P, R]:
    """The same function, which adds its CPU seconds to a stage."""
    def measured(*args: P.args, **kwargs: P.kwargs) -> R:
        start = time.process_time()
        result = function(*args, **kwargs)
        clock[stage] += time.process_time() - start
        return result

    return measured


@contextmanager
def stage_clock() -> Iterator[Clock]:
    """CPU seconds per stage, summed up while the block runs."""
    clock: Clock = defaultdict(float)
    with ExitStack() as stack:
        for stage, functions in STAGES.items():
            for owner, name in functions:
                wrapped = timed(getattr(owner, name), stage, clock)
                stack.enter_context(mock.patch.object(owner, name, wrapped))
        yield clock


def pick(schema: ParameterSchema, vector: Vector, choice: str, number: int) -> None:
    """Set a choice of a vector to one of its options; beyond the last one it starts over."""
    where = schema.slices[choice]
    options = where.stop - where.start
    vector[where] = np.arange(options) == number % options


def dressed(schema: ParameterSchema, index: int) -> Vector:
    """Random face ``index``; hair styles take turns."""
    vector = random_vector(schema, 0, index)
    pick(schema, vector, "hair.style", index)
    return vector


def draw_each_style(engine: Engine) -> None:
    """Draw every hair style and every brow style once: the engine makes them on first use."""
    for number in range(max(len(HAIR_STYLES), len(BROW_STYLES))):
        vector = engine.schema.neutral()
        pick(engine.schema, vector, "hair.style", number)
        pick(engine.schema, vector, "eyebrows.style", number)
        engine.draw(vector)


def one_picture(engine: Engine, index: int, folder: Path) -> Clock:
    """CPU milliseconds of each stage of one picture, the rest, and the total."""
    vector = dressed(engine.schema, index)
    with stage_clock() as clock:
        start = time.process_time()
        render = engine.draw(vector)
        write_pixels(folder / "face.jpg", render.picture)
        total = time.process_time() - start
    clock["other"] = total - sum(clock.values())
    clock["total"] = total
    return {stage: 1000 * seconds for stage, seconds in clock.items()}


def resident() -> float:
    """Megabytes of memory that this process holds."""
    return float(psutil.Process().memory_info().rss) / 2**20


def measure(count: int) -> tuple[list[Clock], float, float]:
    """Milliseconds of each picture, and the megabytes held after EARLY pictures and after all."""
    engine = Engine("portrait")
    early = 0.0
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        draw_each_style(engine)
        for i in range(count):
            pictures.append(one_picture(engine, i, Path(folder)))
            if i == EARLY - 1:
                early = resident()
    return pictures, early, resident()


def measure_small() -> Array:
    """(SMALL_COUNT,) milliseconds of pictures as fits draw them, without a file."""
    engine, times = Engine("portrait", side=SMALL), []
    draw_each_style(engine)
    for i in range(SMALL_COUNT):
        vector = dressed(engine.schema, i)
        start = time.process_time()
        engine.draw(vector)
        times.append(1000 * (time.process_time() - start))
    return np.array(times)


def startup_here() -> None:
    """Print the CPU seconds of this process: until now, for the engine, and for one picture of each style."""
    imports = time.process_time()
    with threadpool_limits(1):
        engine = Engine("portrait")
        made = time.process_time()
        draw_each_style(engine)
    print(imports, made - imports, time.process_time() - made)


def measure_startup(*, cold: bool) -> Startup:
    """CPU seconds of a fresh process, with compiled kernels at hand or, if ``cold``, without."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, **({"NUMBA_CACHE_DIR": empty} if cold else {})}
        done = subprocess.run([sys.executable, __file__, "--startup"], env=environment, check=True,
                              capture_output=True, text=True)
    imports, engine, first = (float(number) for number in done.stdout.split())
    return Startup(imports, engine, first)


def cpu_model() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def stage_table(pictures: list[Clock]) -> list[str]:
    """Markdown rows: mean milliseconds per stage, one row per hair style and one for all."""
    columns = [*STAGES, "other", "total"]
    rows = [f"| hair style | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    styles = list(HAIR_STYLES)
    for number, style in enumerate([*styles, "**all**"]):
        chosen = pictures[number::len(styles)] if number < len(styles) else pictures
        means = [np.mean([picture.get(column, 0.0) for picture in chosen]) for column in columns]
        rows.append(f"| {style} | {' | '.join(f'{mean:.1f}' for mean in means)} |")
    return rows


def report(pictures: list[Clock], early: float, late: float, small: Array, warm: Startup, cold: Startup | None) -> str:
    """Everything measured, as Markdown."""
    totals = np.array([picture["total"] for picture in pictures])
    lines = [
        "# Rendering", "",
        f"{date.today()}, {cpu_model()}, {os.cpu_count()} cores, one thread used, no GPU. Python "
        f"{platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}.", "",
        f"{len(pictures)} portraits of {renderer.SIDE}x{renderer.SIDE} pixels with their label maps; each has "
        "a random shape and a random look, and is written as JPEG. CPU milliseconds per picture, mean:", "",
        *stage_table(pictures), "",
        f"Mean {totals.mean():.1f} ms (goal: at most {GOAL}), median {np.median(totals):.1f}, "
        f"95 % below {np.quantile(totals, 0.95):.1f}.", "",
        "*light* is projection, shadow map and light per vertex; *brows* is the look-up of the brow style's "
        "map; *JPEG* includes the file.", "",
        f"Of {SMALL}x{SMALL} pixels, as fits draw them: mean {small.mean():.1f} ms (goal: at most {SMALL_GOAL}), "
        f"median {np.median(small):.1f}, 95 % below {np.quantile(small, 0.95):.1f}.", "",
        "## Start", "",
        "CPU seconds of a fresh process.", "",
        "| kernels | imports | engine | first picture of every style |", "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {s.imports:.1f} | {s.engine:.1f} | {s.first:.1f} |"
          for name, s in (("compiled before", warm), ("compiled now", cold)) if s is not None), "",
        "## Memory", "",
        f"{early:.0f} MB held after {EARLY} pictures, {late:.0f} MB after {len(pictures)}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and on request write the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help=f"pictures, at least {EARLY} (500)")
    parser.add_argument("--cold", action="store_true", help="also compile all kernels once: 20 seconds")
    parser.add_argument("--write", action="store_true", help=f"renew {RESULTS.name} in benchmarks/results")
    parser.add_argument("--startup", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.startup:
        startup_here()
        return
    if options.count < EARLY:
        parser.error(f"expected at least {EARLY} pictures, got {options.count}")
    warm, cold = measure_startup(cold=False), measure_startup(cold=True) if options.cold else None
    with threadpool_limits(1):
        text = report(*measure(options.count), measure_small(), warm, cold)
    print(text, end="")
    if options.write:
        replace_text(RESULTS, text)


if __name__ == "__main__":
    main()
