"""Where a project keeps things, and which device computes: what the command line and the flows share."""

import os
from pathlib import Path

PRETRAINED = Path("data/pretrained")
CHAMPION = PRETRAINED / "imitator-portrait.safetensors"
RENDERS, PHOTOS = Path("data/renders"), Path("data/photos")
MODELS, REPORTS, FITS = Path("models"), Path("reports"), Path("results/fits")
RUNS = Path("runs")  # no DVC stage writes there, so a fit leaves `dvc status` as it was
STATE = Path(".facenn")


def choose_device(name: str | None = None) -> str:
    """The device that computes: the one asked for, else FACENN_DEVICE, else a GPU where there is one."""
    import torch

    return name or os.environ.get("FACENN_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a local store in the project."""
    from facenn.tracking import local_store

    return os.environ.get("MLFLOW_TRACKING_URI") or local_store(STATE / "mlflow")
