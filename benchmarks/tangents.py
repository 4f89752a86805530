"""Whether the engine's derivatives are those of its pictures, where it counts: for the networks that look at them.

For random people, clipped to the inner four fifths of their sliders, everything is held against central differences of
renders, a step of 0.08 either way: the gradient of the identity loss towards a photo, SFace's embedding slider by
slider, the landmarks that FaceMesh finds, and what a step along either gradient gains. Differences are no truth to be
met: hair and brows are cut out by thresholds, so they flicker.

    python benchmarks/tangents.py --people 32     a minute and a half each on one quiet core
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from facenn.alignment import align
from facenn.arrays import Array, Floats, Vector
from facenn.engine.renderer import Engine
from facenn.files import replace_text
from facenn.fitting.guess import load_translator
from facenn.images import read_image, to_tensor
from facenn.networks.facemesh import MESH
from facenn.networks.frozen import load_frozen
from facenn.people import random_vector
from facenn.perception.observation import SIDE
from facenn.processes import one_thread_each
from facenn.steps.project import Project
from facenn.steps.registry import shipped
from facenn.tangents.picture import LinearPicture, TangentEngine
from facenn.tangents.points import SurfacePoints

STEP = 0.08  # of the differences, either way
SEEN = 0.3  # grey levels per unit from which on a slider counts as visible
SIZES = (0.25, 0.5, 1.0)  # of the steps along a gradient, of unit length
CHARACTER, SEED = "portrait", 3
RESULTS = Path("benchmarks/results/tangents.md")


def cosine(first: Array | Floats, second: Array | Floats) -> float:
    """Of two arrays."""
    sizes = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / sizes if sizes else float("nan")


class Judge:
    """The networks that look at pictures, and a photo that they compare them with."""

    def __init__(self, photo: Path) -> None:
        project = Project.here()
        self.frozen = load_frozen(project.pretrained)
        translator = load_translator(shipped(CHARACTER, project.pretrained, "translator"))
        self.reference = translator.reader.reference
        aligned = align(read_image(photo), self.frozen.finder, frame=torch.from_numpy(translator.frame) * SIDE,
                        size=SIDE)
        with torch.no_grad():
            self._wanted = self.frozen.views[2].embed(aligned.picture[None], aligned.landmarks[None])

    def loss(self, picture: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Identity loss of a picture (1, 3, S, S) whose landmarks are known."""
        seen = self.frozen.views[2].embed(picture, points)
        return 1 - torch.cosine_similarity(seen, self._wanted).mean()

    @torch.no_grad()
    def see(self, pixels: torch.Tensor, points: torch.Tensor) -> tuple[float, Array, Array]:
        """Loss, SFace's embedding and landmarks of a picture, whose crops are those of given landmarks."""
        sface = torch.nn.functional.normalize(self.frozen.fitting[0].embed(pixels, points), dim=1)[0]
        found = self.frozen.finder.landmarks(pixels, self.frozen.finder.square(points))[0]
        return float(self.loss(pixels, points)), sface.double().numpy(), found[0, :MESH, :2].double().numpy() / SIDE


