"""Where likeness is lost: parts of a photo, pasted into the engine's picture of its fit, and what a judge says then.

FOLDER holds two photos of each person, and FITS what ``benchmarks/likeness.py`` has made of the first ones. The photo
is bent to the landmarks of the engine's picture; then a part of it, or its fine detail, replaces that of the picture,
and dlib compares the result with the person's other photo. What lowers the distance is what engine or fit lack.

    python -m benchmarks.pasting FOLDER --fits runs/likeness/engine/fits

The contact sheet shows the people's photos: keep it where the photos may be.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.likeness import find_people, judged_photo, judged_render
from facenn.arrays import Pixels
from facenn.errors import FacennError, MissingFileError, PhotoError
from facenn.files import replace_text
from facenn.images import SIDE, read_pixels, to_tensor, write_pixels
from facenn.networks.facemesh import BROW_OUTLINES, EYE_OUTLINES, FACE_OVAL, MESH, MOUTH_OUTLINE, NOSE_OUTLINE
from facenn.networks.frozen import load_frozen
from facenn.networks.landmarks import FaceFinder
from facenn.report.sheet import contact_sheet
from facenn.steps.project import RUNS, Project

Picture = NDArray[np.float64]  # (SIDE, SIDE, 3) RGB in [0, 1]
Points = NDArray[np.float64]  # (MESH, 2) in pixels

# by how much an outline is blown up before it is filled, and how soft its border is, in pixels
PARTS = {"eyes": (EYE_OUTLINES, 0.35, 4), "brows": (BROW_OUTLINES, 0.35, 4), "nose": ((NOSE_OUTLINE,), 0.1, 4),
         "mouth": ((MOUTH_OUTLINE,), 0.15, 4), "face": ((FACE_OVAL,), -0.04, 6)}
FINE = (4, 8, 16)  # pixels: detail is what a blur of that deviation takes away
TONE = 24  # pixels: what such a blur leaves
SHOWN, TILE = ("fit", "eyes and brows", "detail finer than 8 pixels", "face"), 256


def warped(picture: Picture, points: Points, onto: Points) -> Picture:
    """A picture bent so that its points come to lie on others; its border stays.

    Args:
        picture: (S, S, C).
        points: (N, 2) in it, in pixels.
        onto: (N, 2) where they shall be.
    """
    side = len(picture)
    edge = np.linspace(0, side - 1, 9)
    border = np.array([(x, y) for x in edge for y in edge if {x, y} & {0.0, side - 1.0}])
    sources = LinearNDInterpolator(np.concatenate([onto, border]), np.concatenate([points, border]))
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    x, y = np.moveaxis(sources(across, down), -1, 0)
    return np.stack([map_coordinates(channel, [y, x], order=1, mode="nearest")
                     for channel in np.moveaxis(picture, -1, 0)], -1)


def mask(points: Points, part: str) -> Picture:
    """(SIDE, SIDE, 1) how much of each pixel belongs to a part of the face, by its landmarks."""
    outlines, grown, soft = PARTS[part]
    canvas = Image.new("L", (SIDE, SIDE))
    for outline in outlines:
        corners = points[list(outline)]
        middle = corners.mean(0)
        ImageDraw.Draw(canvas).polygon([(x, y) for x, y in middle + (corners - middle) * (1 + grown)], fill=255)
    filled: Picture = gaussian_filter(np.asarray(canvas) / 255, soft)[..., None]
    return filled


def blurred(picture: Picture, deviation: float) -> Picture:
    """A picture without what is finer than that many pixels."""
    return np.stack([gaussian_filter(channel, deviation) for channel in np.moveaxis(picture, -1, 0)], -1)


def pasted(drawn: Picture, drawn_points: Points, photo: Picture, photo_points: Points) -> dict[str, Picture]:
    """The engine's picture of a fit, and what it looks like with one part after the other from the photo."""
    bent = warped(photo, photo_points, drawn_points)
    where = {part: mask(drawn_points, part) for part in PARTS}
    where["eyes and brows"] = np.maximum(where["eyes"], where["brows"])
    where["eyes, brows, nose and mouth"] = np.maximum.reduce(
        [where[part] for part in ("eyes", "brows", "nose", "mouth")])
    where["skin without them"] = where["face"] * (1 - where["eyes, brows, nose and mouth"])
    face = where["face"]

    def with_detail(finer: float) -> Picture:
        return drawn + face * (blurred(drawn, finer) - drawn + bent - blurred(bent, finer))

    made = {"fit": drawn, "shape": warped(drawn, drawn_points, photo_points),
            "tone": drawn + face * (blurred(bent, TONE) - blurred(drawn, TONE))}
    made |= {part: drawn + share * (bent - drawn) for part, share in where.items()}
    made |= {f"detail finer than {finer} pixels": with_detail(finer) for finer in FINE}
    return {name: picture.clip(0, 1) for name, picture in made.items()}


