"""Stages that make and measure an Imitator: train, evaluate."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from facenn.config import EvaluateConfig, FitConfig, TrainConfig
from facenn.dataset import AVERAGED, Faces, Split, fits, split
from facenn.errors import ConfigError, FormatError
from facenn.evaluation import HeldOut, Recovery, find_landmarks, held_out, recovery
from facenn.exchange.renders import TABLE_FILE, RendersFolder
from facenn.files import replace_text
from facenn.images import to_tensor, write_image, write_pixels
from facenn.networks.architectures import build
from facenn.networks.checkpoints import adopt_weights, load_imitator, save_imitator
from facenn.networks.frozen import Frozen, load_finder, load_frozen
from facenn.networks.imitator import Imitator
from facenn.networks.landmarks import FaceFinder
from facenn.ranks import Ranks, joined
from facenn.report.curves import plot_curves, write_losses_csv
from facenn.steps.measures import fit_renders
from facenn.steps.pictures import side_by_side, slide
from facenn.steps.project import Project, experiment_tags
from facenn.steps.promotion import SEEN_FILE, Contest, challenge, write_seen
from facenn.steps.provenance import memory, run_name, source_tags
from facenn.steps.registry import model_name, schema_digest
from facenn.steps.states import state_file
from facenn.tracking import log_evaluation, training_run
from facenn.training import TrainingResult
from facenn.training import train as run_training

MODEL_FILE = "imitator.safetensors"
RUN_FILE = "training.json"
FIGURES_FILE = "metrics.json"
FRAMED = 24  # renders whose landmarks are averaged into the framing of the engine
SHOWN = 6

Log = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation measured.

    Attributes:
        held_out: the Imitator against the engine.
        recovery: fits of held-out renders against their parameters; None when none was asked for, or when
            the networks find no face in them.
        champion: the Imitator against the champion of its character.
    """

    held_out: HeldOut
    recovery: Recovery | None
    champion: Contest


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
    digest = _digest(folder)
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
    facts = {"mlflow_run": run.run_id, "model_version": version, "renders_sha256": digest,
             "validation_error": result.validation_error, "held_out": [folder.names[i] for i in parts.validation]}
    replace_text(out / RUN_FILE, json.dumps(facts, indent=1) + "\n")
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


def evaluate(config: EvaluateConfig, fit_config: FitConfig, renders: Path, model: Path, out: Path, *, project: Project,
             device: str, log: Log) -> Evaluation:
    """Measure an Imitator on the renders that its training held out.

    Writes ``evaluation.json``, of that ``metrics.json`` (the figures that runs are compared by) and ``held_out.png``
    (engine | Imitator | difference) into ``out``, adds the figures to the training's MLflow run, and makes the Imitator
    its character's champion if it is the better one.

    Args:
        config: how many renders to fit again, and whether the better one becomes champion.
        fit_config: how to fit them.
        renders: the folder that the Imitator was trained on.
        model: result folder of ``train``.
        out: result folder.
        project: where the frozen networks and the MLflow store are.
        device: where to compute.
        log: called with the step of the fits.
    """
    folder = RendersFolder.open(renders)
    imitator, _ = load_imitator(model / MODEL_FILE, device=device, expect=folder.schema)
    run_id, version, digest, names = _training_facts(model / RUN_FILE)
    if digest != _digest(folder):
        raise ConfigError(f"{model}: expected the renders that this Imitator was trained on, {renders} holds others")
    rows = np.array([folder.names.index(name) for name in names])
    faces = Faces(folder, resolution=imitator.resolution)
    measured = held_out(imitator, faces, rows)
    found = None
    if config.recovered:
        found = _recover(config, fit_config, folder, rows, imitator, load_frozen(project.pretrained, device), log)
    contest = challenge(imitator, folder, rows, version=version, run_id=run_id, promote=config.promote,
                        project=project)
    evaluation = Evaluation(measured, found, contest)
    replace_text(out / "evaluation.json", json.dumps(asdict(evaluation), indent=1) + "\n")
    figures = summary(evaluation)
    replace_text(out / FIGURES_FILE, json.dumps({n: round(v, 6) for n, v in figures.items()}, indent=1) + "\n")
    write_pixels(out / "held_out.png", _sheet(imitator, faces, rows[:SHOWN]))
    log_evaluation(project.tracking, run_id, figures)
    return evaluation


def summary(evaluation: Evaluation) -> dict[str, float]:
    """The figures of an evaluation that runs are compared by."""
    held = evaluation.held_out
    figures = {"held_out/l1": held.l1, "held_out/psnr": held.psnr, "held_out/ssim": held.ssim}
    if evaluation.recovery is not None:
        found = evaluation.recovery
        figures["recovery/slider_error"] = float(np.mean(list(found.slider_error.values())))
        figures["recovery/guess_error"] = float(np.mean(list(found.guess_error.values())))
        figures |= {f"recovery/{name}": share for name, share in found.choice_accuracy.items()}
    champion = evaluation.champion
    measured = {"champion/l1": champion.l1, "champion/psnr": champion.psnr, "champion/ssim": champion.ssim}
    return figures | {name: value for name, value in measured.items() if value is not None}


def _recover(config: EvaluateConfig, fit_config: FitConfig, folder: RendersFolder, rows: np.ndarray, imitator: Imitator,
             frozen: Frozen, log: Log) -> Recovery | None:
    chosen = rows[: config.recovered]
    pictures = (folder.read_pixels(int(i)) for i in chosen)
    shown, found = fit_renders(pictures, imitator, folder.schema, frozen, fit_config, log)
    return recovery(folder.schema, found, folder.parameters[chosen[shown]]) if shown else None


def _digest(folder: RendersFolder) -> str:
    """What tells two renders folders apart: parameters, and first and last picture for what drew them."""
    digest = hashlib.sha256((folder.path / TABLE_FILE).read_bytes())
    for i in (0, len(folder) - 1):
        digest.update(folder.image_path(i).read_bytes())
    return digest.hexdigest()


def _training_facts(path: Path) -> tuple[str, str, str, list[str]]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        run_id, version, digest = (str(facts[key]) for key in ("mlflow_run", "model_version", "renders_sha256"))
        return run_id, version, digest, [str(name) for name in facts["held_out"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: expected the record of a training, got {error}") from None


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
        points = find_landmarks(to_tensor(folder.read_pixels(int(row)))[None], finder)
        if points is not None:
            found.append(points[0, :, :2])
    if not found:
        raise FormatError(f"{folder.path}: expected renders that show a face, found none in {FRAMED} of them")
    return torch.stack(found).mean(0)


def _sheet(imitator: Imitator, faces: Faces, rows: np.ndarray) -> np.ndarray:
    parameters, pictures = faces.batch(rows)
    with torch.no_grad():
        drawn = imitator(parameters.to(next(imitator.parameters()).device)).cpu()
    return side_by_side(pictures, drawn)
