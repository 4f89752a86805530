"""The stage train: an Imitator learns to draw like the engine."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from facenn.arrays import Log
from facenn.config import TrainConfig
from facenn.dataset import AVERAGED, Faces, Split, fits, split
from facenn.errors import CheckpointError, FormatError
from facenn.exchange.renders import RendersFolder
from facenn.files import replace_text
from facenn.images import to_tensor, write_image
from facenn.networks.architectures import build
from facenn.networks.checkpoints import adopt_weights, save_imitator
from facenn.networks.landmarks import FaceFinder, load_finder
from facenn.ranks import Ranks, joined
from facenn.report.curves import plot_curves, write_losses_csv
from facenn.steps.project import Project, experiment_tags
from facenn.steps.provenance import memory, run_name, source_tags
from facenn.steps.record import MODEL_FILE, RECORD_FILE, SEEN_FILE, TrainingRecord, write_seen
from facenn.steps.registry import model_name, schema_digest
from facenn.steps.sheets import slide
from facenn.tracking import training_run
from facenn.training import TrainingResult
from facenn.training import train as run_training

FRAMED = 24  # renders whose landmarks are averaged into the framing of the engine


def train(config: TrainConfig, renders: Path, out: Path, *, project: Project, device: str, log: Log) -> TrainingResult:
    """Teach an Imitator to draw like the engine.

    Writes ``imitator.safetensors``, ``training.json`` (the MLflow run, the split), ``seen.txt`` (the faces it learned
    from), ``training.csv`` and ``validation.csv`` (the curves as numbers), ``curves.png`` and ``samples.png`` into
    ``out``, and registers the Imitator as its character's. A killed run continues from its last saved state. Under
    torchrun all processes train together, and the first one alone writes.

    Args:
        config: of the training.
        renders: a renders folder.
        out: result folder.
        project: where everything else is written or read.
        device: where to compute.
        log: called with the step and named figures.
    """
    with joined(device) as ranks:
        return _train(config, renders, out, project, device, log, ranks)


def _train(config: TrainConfig, renders: Path, out: Path, project: Project, device: str, log: Log, ranks: Ranks
           ) -> TrainingResult:
    folder = RendersFolder.open(renders)
    faces = Faces(folder, resolution=config.resolution,
                  keep_on=device if fits(folder, resolution=config.resolution, device=device) else None)
    parts = split(len(faces), seed=config.seed, fraction=config.validation)
    imitator = build(config.architecture, folder.schema.size, resolution=config.resolution,
                     generator=torch.Generator().manual_seed(config.seed))
    if config.start_from:
        adopt_weights(imitator, folder.schema, Path(config.start_from))
    else:
        imitator.start_from(faces.mean_picture(parts.training[:AVERAGED]))
    digest = folder.digest()
    state = state_file(project.trainings, config, digest, processes=ranks.count)
    learn = partial(
        run_training, imitator, faces, parts, steps=config.steps, batch_size=config.batch_size, peak=config.peak,
        floor=config.floor, grow=not config.start_from, precision=config.precision, fuse=config.fuse,
        label_noise=config.label_noise, seed=config.seed, device=device, checkpoint=state,
        save_every=config.save_every, validate_every=config.validate_every, ranks=ranks)
    if not ranks.first:
        return learn(log=log, show=lambda *_: None)
    frame = _frame(folder, parts, load_finder(project.pretrained))
    history, begun = _begun(state)
    settings = {**config.model_dump(), "processes": ranks.count, "renders": len(faces), "renders_sha256": digest,
                "character": folder.schema.character}
    tags = {**source_tags(renders), **experiment_tags()}
    name = run_name(folder.schema.character, config, tags)
    with training_run(project.tracking, "imitator", settings, name=name, tags=tags, resume=begun) as run:
        def both(step: int, figures: Mapping[str, float]) -> None:
            run.log(step, {**figures, **memory(device)})
            history.add(step, figures)
            replace_text(_course(state), json.dumps({"run": run.run_id, "steps": history.steps}))
            log(step, figures)

        def show(step: int, picture: torch.Tensor) -> None:
            run.show(step, slide(picture))
            write_image(out / "samples.png", picture)

        result = learn(log=both, show=show)
        imitator.frame.copy_(frame)
        save_imitator(out / MODEL_FILE, imitator.cpu(), folder.schema, half=True,
                      notes={"steps": str(config.steps), "renders": str(len(faces)), "mlflow_run": run.run_id})
        write_seen(out / SEEN_FILE, folder, parts.training)
        version = run.register(
            out / MODEL_FILE, name=model_name(folder.schema.character), beside=[out / SEEN_FILE], description=name,
            tags={"character": folder.schema.character, "schema": schema_digest(folder.schema), "run": run.run_id,
                  **{key: str(settings[key]) for key in ("architecture", "resolution", "steps", "renders")}})
        if len(history.steps) > 0:
            plot_curves(out / "curves.png", history.columns())
            for name, columns in history.curves().items():
                write_losses_csv(out / f"{name}.csv", columns)
    TrainingRecord(run.run_id, version, digest, result.validation_error,
                   tuple(folder.names[i] for i in parts.validation)).write(out / RECORD_FILE)
    state.unlink(missing_ok=True)
    _course(state).unlink(missing_ok=True)
    return result


class History:
    """Figures by step, as columns of equal length; what was not measured at a step is None there.

    Args:
        steps: figures of an earlier part of the same training.
    """

    def __init__(self, steps: Mapping[int, dict[str, float]]) -> None:
        self.steps = dict(steps)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add figures of a step; a step may be added to several times."""
        self.steps.setdefault(step, {}).update(figures)

    def columns(self) -> dict[str, list[float | None]]:
        """The step, the errors and the learning rate, in the order of the steps."""
        names = {"train/error": "training", "validation/error": "validation", "train/rate": "learning_rate"}
        columns: dict[str, list[float | None]] = {"step": [float(s) for s in sorted(self.steps)]}
        for logged, name in names.items():
            columns[name] = [self.steps[s].get(logged) for s in sorted(self.steps)]
        return columns

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """The errors of ``training`` and ``validation``, each at its own steps: DVC's plots break at an empty cell."""
        names = {"training": {"error": "train/error", "learning_rate": "train/rate"},
                 "validation": {"error": "validation/error"}}
        rows = {curve: [s for s in sorted(self.steps) if logged["error"] in self.steps[s]]
                for curve, logged in names.items()}
        return {curve: {"step": [float(s) for s in rows[curve]],
                        **{column: [self.steps[s][name] for s in rows[curve]] for column, name in logged.items()}}
                for curve, logged in names.items()}


