"""The stage fit: the parameters of the face in a photo, found, drawn, judged and written."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facenn.alignment import AlignedFace, align
from facenn.arrays import Log, Pixels
from facenn.config import FitConfig
from facenn.errors import FacennError, PhotoError
from facenn.evaluation import Likeness, likeness
from facenn.fitting.result import FitResult
from facenn.images import read_image, to_pixels, to_tensor
from facenn.networks.frozen import Frozen, load_frozen
from facenn.report.summary import FitSummary
from facenn.steps.methods import Method, open_method
from facenn.steps.project import Project
from facenn.steps.registry import shipped
from facenn.steps.results import (
    ALWAYS,
    claim_folder,
    losses_by_step,
    measures_of,
    option_scores,
    read_result,
    result_key,
    write_result,
)

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
class FittedFace:
    """A finished fit, before or after it is written.

    Attributes:
        result: what the fit found.
        summary: what its page shows.
        likeness: of the drawn picture and the photo; None where a network finds no face in the picture.
        method: by which it was found.
        key: of what it was made, see ``result_key``.
    """

    result: FitResult
    summary: FitSummary
    likeness: Likeness | None
    method: str
    key: str

    def save(self, folder: Path) -> None:
        """Write the files of the fit into a folder.

        Raises:
            ConfigError: a file of another origin would be replaced.
            TrainingError: a loss that is no number.
        """
        claim_folder(folder)
        write_result(folder, self.result, self.summary, method=self.method, likeness=self.likeness, key=self.key)

    def report(self, folder: Path) -> FitReport:
        """What the fit came to, for those who see its folder."""
        return FitReport(self.summary.photo_name, folder, self.likeness, self.summary.seconds)


@dataclass(frozen=True)
class _Begun:
    """A photo that is ready to be searched for."""

    job: Job
    aligned: AlignedFace
    key: str


class Fitter:
    """A method, the frozen networks and the engine, loaded once for many photos; see ``open_fitter``.

    With the method imitator, several threads may call ``fit`` and ``fit_many`` at once, as long as no two of them
    write to the same folder: networks and parameters are only read, each fit has its own state, and what may not
    be shared, the engine and the plots, is taken in turns. With the method engine one thread at a time.

    Args:
        config: of the fits.
        method: finds the parameters of aligned faces.
        frozen: the networks that align and judge.
        device: where they compute.
    """

    def __init__(self, config: FitConfig, method: Method, frozen: Frozen, *, device: str) -> None:
        self._config, self._method, self._frozen, self._device = config, method, frozen, device
        self._drawing = threading.Lock()  # an engine reuses its buffers
        self.schema, self.made_by = method.schema, method.made_by

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
        claim_folder(out, photo)
        fitted = self.find(photo, face=face, log=log, credit=credit)
        fitted.save(out)
        return fitted.report(out)

    def find(self, photo: Path, *, face: int | None, log: Log, credit: str | None = None) -> "FittedFace":
        """Fit one photo and write nothing; see ``fit``."""
        begun = self._begin(Job(photo, Path()), face)
        (found,), seconds = self._search([begun], log)
        return self._finish(begun, found, seconds, credit)

    def fit_many(self, jobs: Sequence[Job], *, log: Log) -> list[Outcome]:
        """Fit photos, as many of them at once as the method takes; results are those of single fits.

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
        for start in range(0, len(waiting), self._method.together):
            outcomes |= self._fit_together(waiting[start:start + self._method.together], log)
        return [outcomes[job] for job in jobs]

    def _finished(self, job: Job) -> FitReport | None:
        """The finished result that is there already; None if there is none, or the photo cannot be read."""
        names = [*ALWAYS, *(["engine.png"] if self._method.engine else []),
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
                claim_folder(job.folder, job.photo)
                begun.append(self._begin(job, None))
            except (FacennError, OSError) as error:
                outcomes[job] = Refusal(job.photo.name, str(error))
        if begun:
            founds, seconds = self._search(begun, log)
            for one, found in zip(begun, founds, strict=True):
                try:
                    fitted = self._finish(one, found, seconds, None)
                    fitted.save(one.job.folder)
                    outcomes[one.job] = fitted.report(one.job.folder)
                except FacennError as error:
                    outcomes[one.job] = Refusal(one.job.photo.name, f"{one.job.photo}: {error}")
        return outcomes

    def _begin(self, job: Job, face: int | None) -> _Begun:
        picture = read_image(job.photo).to(self._device)
        height, width = picture.shape[1:]
        if min(height, width) < SMALLEST:
            raise PhotoError(f"{job.photo}: expected a photo of {SMALLEST} pixels or more on each side, got "
                             f"{width} x {height}")
        try:
            aligned = align(picture, self._frozen.finder, frame=self._method.frame, face=face)
        except PhotoError as error:
            raise PhotoError(f"{job.photo}: {error}") from None
        return _Begun(job, aligned, self._key(job.photo, face))

    def _key(self, photo: Path, face: int | None) -> str:
        return result_key(photo, self._config, self._method.digest, face=face)

    def _search(self, begun: Sequence[_Begun], log: Log) -> tuple[list[FitResult], float]:
        """What is found for each, and how many seconds that took for one."""
        started = time.perf_counter()
        found = self._method.fit([one.aligned for one in begun], log)
        return found, (time.perf_counter() - started) / len(begun)

    def _finish(self, begun: _Begun, found: FitResult, seconds: float, credit: str | None) -> "FittedFace":
        """Draw and judge."""
        engine, drawn = self._method.engine, None
        if engine is not None:
            with self._drawing:
                drawn = engine.draw(found.vector).picture
        alike = self._compare(begun.aligned, found.imitated if drawn is None else drawn)
        losses = losses_by_step(found)
        summary = FitSummary(
            schema=self.schema, vector=found.vector, photo=to_pixels(begun.aligned.picture), engine=drawn,
            imitator=found.imitated, measures=measures_of(alike), losses=losses, photo_name=begun.job.photo.name,
            model=self.made_by, seconds=seconds, steps=int(losses["step"][-1]), seed=self._config.seed,
            photo_credit=credit, option_scores=option_scores(self.schema, found.relaxed))
        return FittedFace(found, summary, alike, self._config.method, begun.key)

    def _compare(self, aligned: AlignedFace, drawn: Pixels | None) -> Likeness | None:
        if drawn is None:
            return None
        return likeness(aligned.picture, to_tensor(drawn).to(self._device), self._frozen,
                        photo_landmarks=aligned.landmarks)


def open_fitter(config: FitConfig, model: Path | None, project: Project, *, device: str) -> Fitter:
    """A fitter by the method that the options ask for.

    Args:
        config: of the fits.
        model: Imitator file for the method imitator, else Translator file; None takes the character's shipped one.
        project: where the networks are.
        device: where to compute; the engine and what looks at its pictures are on the CPU.

    Raises:
        ConfigError: an unknown character, a lock of something that the character has not got.
    """
    if model is None:
        model = shipped(config.character, project.pretrained, config.network)
    frozen = load_frozen(project.pretrained, device)
    looking = frozen if config.method == "imitator" or device == "cpu" else load_frozen(project.pretrained)
    return Fitter(config, open_method(config, model, looking, device=device), frozen, device=device)
