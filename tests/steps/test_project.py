import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from facenn.errors import MissingFileError
from facenn.steps import project as module
from facenn.steps.project import Project, experiment_tags
from facenn.tracking import local_store

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "data/photos/astronaut.jpg"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: an empty one, with no variable that leads to another."""
    for name in ("FACENN_HOME", "DVC_ROOT", "MLFLOW_TRACKING_URI", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def lay_networks(folder: Path, name: str = "blazeface.safetensors") -> None:
    folder.mkdir(parents=True)
    (folder / name).touch()


def test_project_is_that_of_the_current_folder(elsewhere: Path) -> None:
    lay_networks(elsewhere / "data/pretrained")
    store = local_store(elsewhere / ".facenn/mlflow")
    assert Project.here() == Project(Path("data/pretrained"), Path(".facenn"), store)


def test_project_is_found_from_a_folder_inside(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_networks(elsewhere / "data/pretrained")
    (elsewhere / "photos").mkdir()
    monkeypatch.chdir(elsewhere / "photos")
    found = Project.here()
    assert found.pretrained == elsewhere / "data/pretrained"
    assert found.state == elsewhere / ".facenn"


def test_project_elsewhere_is_the_checkout_of_the_package(elsewhere: Path) -> None:
    found = Project.here()
    assert found.pretrained == (ROOT / "data/pretrained").resolve()
    assert found.state == ROOT.resolve() / ".facenn"


def test_project_of_an_installed_package_keeps_its_state_with_the_users_data(
        elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_networks(tmp_path / "site-packages/facenn/pretrained")
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "site-packages/facenn/pretrained")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    found = Project.here()
    assert found.pretrained == tmp_path / "site-packages/facenn/pretrained"
    assert found.state == tmp_path / "data/facenn"
    monkeypatch.setenv("FACENN_HOME", str(tmp_path / "mine"))
    assert Project.here().state == tmp_path / "mine"


def test_project_without_a_home_keeps_its_state_in_the_temporary_folder(
        elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_networks(tmp_path / "site-packages/facenn/pretrained")
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "site-packages/facenn/pretrained")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert Project.here().state.name == f"facenn-{os.getuid()}"


def test_project_without_networks_says_where_it_looked(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_networks(elsewhere / "data/pretrained", "blazeface.safetensors.dvc")
    with pytest.raises(MissingFileError, match=r"in data/pretrained, found none there; fetch them with: dvc pull"):
        Project.here()
    (elsewhere / "data/pretrained/blazeface.safetensors.dvc").unlink()
    monkeypatch.setattr(module, "SHIPPED", elsewhere / "nowhere")
    with pytest.raises(MissingFileError, match=r"expected the pretrained networks in .*nowhere, found none$"):
        Project.here()


def test_state_of_an_experiment_outlasts_its_copy(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_networks(elsewhere / "data/pretrained")
    monkeypatch.setenv("DVC_ROOT", "/project")
    assert Project.here().state == Path("/project/.facenn")


def test_fit_works_from_any_folder(elsewhere: Path) -> None:
    """Beside another project's pipeline, whose params.yaml is no matter of ours."""
    (elsewhere / "dvc.yaml").write_text("stages: {train: {cmd: python train.py}}\n")
    (elsewhere / "params.yaml").write_text("train: {lr: 0.1}\n")
    command = [sys.executable, "-m", "facenn", "fit", str(PHOTO), "--steps", "1", "--candidates", "0",
               "--lock", "hair.style", "--lock", "eyebrows.style"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FACENN_DEVICE": "cpu"}
    subprocess.run(command, env=environment, check=True)
    assert (elsewhere / "runs/astronaut/report.html").is_file()
    assert {path.name for path in elsewhere.iterdir()} == {"dvc.yaml", "params.yaml", "runs"}


def test_tags_name_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert experiment_tags() == {}
    monkeypatch.setenv("DVC_EXP_NAME", "hotter")
    assert experiment_tags() == {"dvc_experiment": "hotter"}


def test_package_data_names_every_file_that_ships() -> None:
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["facenn"]
    carried = {path.name for pattern in package_data for path in (ROOT / "facenn").glob(pattern)}
    shipped = {path.name.removesuffix(".dvc") for path in (ROOT / "data/pretrained").glob("[!.]*")}
    assert carried == shipped
