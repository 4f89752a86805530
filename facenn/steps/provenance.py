"""Where a training comes from and what it takes: commit, version of the data, memory."""

import resource
import subprocess
from pathlib import Path
from typing import Any

import torch
import yaml

from facenn.config import TrainConfig
from facenn.errors import FormatError

# What the pipeline itself rewrites is no change of the code; the data's version is a tag of its own.
GENERATED = ":(top,exclude,glob)**/dvc.lock"


def source_tags(renders: Path) -> dict[str, str]:
    """Tags of a run: the commit and whether files differ from it, and DVC's hash of the renders, where there are any.

    Args:
        renders: a renders folder.
    """
    tags = {"mlflow.source.name": "facenn train", "mlflow.source.type": "LOCAL"}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", GENERATED)
        tags["mlflow.source.git.dirty"] = str(bool(changed)).lower()
    if (data := data_version(renders)) is not None:
        tags["dvc.renders"] = data
    return tags


def run_name(character: str, config: TrainConfig, tags: dict[str, str]) -> str:
    """A name by which a person tells trainings apart: ``portrait-dcgan-512-3000x4-1a2b3c4``, ``+`` if files changed."""
    name = f"{character}-{config.architecture}-{config.resolution}-{config.steps}x{config.batch_size}"
    if commit := tags.get("mlflow.source.git.commit"):
        name += f"-{commit[:7]}" + ("+" if tags["mlflow.source.git.dirty"] == "true" else "")
    return name


def data_version(folder: Path) -> str | None:
    """DVC's hash of a folder, as its ``.dvc`` file or ``dvc.lock`` records it; None where neither does.

    Raises:
        FormatError: a file that is no YAML, such as one with marks of a merge.
    """
    single, lock = folder.with_name(f"{folder.name}.dvc"), Path("dvc.lock")
    outs = []
    if single.is_file():
        outs = [{**out, "path": single.parent / out["path"]} for out in _yaml(single).get("outs", [])]
    elif lock.is_file():
        outs = [out for stage in _yaml(lock).get("stages", {}).values() for out in stage.get("outs", [])]
    return next((str(out["md5"]) for out in outs
                 if Path(out["path"]).resolve() == folder.resolve() and "md5" in out), None)


def memory(device: str) -> dict[str, float]:
    """The most memory that this process has taken so far, and the most of the GPU's, in MiB."""
    peaks = {"memory/process_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # KiB on Linux
    if device.startswith("cuda"):
        peaks["memory/gpu_peak_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peaks


def _git(*arguments: str) -> str:
    """What git answers; nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: expected YAML of DVC, got {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise FormatError(f"{path}: expected YAML of DVC, got {type(raw).__name__}")
    return raw
