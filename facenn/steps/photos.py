"""Stages that turn photos into parameters: fit one, fit a folder."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facenn.alignment import AlignedFace, align
from facenn.config import FitConfig
from facenn.engine.characters import CHARACTERS
from facenn.engine.renderer import Engine
from facenn.errors import CheckpointError, FormatError, MissingFileError, PhotoError
from facenn.evaluation import Likeness, likeness
from facenn.exchange.presets import write_preset
from facenn.exchange.unity import original_layout, write_model
from facenn.files import replace_text
from facenn.fitting import FitResult, Weights, draw, fit, see
from facenn.images import read_image, to_pixels, to_tensor, write_pixels
from facenn.networks.checkpoints import load_imitator, schema_difference
from facenn.networks.frozen import load_frozen
from facenn.report.curves import plot_curves, write_losses_csv
from facenn.report.page import write_report
from facenn.report.summary import FitSummary, Measure, dlib_measure, sface_measure
from facenn.schema import ParameterSchema, Vector

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
TERMS = ("total", "identity", "landmark", "colour", "prior")

Log = Callable[[int, Mapping[str, float]], None]


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
    """An Imitator, the frozen networks and the engine, loaded once for many photos.

    Args:
        config: of the fits.
        model: Imitator file.
        pretrained: folder of the frozen networks.
        device: where to compute.
    """

    def __init__(self, config: FitConfig, model: Path, pretrained: Path, *, device: str) -> None:
        self._config, self._device, self._model = config, device, model
        self._imitator, self.schema = load_imitator(model, device=device)
        self._imitator.requires_grad_(False)
        self._frozen = load_frozen(pretrained, device)
        self._engine = _engine_of(self.schema, model)

    def fit(self, photo: Path, out: Path, *, face: int | None, credit: str | None, log: Log) -> FitReport:
        """Fit one photo.

        Writes ``parameters.json``, ``model.bytes``, ``photo.png`` (the aligned crop), ``engine.png``,
        ``imitator.png``, ``losses.csv``, ``losses.png``, ``measures.json`` and ``report.html`` into ``out``.

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
        found = self._search(aligned, log)
        seconds = time.perf_counter() - started
        vector = found.vectors[0]
        with torch.no_grad():
            imitated = to_pixels(draw(self._imitator, torch.from_numpy(vector)[None].to(self._device)))[0]
        drawn = self._engine.draw(vector).picture if self._engine is not None else None
        alike = self._compare(aligned, imitated if drawn is None else drawn)
        write_preset(out / "parameters.json", self.schema, vector)
        shape, values = original_layout(self.schema, vector)
        write_model(out / "model.bytes", values, shape=shape)
        write_pixels(out / "photo.png", to_pixels(aligned.picture))
        write_pixels(out / "imitator.png", imitated)
        (out / "engine.png").unlink(missing_ok=True)  # of an earlier fit, when this engine cannot be called
        if drawn is not None:
            write_pixels(out / "engine.png", drawn)
        losses: dict[str, list[float]] = {"step": [float(s) for s in range(1, self._config.steps + 1)]}
        losses |= {name: [values[0] for values in found.history[name]] for name in TERMS}
        write_losses_csv(out / "losses.csv", losses)
        plot_curves(out / "losses.png", losses)
        replace_text(out / "measures.json", json.dumps({
            "seconds": round(seconds, 2), "likeness": asdict(alike) if alike else None}, indent=1) + "\n")
        write_report(out / "report.html", FitSummary(
            schema=self.schema, vector=vector, photo=to_pixels(aligned.picture), engine=drawn, imitator=imitated,
            measures=_measures(alike), losses=losses, photo_name=photo.name, model=self._model.stem,
            seconds=seconds, steps=self._config.steps, seed=self._config.seed, photo_credit=credit,
            option_scores=_option_scores(self.schema, found.relaxed[0])))
        return FitReport(photo.name, out, alike, seconds)

    def _align(self, photo: Path, face: int | None) -> AlignedFace:
        picture = read_image(photo).to(self._device)
        try:
            return align(picture, self._frozen.finder, frame=self._imitator.frame, face=face)
        except PhotoError as error:
            raise PhotoError(f"{photo}: {error}") from None

    def _search(self, aligned: AlignedFace, log: Log) -> FitResult:
        config = self._config
        target = see(aligned.picture[None], aligned.landmarks[None], self._frozen)
        return fit(target, self._imitator, self.schema, self._frozen, steps=config.steps, rate=config.rate,
                   weights=weights_of(config),
                   candidates=config.candidates, seed=config.seed, log=log)

    def _compare(self, aligned: AlignedFace, drawn: NDArray[np.uint8]) -> Likeness | None:
        return likeness(aligned.picture, to_tensor(drawn).to(self._device), self._frozen,
                        photo_landmarks=aligned.landmarks)


def fit_folder(config: FitConfig, photos: Path, out: Path, *, model: Path, pretrained: Path, device: str, log: Log
               ) -> tuple[list[FitReport], list[str]]:
    """Fit every photo of a folder, each into its own folder; writes ``summary.json``.

    Args:
        config: of the fits.
        photos: folder with picture files.
        out: gets one folder per photo.
        model: Imitator file.
        pretrained: folder of the frozen networks.
        device: where to compute.
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
    fitter = Fitter(config, model, pretrained, device=device)
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
    replace_text(out / "summary.json",
                 json.dumps({"fitted": len(fitted), "refused": len(refused), **means}, indent=1) + "\n")
    return fitted, refused


def weights_of(config: FitConfig) -> Weights:
    """The weights of the losses, as the fitting loop takes them."""
    return Weights(identity=config.identity, landmark=config.landmark, colour=config.colour, prior=config.prior)


def _engine_of(schema: ParameterSchema, model: Path) -> Engine | None:
    """The embedded engine that draws these parameters; None for a game's own."""
    known = CHARACTERS.get(schema.character)
    if known is None:
        return None
    if difference := schema_difference(known.schema, schema):
        raise CheckpointError(f"{model}: {difference}; train an Imitator on renders of this engine")
    return Engine(schema.character)


def _measures(alike: Likeness | None) -> tuple[Measure, ...]:
    return () if alike is None else (sface_measure(alike.sface), dlib_measure(alike.dlib))


def _option_scores(schema: ParameterSchema, relaxed: Vector) -> dict[str, dict[str, float]]:
    return {c.name: {o: float(p) for o, p in zip(c.options, relaxed[schema.slices[c.name]], strict=True)}
            for c in schema.choices}
