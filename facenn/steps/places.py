"""Where a project keeps things, and which device computes: what the command line and the flows share."""

import os
import platform
from pathlib import Path

from facenn.errors import ConfigError

PRETRAINED = Path("data/pretrained")
CHAMPION = PRETRAINED / "imitator-portrait.safetensors"
RENDERS, UNITY = Path("data/renders"), Path("data/unity")
MODELS, REPORTS = Path("models"), Path("reports")
RUNS = Path("runs")  # no DVC stage writes there, so a fit leaves `dvc status` as it was
# DVC runs an experiment in a copy that it deletes, and names the project itself: what outlasts a command stays there.
STATE = Path(os.environ.get("DVC_ROOT", "")) / ".facenn"
LIBRARIES = STATE / "library"
FETCHED = STATE / "models"  # copies out of the registry
ALIVE = STATE / "flow-runs"  # one locked file per flow run that goes on
MLFLOW_PAGE = "FACENN_MLFLOW_PAGE"  # variable with the address of MLflow's pages, where the store has none itself


def choose_device(name: str | None = None) -> str:
    """The device that computes: the one asked for, else FACENN_DEVICE, else a GPU where there is one.

    Under torchrun "cuda" is the GPU with the number of the process.

    Raises:
        ConfigError: no such device on this machine.
    """
    import torch

    wanted = name or os.environ.get("FACENN_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and "LOCAL_RANK" in os.environ:
        wanted = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"expected a device such as cpu or cuda, got {wanted!r}: {reason}") from None
    return wanted


def device_name(device: str) -> str:
    """Of a GPU its own name, of a CPU what Python knows of it."""
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a local store in the project."""
    from facenn.tracking import local_store

    return os.environ.get("MLFLOW_TRACKING_URI") or local_store(STATE / "mlflow")


def experiment_tags() -> dict[str, str]:
    """The name of the DVC experiment that this command is a part of, for its MLflow run."""
    name = os.environ.get("DVC_EXP_NAME")
    return {"dvc_experiment": name} if name else {}
