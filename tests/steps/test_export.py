from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from facenn.errors import CheckpointError, FormatError, MissingFileError
from facenn.networks.architectures import CLASSES, build
from facenn.networks.checkpoints import load_imitator, save_imitator
from facenn.schema import ParameterSchema
from facenn.steps import export
from facenn.steps.export import TOLERANCE, export_onnx

PACKAGES = ("onnx", "onnxruntime", "onnxscript")


@pytest.fixture(scope="module", params=CLASSES)
def model(request: pytest.FixtureRequest, portrait: ParameterSchema, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Imitator of each architecture, with two sizes where it grows."""
    imitator = build(request.param, portrait.size, resolution=128, generator=torch.Generator().manual_seed(4))
    path = tmp_path_factory.mktemp("model") / "imitator.safetensors"
    save_imitator(path, imitator, portrait)
    return path


@pytest.fixture(scope="module")
def written(model: Path, tmp_path_factory: pytest.TempPathFactory) -> export.Exported:
    for package in PACKAGES:
        pytest.importorskip(package, reason=f"{package}, which takes part in writing ONNX, is not installed")
    return export_onnx(model, tmp_path_factory.mktemp("onnx") / "imitator.onnx")


def test_exported_imitator_draws_the_same_in_onnx_runtime_for_any_number_of_faces(
    written: export.Exported, model: Path, portrait: ParameterSchema
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    assert written.difference <= TOLERANCE and written.bytes == written.path.stat().st_size
    imitator, _ = load_imitator(model)
    for count in (1, 2, 5):
        faces = np.stack([portrait.sample(np.random.default_rng(100 + i)) for i in range(count)])
        (pictures,) = session.run(["picture"], {"parameters": faces})
        drawn = imitator(torch.from_numpy(faces)).detach().numpy()
        assert pictures.shape == (count, 3, 128, 128) and drawn.std() > 0
        assert np.abs(pictures - drawn).max() < TOLERANCE


def test_exported_imitator_says_whose_parameters_it_takes(written: export.Exported, portrait: ParameterSchema) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    metadata = onnxruntime.InferenceSession(written.path).get_modelmeta().custom_metadata_map
    assert ParameterSchema.from_json(metadata["schema"]) == portrait


def test_export_that_draws_something_else_is_refused_and_leaves_no_file(
    written: export.Exported, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(FormatError, match=r"expected the pictures of .* they differ by"):
        export_onnx(model, tmp_path / "imitator.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", PACKAGES)
def test_export_names_the_package_that_is_not_installed(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    find: Callable[[str], object] = lambda name: None if name == package else name  # noqa: E731 (one line says it)
    monkeypatch.setattr("importlib.util.find_spec", find)
    with pytest.raises(MissingFileError, match=rf"expected the package {package}, .*facenn\[convert\]"):
        export_onnx(toy_model, tmp_path / "imitator.onnx")


def test_export_refuses_what_is_no_imitator(written: export.Exported, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        export_onnx(tmp_path / "model.safetensors", tmp_path / "imitator.onnx")