def _course(state: Path) -> Path:
    """The course of a training so far, beside its state."""
    return state.with_suffix(".json")


def _begun(state: Path) -> tuple[History, str | None]:
    """What a killed training has logged, and its MLflow run."""
    if not state.is_file() or not _course(state).is_file():
        return History({}), None
    course = json.loads(_course(state).read_text(encoding="utf-8"))
    return History({int(step): figures for step, figures in course["steps"].items()}), str(course["run"])


def _frame(folder: RendersFolder, parts: Split, finder: FaceFinder) -> torch.Tensor:
    """(478, 2) mean landmarks of some renders in pixels: where the engine has its faces."""
    found = []
    for row in parts.training[:FRAMED]:
        points = finder.find(to_tensor(folder.read_pixels(int(row)))[None])
        if points is not None:
            found.append(points[0, :, :2])
    if not found:
        raise FormatError(f"{folder.path}: expected renders that show a face, found none in {FRAMED} of them")
    return torch.stack(found).mean(0)


def state_file(folder: Path, config: TrainConfig, digest: str, *, processes: int) -> Path:
    """Where a training keeps its state, and finds it again after it was killed.

    Any number of processes may go on with a training, as long as they show as many pictures per step together.

    Args:
        folder: of all states.
        config: of the training.
        digest: of its renders.
        processes: how many train together.

    Raises:
        CheckpointError: the same training was begun by another number of processes.
    """
    settings = config.model_dump_json(exclude={"batch_size"}) + digest
    name = hashlib.sha256(settings.encode()).hexdigest()[:16]
    for path in sorted(folder.glob(f"{name}-*x*.pt")):
        batch_size, others = map(int, path.stem.rpartition("-")[2].split("x"))
        if batch_size * others == config.batch_size * processes:
            return path
        if batch_size == config.batch_size:
            raise CheckpointError(f"{path}: expected to go on with {others} processes of {batch_size} pictures per "
                                  f"step, got {processes}; move it away to start anew")
    return folder / f"{name}-{config.batch_size}x{processes}.pt"
