"""Stages that turn photos into parameters: fit one, fit many, fit a folder."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facenn.alignment import AlignedFace, align
from facenn.config import FitConfig
from facenn.errors import ConfigError, FacennError, MissingFileError, PhotoError
from facenn.evaluation import Likeness, likeness
from facenn.files import replace_text
from facenn.images import read_image, read_pixels, to_pixels, to_tensor, write_pixels
from facenn.networks.frozen import Frozen, load_frozen
from facenn.networks.recognition import REPORTED
from facenn.report.sheet import contact_sheet
from facenn.report.summary import Pixels
from facenn.steps.project import Project
from facenn.steps.registry import shipped
from facenn.steps.results import ALWAYS, Fitted, claim_folder, read_result, result_key, write_result
from facenn.steps.searchers import Found, Log, Progress, Searcher, open_searcher

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
SHOWN = 12  # fits on a sheet
SMALLEST = 32  # pixels; even the pupils of a face that can be fitted are that far apart


@dataclass(frozen=True)
class Job:
    """A photo that shall be fitted.

    Attributes:
        photo: picture file.
        folder: where its results go; no other photo's go there.
    """

    photo: Path
    folder: Path


@dataclass(frozen=True)
class FitReport:
    """What a fit came to.

    Attributes:
        photo: name of the photo.
        folder: where its results are.
        likeness: engine picture against photo, or the Imitator's where the engine is a game that cannot be
            called from here; None when no face is found in it.
        seconds: of the fit alone; photos that were fitted at once share them equally.
        already: True for a result that was there before.
    """

    photo: str
    folder: Path
    likeness: Likeness | None
    seconds: float
    already: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a photo was not fitted.

    Attributes:
        photo: name of the photo.
        reason: one line.
    """

    photo: str
    reason: str


Outcome = FitReport | Refusal


@dataclass(frozen=True)
class _Begun:
    """A photo that is ready to be searched for."""

    job: Job
    aligned: AlignedFace
    key: str