def measured(drawer: TangentEngine, surface: SurfacePoints, judge: Judge, vector: Vector) -> dict[str, object]:
    """Everything about one person."""
    engine, times = drawer.engine, {}
    start = time.perf_counter()
    picture = drawer.draw(vector)
    times["render"] = time.perf_counter() - start
    pixels = to_tensor(picture.render.picture)[None]
    points = judge.frozen.finder.find(pixels)
    if points is None:
        return {}
    pixels.requires_grad_()
    (slope,) = torch.autograd.grad(judge.loss(pixels, points), pixels)
    start = time.perf_counter()
    picture.prepare()
    times["preparing"] = time.perf_counter() - start
    start = time.perf_counter()
    gradient = picture.pull_back(slope[0].movedim(0, -1).numpy())
    times["pull-back of all sliders"] = time.perf_counter() - start
    motion, base = surface.motion(picture), to_tensor(picture.render.picture)[None]
    sliders, differences, of_points = len(engine.schema.sliders), np.zeros(len(engine.schema.sliders)), []
    embeddings: dict[str, float] = {}
    forward = []
    for k in range(sliders):
        ends = []
        for move in (STEP, -STEP):
            other = vector.copy()
            other[k] += move
            ends.append(to_tensor(engine.draw(other).picture)[None])
        seen = [judge.see(end, points) for end in ends]
        differences[k] = (seen[0][0] - seen[1][0]) / (2 * STEP)
        of_points.append((seen[0][2] - seen[1][2]) / (2 * STEP))
        if float((ends[0] - ends[1]).abs().mean()) * 255 / (2 * STEP) < SEEN:
            continue
        start = time.perf_counter()
        tangent = torch.from_numpy(picture.tangents([k])[0]).movedim(-1, 0)[None]
        forward.append(time.perf_counter() - start)
        linear = [judge.see((base + move * tangent).clamp(0, 1), points)[1] for move in (STEP, -STEP)]
        embeddings[engine.schema.sliders[k].name] = cosine(linear[0] - linear[1], seen[0][1] - seen[1][1])
    times["tangent of one slider"] = float(np.median(forward))
    moving = [k for k in range(sliders) if np.abs(motion[k]).max() > 1e-6]
    landmarks = cosine(motion[moving], np.stack(of_points)[moving])
    return {"gradient": cosine(gradient, differences), "embeddings": embeddings, "landmarks": landmarks,
            "after": [best_along(drawer, judge, vector, points, way) for way in (gradient, differences)],
            "times": times}


def best_along(drawer: TangentEngine, judge: Judge, vector: Vector, points: torch.Tensor, gradient: Array) -> float:
    """The least loss after steps against a gradient."""
    losses = []
    for size in SIZES:
        moved = vector.copy()
        moved[:len(gradient)] = (moved[:len(gradient)] - size * gradient / np.linalg.norm(gradient)).clip(0, 1)
        picture: LinearPicture = drawer.draw(moved)
        losses.append(judge.see(to_tensor(picture.render.picture)[None], points)[0])
    return min(losses)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--photo", type=Path, default=Path("data/photos/astronaut.jpg"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    judge, drawer = Judge(options.photo), TangentEngine(Engine(CHARACTER, side=SIDE))
    surface, rows = SurfacePoints(drawer.engine, judge.reference[:MESH]), []
    sliders = len(drawer.engine.schema.sliders)
    with one_thread_each():
        for number in range(options.people):
            vector = random_vector(drawer.engine.schema, SEED, number)
            vector[:sliders] = vector[:sliders].clip(0.1, 0.9)
            if found := measured(drawer, surface, judge, vector):
                rows.append(found)
                print(number, {name: found[name] for name in ("gradient", "landmarks", "after")}, flush=True)
    replace_text(options.out, table(rows))
    print(table(rows))


def table(rows: list[dict[str, object]]) -> str:
    """Everything measured, as Markdown."""
    gradients, landmarks = (np.array([row[name] for row in rows], float) for name in ("gradient", "landmarks"))
    after = np.array([row["after"] for row in rows], float)
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row["embeddings"].items():  # type: ignore[attr-defined]
            groups[name.split(".")[0]].append(value)
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row["times"].items():  # type: ignore[attr-defined]
            times[name].append(1000 * value)
    lines = [f"# Derivatives of the engine, held against differences of renders, on {len(rows)} random people", "",
             "| | least | median | most |", "|---|---:|---:|---:|"]
    for name, values in (("cosine of the gradients of the identity loss", gradients),
                         ("cosine of how landmarks move", landmarks)):
        lines.append(f"| {name} | {values.min():.3f} | {np.median(values):.3f} | {values.max():.3f} |")
    worse = int((after[:, 0] > after[:, 1]).sum())
    lines += ["", f"Identity loss after the best of three steps: along tangents {after[:, 0].mean():.3f}, along "
              f"differences {after[:, 1].mean():.3f}; tangents are better or alike on {len(rows) - worse} of "
              f"{len(rows)}.", "", "| sliders | cosine of how SFace's embedding changes, median | lowest tenth |",
              "|---|---:|---:|"]
    lines += [f"| {name} | {np.nanmedian(values):.2f} | {np.nanquantile(values, 0.1):.2f} |"
              for name, values in sorted(groups.items())]
    lines += ["", "| one core, median | ms |", "|---|---:|",
              *(f"| {name} | {np.median(values):.0f} |" for name, values in times.items())]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