def points_in(pixels: Pixels, finder: FaceFinder, path: Path) -> Points:
    """(MESH, 2) landmarks of a picture."""
    found = finder.find(to_tensor(pixels)[None])
    if found is None:
        raise PhotoError(f"{path}: expected a face, found none")
    return found[0, :MESH, :2].numpy().astype(np.float64)


def table(distances: Mapping[str, Sequence[float]]) -> str:
    """What was measured, as Markdown."""
    count = len(next(iter(distances.values())))
    lines = [f"# dlib's distance to the person's other photo, with parts of the fitted one; mean of {count} people", "",
             "| from the photo | distance | closer |", "|---|---:|---:|"]
    before = np.array(distances["fit"])
    for name, found in distances.items():
        lines.append(f"| {'nothing' if name == 'fit' else name} | {np.mean(found):.3f} "
                     f"| {'' if name == 'fit' else f'{(np.array(found) < before).sum()} of {count}'} |")
    return "\n".join([*lines, ""])


@torch.no_grad()
def measure(options: argparse.Namespace) -> None:
    """Paste, judge, and write table and sheet."""
    people = [p for p in find_people(options.folder) if (options.fits / p.name / "engine.png").is_file()]
    if not people:
        raise MissingFileError(f"expected fits by benchmarks/likeness.py of people of {options.folder} in "
                               f"{options.fits}, found none")
    frozen = load_frozen(Project.here().pretrained)
    distances: dict[str, list[float]] = defaultdict(list)
    tiles, captions = [], []
    for person in people:
        drawn, photo = (read_pixels(options.fits / person.name / f"{name}.png") for name in ("engine", "photo"))
        places = [points_in(pixels, frozen.finder, options.fits / person.name) for pixels in (drawn, photo)]
        judged = judged_photo(person.other, frozen)
        tiles.append(photo)
        captions.append(person.name)
        for name, picture in pasted(drawn / 255, places[0], photo / 255, places[1]).items():
            pixels = np.round(255 * picture).astype(np.uint8)
            distances[name].append(float(np.linalg.norm(judged_render(pixels, frozen) - judged)))
            if name in SHOWN:
                tiles.append(pixels)
                captions.append(f"{name} {distances[name][-1]:.3f}")
        print(f"{person.name}: {distances['fit'][-1]:.3f}", file=sys.stderr, flush=True)
    text = table(distances)
    replace_text(options.out / "pasting.md", text)
    small = [tile[::SIDE // TILE, ::SIDE // TILE] for tile in tiles]
    write_pixels(options.out / "pasting.jpg", contact_sheet(small, columns=1 + len(SHOWN), captions=captions))
    print(text, end="")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="two photos of each person")
    parser.add_argument("--fits", type=Path, default=RUNS / "likeness" / "engine" / "fits",
                        help="what benchmarks/likeness.py has made of them")
    parser.add_argument("--out", type=Path, default=RUNS / "pasting", help="outside of what git tracks")
    return parser.parse_args()


def main() -> None:
    """Measure; what the user can mend is one line and exit code 2."""
    try:
        measure(parse())
    except FacennError as error:
        print(f"pasting: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