class Fitter:
    """A way to search, the frozen networks and the engine, loaded once for many photos; see ``open_fitter``.

    With the method imitator, several threads may call ``fit`` and ``fit_many`` at once, as long as no two of them
    write to the same folder: networks and parameters are only read, each search has its own state, and what may not
    be shared, the engine and the plots, is taken in turns. With the method engine one thread at a time.

    Args:
        config: of the fits.
        searcher: finds the parameters of aligned faces.
        frozen: the networks that align and judge.
        device: where they compute.
    """

    def __init__(self, config: FitConfig, searcher: Searcher, frozen: Frozen, *, device: str) -> None:
        self._config, self._searcher, self._frozen, self._device = config, searcher, frozen, device
        self._drawing = threading.Lock()  # an engine reuses its buffers
        self.schema, self.made_by = searcher.schema, searcher.made_by

    def fit(self, photo: Path, out: Path, *, face: int | None, credit: str | None, log: Log) -> FitReport:
        """Fit one photo, whether or not that has been done.

        Writes ``parameters.json``, ``model.bytes``, ``photo.png`` (the aligned crop), ``engine.png``,
        ``imitator.png``, ``losses.csv``, ``losses.png``, ``report.html`` and ``measures.json`` into ``out``;
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
            ConfigError: a folder in which a file of another origin would be replaced.
        """
        begun = self._begin(Job(photo, out), face)
        (found,), seconds = self._search([begun], log)
        return self._finish(begun, found, seconds, credit)

    def fit_many(self, jobs: Sequence[Job], *, log: Log) -> list[Outcome]:
        """Fit photos, ``config.batch`` of them at once where the method can; results are those of single fits.

        A photo whose folder holds a finished result of the same photo, options, model and engine is not fitted
        again. A photo that cannot be fitted is refused, and the others go on.

        Args:
            jobs: photos and their folders, which get the files of ``fit``.
            log: called with the step and the mean losses of each batch.

        Returns:
            One outcome per job, in their order.
        """
        outcomes: dict[Job, Outcome] = {job: report for job in jobs if (report := self._finished(job))}
        waiting = [job for job in dict.fromkeys(jobs) if job not in outcomes]
        for start in range(0, len(waiting), self._searcher.together):
            outcomes |= self._fit_together(waiting[start:start + self._searcher.together], log)
        return [outcomes[job] for job in jobs]

    def _finished(self, job: Job) -> FitReport | None:
        """What is there already; None if that is nothing, or nobody can say because the photo cannot be read."""
        names = [*ALWAYS, *(["engine.png"] if self._searcher.engine else []),
                 *(["imitator.png"] if self._config.method == "imitator" else [])]
        try:
            found = read_result(job.folder, self._key(job.photo, None), names)
        except OSError:
            return None
        return FitReport(job.photo.name, job.folder, *found, already=True) if found else None

    def _fit_together(self, jobs: Sequence[Job], log: Log) -> dict[Job, Outcome]:
        outcomes: dict[Job, Outcome] = {}
        begun = []
        for job in jobs:
            try:
                begun.append(self._begin(job, None))
            except (FacennError, OSError) as error:
                outcomes[job] = Refusal(job.photo.name, str(error))
        if begun:
            founds, seconds = self._search(begun, log)
            for one, found in zip(begun, founds, strict=True):
                try:
                    outcomes[one.job] = self._finish(one, found, seconds, None)
                except FacennError as error:
                    outcomes[one.job] = Refusal(one.job.photo.name, f"{one.job.photo}: {error}")
        return outcomes

    def _begin(self, job: Job, face: int | None) -> _Begun:
        claim_folder(job.folder, job.photo)
        picture = read_image(job.photo).to(self._device)
        height, width = picture.shape[1:]
        if min(height, width) < SMALLEST:
            raise PhotoError(f"{job.photo}: expected a photo of {SMALLEST} pixels or more on each side, got "
                             f"{width} x {height}")
        try:
            aligned = align(picture, self._frozen.finder, frame=self._searcher.frame, face=face)
        except PhotoError as error:
            raise PhotoError(f"{job.photo}: {error}") from None
        return _Begun(job, aligned, self._key(job.photo, face))

    def _key(self, photo: Path, face: int | None) -> str:
        return result_key(photo, self._config, self._searcher.digest, face=face)

    def _search(self, begun: Sequence[_Begun], log: Log) -> tuple[list[Found], float]:
        """What is found for each, and how many seconds that took for one."""
        started = time.perf_counter()
        found = self._searcher.search([one.aligned for one in begun], log)
        return found, (time.perf_counter() - started) / len(begun)

    def _finish(self, begun: _Begun, found: Found, seconds: float, credit: str | None) -> FitReport:
        """Draw, judge and write."""
        job, engine, drawn = begun.job, self._searcher.engine, None
        if engine is not None:
            with self._drawing:
                drawn = engine.draw(found.vector).picture
        alike = self._compare(begun.aligned, found.imitated if drawn is None else drawn)
        fitted = Fitted(job.photo.name, credit, to_pixels(begun.aligned.picture), found, drawn, alike,
                        self._searcher.made_by, seconds, begun.key)
        write_result(job.folder, fitted, self.schema, self._config)
        return FitReport(job.photo.name, job.folder, alike, seconds)

    def _compare(self, aligned: AlignedFace, drawn: Pixels | None) -> Likeness | None:
        if drawn is None:
            return None
        return likeness(aligned.picture, to_tensor(drawn).to(self._device), self._frozen,
                        photo_landmarks=aligned.landmarks)


@contextmanager
def open_fitter(config: FitConfig, model: Path | None, project: Project, *, device: str,
                progress: Progress = lambda done: None) -> Iterator[Fitter]:
    """A fitter by the method that the options ask for; its processes end with the block.

    Args:
        config: of the fits.
        model: Imitator file; None takes the character's shipped one, or none at all with the method engine.
        project: where the frozen networks and the libraries of drawn people are.
        device: where to compute; the method engine searches on the CPU.
        progress: called with how many people of the library are drawn, if any has to be.

    Raises:
        ConfigError: a model with the method engine, a lock of something that the character has not got.
    """
    if config.method == "imitator" and model is None:
        model = shipped(config.character, project.pretrained)
    frozen = load_frozen(project.pretrained, device)
    with open_searcher(config, model, frozen, project, device=device, progress=progress) as searcher:
        yield Fitter(config, searcher, frozen, device=device)


