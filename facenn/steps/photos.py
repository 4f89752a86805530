"""Stages that turn photos into parameters: fit one, fit a folder."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from facenn.alignment import AlignedFace, align
from facenn.config import FitConfig
from facenn.errors import FormatError, MissingFileError, PhotoError
from facenn.evaluation import Likeness, likeness
from facenn.exchange.presets import write_preset
from facenn.exchange.unity import original_layout, write_model
from facenn.files import replace_text
from facenn.images import read_image, read_pixels, to_pixels, to_tensor, write_pixels
from facenn.networks.frozen import Frozen, load_frozen
from facenn.report.curves import plot_curves, write_losses_csv
from facenn.report.page import write_report
from facenn.report.sheet import contact_sheet
from facenn.report.summary import FitSummary, Measure, Pixels, dlib_measure, sface_measure
from facenn.schema import ParameterSchema, Vector
from facenn.steps.places import CHAMPION, LIBRARIES
from facenn.steps.searchers import Found, Log, Progress, Searcher, open_searcher

SHOWN = 12  # fits on a sheet
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class FitReport:
    """What a fit came to.

    Attributes:
        photo: name of the photo.
        folder: where its results are.
        likeness: engine picture against photo, or the Imitator's where the engine is a game that cannot be
            called from here; None when no face is found in it.
        seconds: of the fit alone.
    """

    photo: str
    folder: Path
    likeness: Likeness | None
    seconds: float


class Fitter:
    """A way to search, the frozen networks and the engine, loaded once for many photos; see ``open_fitter``.

    Args:
        config: of the fits.
        searcher: finds the parameters of an aligned face.
        frozen: the networks that align and judge.
        device: where they compute.
    """

    def __init__(self, config: FitConfig, searcher: Searcher, frozen: Frozen, *, device: str) -> None:
        self._config, self._searcher, self._frozen, self._device = config, searcher, frozen, device
        self.schema, self.made_by = searcher.schema, searcher.made_by

    def fit(self, photo: Path, out: Path, *, face: int | None, credit: str | None, log: Log) -> FitReport:
        """Fit one photo.

        Writes ``parameters.json``, ``model.bytes``, ``photo.png`` (the aligned crop), ``engine.png``,
        ``imitator.png``, ``losses.csv``, ``losses.png``, ``measures.json`` and ``report.html`` into ``out``;
        no ``engine.png`` for a game that cannot be called from here, no ``imitator.png`` without an Imitator.

        Args:
            photo: picture file.
            out: result folder.
            face: which face, counted from 1 from left to right; None takes the largest.
            credit: where the photo comes from, for the report.
            log: called with the step and the losses.

        Raises:
            MissingFileError: no such photo.
            FormatError: not a picture.
            PhotoError: no face, too small, turned too far.
        """
        aligned = self._align(photo, face)
        started = time.perf_counter()
        found = self._searcher.search(aligned, log)
        seconds = time.perf_counter() - started
        engine = self._searcher.engine
        drawn = engine.draw(found.vector).picture if engine is not None else None
        alike = self._compare(aligned, found.imitated if drawn is None else drawn)
        write_preset(out / "parameters.json", self.schema, found.vector)
        shape, values = original_layout(self.schema, found.vector)
        write_model(out / "model.bytes", values, shape=shape)
        _write_pictures(out, {"photo": to_pixels(aligned.picture), "imitator": found.imitated, "engine": drawn})
        losses = _course(found, self._config.method)
        write_losses_csv(out / "losses.csv", losses)
        plot_curves(out / "losses.png", losses)
        replace_text(out / "measures.json", json.dumps({
            "method": self._config.method, "model": self.made_by, "seconds": round(seconds, 2),
            "pictures_drawn": found.drawn, "likeness": asdict(alike) if alike else None}, indent=1) + "\n")
        write_report(out / "report.html", FitSummary(
            schema=self.schema, vector=found.vector, photo=to_pixels(aligned.picture), engine=drawn,
            imitator=found.imitated, measures=_measures(alike), losses=losses, photo_name=photo.name,
            model=self.made_by, seconds=seconds, steps=int(losses["step"][-1]), seed=self._config.seed,
            photo_credit=credit, option_scores=_option_scores(self.schema, found.relaxed)))
        return FitReport(photo.name, out, alike, seconds)

    def _align(self, photo: Path, face: int | None) -> AlignedFace:
        picture = read_image(photo).to(self._device)
        try:
            return align(picture, self._frozen.finder, frame=self._searcher.frame, face=face)
        except PhotoError as error:
            raise PhotoError(f"{photo}: {error}") from None

    def _compare(self, aligned: AlignedFace, drawn: Pixels | None) -> Likeness | None:
        if drawn is None:
            return None
        return likeness(aligned.picture, to_tensor(drawn).to(self._device), self._frozen,
                        photo_landmarks=aligned.landmarks)


@contextmanager
def open_fitter(config: FitConfig, model: Path | None, pretrained: Path, *, device: str,
                libraries: Path = LIBRARIES, progress: Progress = lambda done: None) -> Iterator[Fitter]:
    """A fitter by the method that the options ask for; its processes end with the block.

    Args:
        config: of the fits.
        model: Imitator file; None takes the shipped one, or none at all with the method engine.
        pretrained: folder of the frozen networks.
        device: where to compute; the method engine searches on the CPU.
        libraries: folder of the libraries of drawn people.
        progress: called with how many people of the library are drawn, if any has to be.

    Raises:
        ConfigError: a model with the method engine, a lock of something that the character has not got.
    """
    if config.method == "imitator" and model is None:
        model = CHAMPION
    frozen = load_frozen(pretrained, device)
    with open_searcher(config, model, frozen, pretrained, libraries=libraries, device=device,
                       progress=progress) as searcher:
        yield Fitter(config, searcher, frozen, device=device)


def fit_folder(fitter: Fitter, photos: Path, out: Path, *, summary: Path | None = None, log: Log
               ) -> tuple[list[FitReport], list[str]]:
    """Fit every photo of a folder, each into its own folder; writes figures, and photo beside drawn face for some.

    Args:
        fitter: fits one after the other.
        photos: folder with picture files.
        out: gets one folder per photo.
        summary: where the counts and mean distances go, ``summary.json`` in ``out`` by default; the pictures go
            beside it.
        log: called with the step and the losses of each fit.

    Returns:
        What was fitted, and why other photos were refused.

    Raises:
        MissingFileError: no photo in the folder.
        PhotoError: every photo was refused.
    """
    files = sorted(p for p in photos.glob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
    stems = Counter(p.stem for p in files)
    if not files:
        raise MissingFileError(f"expected photos in {photos}, found none")
    fitted, refused = [], []
    for photo in files:
        try:
            folder = out / (photo.stem if stems[photo.stem] == 1 else photo.name)
            fitted.append(fitter.fit(photo, folder, face=None, credit=None, log=log))
        except (PhotoError, FormatError) as error:
            refused.append(str(error))
    if not fitted:
        raise PhotoError(f"none of {len(files)} photos could be fitted; the first: {refused[0]}")
    distances = {name: [getattr(r.likeness, name) for r in fitted if r.likeness] for name in ("sface", "dlib")}
    means = {name: round(sum(values) / len(values), 4) for name, values in distances.items() if values}
    summary = summary or out / "summary.json"
    replace_text(summary, json.dumps({"fitted": len(fitted), "refused": len(refused), **means}, indent=1) + "\n")
    _write_sheet(summary.with_suffix(".jpg"), fitted[:SHOWN])
    return fitted, refused


def _write_sheet(path: Path, fitted: Sequence[FitReport]) -> None:
    """Photo and drawn face of some fits side by side, to compare runs by."""
    tiles, captions = [], []
    for report in fitted:
        drawn = report.folder / "engine.png"
        for picture in (report.folder / "photo.png", drawn if drawn.is_file() else report.folder / "imitator.png"):
            tiles.append(read_pixels(picture))
            captions.append(report.photo if picture.stem == "photo" else picture.stem)
    write_pixels(path, contact_sheet(tiles, columns=min(4, 2 * len(fitted)), captions=captions))


def _course(found: Found, method: str) -> dict[str, list[float]]:
    """The losses by step: through the Imitator those that steps started from; on the engine those they led to."""
    first = {"imitator": 1, "engine": 0}[method]
    count = len(found.history["total"])
    return {"step": [float(first + i) for i in range(count)], **found.history}


def _write_pictures(out: Path, pictures: Mapping[str, Pixels | None]) -> None:
    """Write the pictures there are, and remove those of an earlier fit that had others."""
    for name, pixels in pictures.items():
        (out / f"{name}.png").unlink(missing_ok=True)
        if pixels is not None:
            write_pixels(out / f"{name}.png", pixels)


def _measures(alike: Likeness | None) -> tuple[Measure, ...]:
    return () if alike is None else (sface_measure(alike.sface), dlib_measure(alike.dlib))


def _option_scores(schema: ParameterSchema, relaxed: Vector) -> dict[str, dict[str, float]]:
    return {c.name: {o: float(p) for o, p in zip(c.options, relaxed[schema.slices[c.name]], strict=True)}
            for c in schema.choices}
