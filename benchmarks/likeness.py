"""Whether a judge recognises people in what a fit made of one photo, by another photo of theirs.

FOLDER holds two photos of each person, told apart by what follows the first underscore of the name, such as
``017_neutral.jpg`` and ``017_smiling.jpg``: the first one in the order of the alphabet is fitted, dlib compares the
engine's picture with the second ones of everybody. An ``info.csv`` with the columns id, sex and ethnicity adds the
rank among people of the same group. People who are fitted already are not fitted again, unless photo, engine, search,
Imitator or options have changed.

    python benchmarks/likeness.py FOLDER --people 001,025     into runs/likeness, which git ignores

The contact sheet shows the people's photos: keep it where the photos may be.
"""

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from facenn.alignment import find_faces
from facenn.arrays import Array, Pixels
from facenn.config import EngineFitConfig, FitConfig
from facenn.engine.digest import engine_digest
from facenn.engine.renderer import Engine
from facenn.errors import FacennError, FormatError, MissingFileError, PhotoError
from facenn.files import replace_text
from facenn.images import read_image, read_pixels, to_tensor, write_pixels
from facenn.networks.frozen import Frozen, load_frozen
from facenn.report.sheet import contact_sheet
from facenn.steps.fit import Fitter, Job, Refusal, open_fitter
from facenn.steps.folder import PHOTO_SUFFIXES
from facenn.steps.project import RUNS, Project, choose_device

BASELINES = ("photo", "neutral")


@dataclass(frozen=True)
class Person:
    """Somebody with two photos.

    Attributes:
        name: what the names of the photos begin with.
        fitted: the photo that is fitted.
        other: the one that judges.
        group: sex and ethnicity; empty when nobody says.
    """

    name: str
    fitted: Path
    other: Path
    group: str


@dataclass(frozen=True)
class Score:
    """How well one kind of picture is recognised.

    Attributes:
        people: how many were judged.
        own: mean distance to the person's other photo.
        others: mean distance to everybody else's.
        auc: chance that somebody's own photo is nearer than somebody else's is to somebody.
        rank_1: share of people whose own photo is the nearest of all.
        rank_5: share of people whose own photo is among the nearest five.
        group_rank_1: share whose own photo is the nearest of those of the same group, if groups are known.
        group_rank_5: likewise among the nearest five.
    """

    people: int
    own: float
    others: float
    auc: float
    rank_1: float
    rank_5: float
    group_rank_1: float | None
    group_rank_5: float | None


def find_people(folder: Path) -> list[Person]:
    """Everybody with two photos in a folder, by name."""
    if not folder.is_dir():
        raise MissingFileError(f"expected a folder with two photos of each person at {folder}, found none")
    photos: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PHOTO_SUFFIXES and "_" in path.stem:
            photos[path.stem.partition("_")[0]].append(path)
    groups = _groups(folder / "info.csv")
    people = [Person(name, found[0], found[1], groups.get(name, "")) for name, found in sorted(photos.items())
              if len(found) > 1]
    if not people:
        raise MissingFileError(f"expected two photos of each person, such as 017_neutral.jpg and 017_smiling.jpg, "
                               f"in {folder}, found none")
    return people


