"""Where a project keeps things, and which device computes: what the command line and the flows share."""

import os
import platform
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from facenn.errors import ConfigError, MissingFileError

HOME = "FACENN_HOME"  # variable with the folder of what facenn keeps between commands
# Results go below the current folder. No DVC stage writes to runs/, so a fit leaves `dvc status` as it was.
RENDERS, UNITY, MODELS, REPORTS, RUNS = (Path(p) for p in ("data/renders", "data/unity", "models", "reports", "runs"))
SHIPPED = Path(__file__).parents[1] / "pretrained"  # in a checkout a link to data/pretrained
MLFLOW_PAGE = "FACENN_MLFLOW_PAGE"  # variable with the address of MLflow's pages, where the store has none itself


@dataclass(frozen=True)
class Project:
    """Where commands find what ships, and keep what outlasts them.

    Attributes:
        pretrained: folder of the frozen networks and the shipped Imitators.
        state: folder of training states, examples, copies out of the registry and the local MLflow store.
        tracking: MLflow's tracking URI.
    """

    pretrained: Path
    state: Path
    tracking: str

    @classmethod
    def here(cls) -> "Project":
        """The project of the current folder, or of a folder above it; elsewhere what was installed with the package.

        The state is in the folder that FACENN_HOME names, else in ``.facenn`` of the project (of an experiment: of the
        project that DVC copied), or of the checkout that the package lies in, else in the user's data folder.
        ``MLFLOW_TRACKING_URI`` may name another store for trainings.

        Raises:
            MissingFileError: the networks are nowhere, or have not been fetched.
        """
        from facenn.tracking import local_store

        found = _found()
        pretrained = found / "data/pretrained" if found is not None else SHIPPED.resolve()
        if not (pretrained / "blazeface.safetensors").is_file():
            fetch = " there; fetch them with: dvc pull" if _is_project(pretrained.parents[1]) else ""
            raise MissingFileError(f"expected the pretrained networks in {pretrained}, found none{fetch}")
        state = state_folder()
        return cls(pretrained, state, os.environ.get("MLFLOW_TRACKING_URI") or local_store(state / "mlflow"))

    def resolved(self) -> "Project":
        """The same with absolute paths, for other processes."""
        return replace(self, pretrained=self.pretrained.resolve(), state=self.state.resolve())

    @property
    def examples(self) -> Path:
        """Folder of the examples that Translators learn from."""
        return self.state / "examples"

    @property
    def fetched(self) -> Path:
        """Folder of the copies out of the registry."""
        return self.state / "models"

    @property
    def trainings(self) -> Path:
        """Folder of training states, from which killed runs continue."""
        return self.state / "training"


def _is_project(folder: Path) -> bool:
    """Whether the networks, or the files by which DVC tracks them, are below a folder."""
    return any((folder / "data/pretrained").glob("blazeface.safetensors*"))


def _found() -> Path | None:
    """The project of the current folder, or of the nearest folder above it."""
    return next((folder for folder in (Path(), *Path.cwd().parents) if _is_project(folder)), None)


def state_folder() -> Path:
    """The folder of what outlasts a command, see ``Project.here``; needs no networks."""
    found, checkout = _found(), SHIPPED.resolve().parents[1]
    users = Path(os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()) / "facenn"
    if home := os.environ.get(HOME):
        return Path(home)
    if root := os.environ.get("DVC_ROOT"):  # DVC runs an experiment in a copy that it deletes
        return Path(root) / ".facenn"
    if found is not None:
        return found / ".facenn"
    if _is_project(checkout) and os.access(checkout, os.W_OK):
        return checkout / ".facenn"
    if _can_be_made(users):
        return users
    return Path(tempfile.gettempdir()) / f"facenn-{os.getuid()}"


def flow_runs() -> Path:
    """Folder with one locked file per flow run that goes on."""
    return state_folder() / "flow-runs"


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there and writable, or can be made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return there.is_dir() and os.access(there, os.W_OK)


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


def experiment_tags() -> dict[str, str]:
    """The name of the DVC experiment that this command is a part of, for its MLflow run."""
    name = os.environ.get("DVC_EXP_NAME")
    return {"dvc_experiment": name} if name else {}
