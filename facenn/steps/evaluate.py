"""The stage evaluate: an Imitator measured on the renders that its training held out, and against the champion."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from facenn.arrays import Log
from facenn.config import EvaluateConfig, FitConfig
from facenn.dataset import Faces
from facenn.errors import ConfigError
from facenn.evaluation import HeldOut, Recovery, held_out, recovery
from facenn.exchange.renders import RendersFolder
from facenn.files import replace_text
from facenn.images import write_pixels
from facenn.networks.checkpoints import load_imitator
from facenn.networks.frozen import Frozen, load_frozen
from facenn.networks.imitator import Imitator
from facenn.steps.measure import fit_renders
from facenn.steps.project import Project
from facenn.steps.promotion import Contest, challenge
from facenn.steps.record import MODEL_FILE, RECORD_FILE, TrainingRecord
from facenn.steps.sheets import side_by_side
from facenn.tracking import log_evaluation

FIGURES_FILE = "metrics.json"
SHOWN = 6


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
    record = TrainingRecord.read(model / RECORD_FILE)
    if record.renders_sha256 != folder.digest():
        raise ConfigError(f"{model}: expected the renders that this Imitator was trained on, {renders} holds others")
    rows = np.array([folder.names.index(name) for name in record.held_out])
    faces = Faces(folder, resolution=imitator.resolution)
    measured = held_out(imitator, faces, rows)
    found = None
    if config.recovered:
        found = _recover(config, fit_config, folder, rows, imitator, load_frozen(project.pretrained, device), log)
    contest = challenge(imitator, folder, rows, version=record.model_version, run_id=record.mlflow_run,
                        promote=config.promote, project=project)
    evaluation = Evaluation(measured, found, contest)
    replace_text(out / "evaluation.json", json.dumps(asdict(evaluation), indent=1) + "\n")
    figures = summary(evaluation)
    replace_text(out / FIGURES_FILE, json.dumps({n: round(v, 6) for n, v in figures.items()}, indent=1) + "\n")
    write_pixels(out / "held_out.png", _sheet(imitator, faces, rows[:SHOWN]))
    log_evaluation(project.tracking, record.mlflow_run, figures)
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


def _sheet(imitator: Imitator, faces: Faces, rows: np.ndarray) -> np.ndarray:
    parameters, pictures = faces.batch(rows)
    with torch.no_grad():
        drawn = imitator(parameters.to(next(imitator.parameters()).device)).cpu()
    return side_by_side(pictures, drawn)