def _groups(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if missing := {"id", "sex", "ethnicity"} - set(rows.fieldnames or ()):
            raise FormatError(f"{path}: expected columns id, sex and ethnicity, found no {', '.join(sorted(missing))}")
        return {row["id"]: f"{row['sex']} {row['ethnicity']}" for row in rows}


def chosen_people(people: list[Person], names: str | None) -> list[Person]:
    """Those of a comma-separated list, or all."""
    if names is None:
        return people
    known = {p.name: p for p in people}
    if missing := [n for n in names.split(",") if n not in known]:
        raise MissingFileError(f"expected two photos of {', '.join(missing)}, found none")
    return [known[name] for name in names.split(",")]


def fit_people(fitter: Fitter, people: Sequence[Person], folder: Path) -> list[dict[str, float]]:
    """Fit everybody's photo unless that is done, as many at once as the method can; seconds and pictures of each."""
    jobs = [Job(person.fitted, folder / person.name) for person in people]
    for outcome in fitter.fit_many(jobs, log=lambda step, losses: None):
        if isinstance(outcome, Refusal):
            raise PhotoError(outcome.reason)
    found = [json.loads((job.folder / "measures.json").read_text(encoding="utf-8")) for job in jobs]
    return [{name: float(measures[name]) for name in ("seconds", "pictures_drawn")} for measures in found]


def judged_photo(path: Path, frozen: Frozen) -> Array:
    """(128,) what the judge sees in the largest face of a photo."""
    picture = read_image(path)
    faces = find_faces(picture, frozen.finder)
    if not faces:
        raise PhotoError(f"{path}: expected a photo that shows an upright face, found none")
    return _judged(picture, max(faces, key=lambda f: f.area).points, frozen)


def judged_render(pixels: Pixels, frozen: Frozen) -> Array:
    """(128,) what the judge sees in a drawn face."""
    picture = to_tensor(pixels)
    points = frozen.finder.find(picture[None])
    if points is None:
        raise PhotoError("expected a face in a drawn picture, found none")
    return _judged(picture, points[0], frozen)


@torch.no_grad()
def _judged(picture: torch.Tensor, points: torch.Tensor, frozen: Frozen) -> Array:
    return frozen.judge.embed(picture[None], points[None])[0].numpy().astype(np.float64)


def score(probes: Array, rows: Sequence[int], gallery: Array, groups: Sequence[str]) -> Score:
    """How well pictures are recognised.

    Args:
        probes: (B, 128) of the pictures.
        rows: for each, which entry of the gallery is the same person.
        gallery: (N, 128) of everybody's other photo.
        groups: (N,) of each of them.
    """
    distances = np.linalg.norm(probes[:, None] - gallery[None], axis=-1)
    at = np.arange(len(rows))
    own = distances[at, rows]
    foreign = np.ones_like(distances, bool)
    foreign[at, rows] = False
    others = distances[foreign]
    ranks = 1 + (distances < own[:, None]).sum(1)
    same = np.array([[g == groups[row] for g in groups] for row in rows])
    group_ranks = 1 + ((distances < own[:, None]) & same).sum(1)
    known = any(groups)
    return Score(len(rows), float(own.mean()), float(others.mean()),
                 float((own[:, None] < others[None]).mean()), float((ranks == 1).mean()), float((ranks <= 5).mean()),
                 float((group_ranks == 1).mean()) if known else None,
                 float((group_ranks <= 5).mean()) if known else None)


def table(scores: Mapping[str, Score], costs: Sequence[Mapping[str, float]], people: int) -> str:
    """Everything measured, as Markdown."""
    lines = [f"# Likeness, judged by dlib among the other photos of {people} people", "",
             "| picture | people | own | others | AUC | rank 1 | rank 5 | same group: rank 1 | rank 5 |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for name, s in scores.items():
        shares = [f"{share:.0%}" if share is not None else "" for share in
                  (s.rank_1, s.rank_5, s.group_rank_1, s.group_rank_5)]
        lines.append(f"| {name} | {s.people} | {s.own:.3f} | {s.others:.3f} | {s.auc:.3f} | {' | '.join(shares)} |")
    seconds, drawn = ([cost[name] for cost in costs] for name in ("seconds", "pictures_drawn"))
    return "\n".join([*lines, "", f"A fit: {np.median(seconds):.3g} s in the median, {min(seconds):.3g} to "
                      f"{max(seconds):.3g} s; {np.mean(drawn):.0f} pictures drawn in the mean.", ""])


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = FitConfig()
    parser.add_argument("folder", type=Path, help="two photos of each person")
    parser.add_argument("--people", help="names of those to fit, with commas; default: everybody")
    parser.add_argument("--method", choices=("engine", "imitator", "translate"), default="engine")
    parser.add_argument("--model", type=Path, help="Imitator or Translator of the method; default: the shipped one")
    parser.add_argument("--rounds", type=int, default=defaults.engine.rounds)
    parser.add_argument("--workers", type=int, default=defaults.engine.workers)
    parser.add_argument("--out", type=Path, default=RUNS / "likeness", help="outside of what git tracks")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    """Fit, judge, and write table, figures and sheet."""
    everybody = find_people(options.folder)
    people = chosen_people(everybody, options.people)
    config = FitConfig(method=options.method, engine=EngineFitConfig(
        rounds=options.rounds, workers=options.workers))
    project = Project.here()
    frozen, out = load_frozen(project.pretrained), options.out / options.method
    engine = Engine(config.character)
    gallery = np.stack([judged_photo(p.other, frozen) for p in everybody])
    neutral = engine.draw(engine.schema.neutral()).picture
    tiles, captions, rows = [], [], []
    fit = f"fit by {options.method}"
    probes: dict[str, list[Array]] = defaultdict(list)
    fitter = open_fitter(config, options.model, project, device=choose_device("cpu"))
    costs = fit_people(fitter, people, out / "fits")
    for person in people:
        found = out / "fits" / person.name
        rows.append(everybody.index(person))
        drawn = {"neutral": neutral, fit: read_pixels(found / "engine.png")}
        probes["photo"].append(judged_photo(person.fitted, frozen))
        for name, pixels in drawn.items():
            probes[name].append(judged_render(pixels, frozen))
        shown = {"photo": read_pixels(found / "photo.png"), fit: drawn[fit]}
        tiles += [pixels[::2, ::2] for pixels in shown.values()]
        apart = {name: float(np.linalg.norm(probes[name][-1] - gallery[rows[-1]])) for name in shown}
        captions += [f"{person.name if name == 'photo' else name.split()[0]} {d:.3f}" for name, d in apart.items()]
        print(f"{person.name}: " + ", ".join(f"{name} {d:.3f}" for name, d in apart.items()), file=sys.stderr)
    groups = [p.group for p in everybody]
    order = (*BASELINES, fit)
    scores = {name: score(np.stack(probes[name]), rows, gallery, groups) for name in order}
    text = table(scores, costs, len(everybody))
    replace_text(out / "likeness.md", text)
    replace_text(out / "likeness.json", json.dumps({
        "options": config.model_dump(), "engine": engine_digest(), "scores": {n: asdict(s) for n, s in scores.items()},
        "people": {p.name: {**cost, **{n: float(np.linalg.norm(probes[n][k] - gallery[row])) for n in order}}
                   for k, (p, cost, row) in enumerate(zip(people, costs, rows, strict=True))}}, indent=1) + "\n")
    write_pixels(out / "likeness.png", contact_sheet(tiles, columns=2, captions=captions))
    print(text, end="")


def main() -> None:
    """Measure; what the user can mend is one line and exit code 2."""
    try:
        measure(parse())
    except FacennError as error:
        print(f"likeness: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