def folder_jobs(photos: Path, out: Path) -> list[Job]:
    """A job for every photo of a folder, in the order of their names.

    Args:
        photos: folder with picture files.
        out: gets one folder per photo, called as the photo without its suffix where that is clear.

    Raises:
        MissingFileError: no photo in the folder.
    """
    sheets = {p.with_suffix(".jpg") for p in photos.glob("*.json") if _is_summary(p)}  # of results that are here, too
    files = sorted(p for p in photos.glob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p not in sheets)
    if not files:
        raise MissingFileError(f"expected photos in {photos}, found none")
    names = Counter([*(p.stem for p in files), *(p.name for p in files)])
    return [Job(p, out / (p.stem if names[p.stem] == 1 else p.name)) for p in files]


def claim_summary(summary: Path) -> None:
    """Make sure that figures and sheet of a folder replace no file of the user's.

    Args:
        summary: the JSON file; the sheet has its name and the suffix ``.jpg``.

    Raises:
        ConfigError: a file of another origin is there.
    """
    if _is_summary(summary):
        return
    for path in (summary, summary.with_suffix(".jpg")):
        if path.exists():
            raise ConfigError(f"expected no file of another origin in the place of the summary, got {path}; choose "
                              "another --summary or --out")


def _is_summary(path: Path) -> bool:
    try:
        return {"fitted", "refused"} <= json.loads(path.read_text(encoding="utf-8")).keys()
    except (OSError, ValueError, AttributeError):
        return False


def summarise(summary: Path, outcomes: Sequence[Outcome]) -> None:
    """Write how many photos were fitted and refused, mean distances, and reasons; a sheet of some fits beside it.

    Results that were there before count as those that were not.

    Args:
        summary: the JSON file; the sheet has its name and the suffix ``.jpg``.
        outcomes: of all photos, in the order of the sheet.
    """
    fitted = [o for o in outcomes if isinstance(o, FitReport)]
    refused = sorted((o for o in outcomes if isinstance(o, Refusal)), key=lambda o: o.photo)
    distances = {name: [r.likeness.distances[name] for r in fitted if r.likeness] for name in REPORTED}
    means = {name: round(sum(values) / len(values), 4) for name, values in distances.items() if values}
    reasons = {"reasons": [{"photo": o.photo, "reason": o.reason} for o in refused]} if refused else {}
    replace_text(summary, json.dumps({"fitted": len(fitted), "refused": len(refused), **means, **reasons}, indent=1)
                 + "\n")
    if fitted:
        write_pixels(summary.with_suffix(".jpg"), _sheet(fitted[:SHOWN]))


def fit_folder(fitter: Fitter, photos: Path, out: Path, *, summary: Path | None = None, log: Log) -> list[Outcome]:
    """Fit every photo of a folder, each into its own folder, and summarise. See ``Fitter.fit_many``.

    Args:
        fitter: fits them.
        photos: folder with picture files.
        out: gets one folder per photo.
        summary: where the figures go, ``summary.json`` in ``out`` by default; a sheet of pictures goes beside it.
        log: called with the step and the mean losses of each batch.

    Returns:
        One outcome per photo, in the order of their names.

    Raises:
        MissingFileError: no photo in the folder.
        ConfigError: a file of another origin in the place of the summary.
        PhotoError: every photo was refused.
    """
    summary = summary or out / "summary.json"
    claim_summary(summary)
    outcomes = fitter.fit_many(folder_jobs(photos, out), log=log)
    summarise(summary, outcomes)
    refused = [o for o in outcomes if isinstance(o, Refusal)]
    if len(refused) == len(outcomes):
        raise PhotoError(f"none of {len(refused)} photos could be fitted; the first: {refused[0].reason}")
    return outcomes


def _sheet(fitted: Sequence[FitReport]) -> Pixels:
    """Photo and drawn face side by side, to compare runs by."""
    tiles, captions = [], []
    for report in fitted:
        drawn = report.folder / "engine.png"
        for picture in (report.folder / "photo.png", drawn if drawn.is_file() else report.folder / "imitator.png"):
            tiles.append(read_pixels(picture))
            captions.append(report.photo if picture.stem == "photo" else picture.stem)
    return contact_sheet(tiles, columns=min(4, len(tiles)), captions=captions)
