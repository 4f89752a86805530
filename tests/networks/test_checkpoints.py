import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from facenn.errors import CheckpointError, MissingFileError, SchemaError
from facenn.networks.architectures import build
from facenn.networks.checkpoints import HEADER, adopt_weights, load_imitator, read_network, save_imitator
from facenn.networks.dcgan import Dcgan
from facenn.networks.imitator import Imitator
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema(
    "toy", 1, tuple(Slider(name, "Face", name) for name in ("width", "height", "nose")),
    (Choice("hair", "Hair", "Hair", ("none", "long"), "none"),),
)


@pytest.fixture
def imitator() -> Imitator:
    network = Dcgan(SCHEMA.size, resolution=32, generator=torch.Generator().manual_seed(0))
    network(torch.rand(8, SCHEMA.size))  # statistics that are not those of a fresh network
    return network.eval()


@pytest.fixture
def path(tmp_path: Path, imitator: Imitator) -> Path:
    path = tmp_path / "imitator.safetensors"
    save_imitator(path, imitator, SCHEMA, notes={"faces": "12"})
    return path


def rewrite(
    path: Path, tensors: dict[str, torch.Tensor] | None = None, changes: dict[str, object] | None = None
) -> None:
    """Write the file again with other tensors or with other entries in its header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    save_file(tensors or load_file(path), path, metadata={HEADER: json.dumps(header | (changes or {}))})


def test_checkpoint_round_trip_draws_the_same_picture(path: Path, imitator: Imitator) -> None:
    loaded, schema = load_imitator(path, expect=SCHEMA)
    vectors = torch.rand(2, SCHEMA.size)
    assert schema == SCHEMA and not loaded.training
    assert torch.equal(loaded(vectors), imitator(vectors))


def test_checkpoint_says_what_it_is_without_facenn(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    assert header["format"] == 1 and header["network"] == "imitator" and header["notes"] == {"faces": "12"}
    assert header["architecture"] == {"name": "dcgan", "parameters": 5, "resolution": 32}
    assert header["schema"]["character"] == "toy"


def test_checkpoint_in_half_precision_is_half_the_size_and_nearly_the_same(
    tmp_path: Path, path: Path, imitator: Imitator
) -> None:
    half = tmp_path / "half.safetensors"
    save_imitator(half, imitator, SCHEMA, half=True)
    loaded, _ = load_imitator(half)
    vectors = torch.rand(2, SCHEMA.size)
    assert half.stat().st_size < 0.55 * path.stat().st_size
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert (loaded(vectors) - imitator(vectors)).abs().max() < 1 / 255


def test_checkpoint_in_half_precision_keeps_tiny_and_huge_statistics(
    tmp_path: Path, imitator: Imitator
) -> None:
    variance = imitator.get_buffer("layers.1.running_var")
    variance[0], variance[1] = 1e-9, 1e9
    save_imitator(tmp_path / "half.safetensors", imitator, SCHEMA, half=True)
    loaded, _ = load_imitator(tmp_path / "half.safetensors")
    assert torch.equal(loaded.get_buffer("layers.1.running_var"), variance)


def test_checkpoint_in_half_precision_keeps_where_landmarks_are(tmp_path: Path, imitator: Imitator) -> None:
    imitator.frame.fill_(255.3)  # a pixel coordinate that 16 bits would round
    save_imitator(tmp_path / "half.safetensors", imitator, SCHEMA, half=True)
    loaded, _ = load_imitator(tmp_path / "half.safetensors")
    assert torch.equal(loaded.frame, imitator.frame)


def test_checkpoint_of_the_same_network_has_the_same_bytes(
    tmp_path: Path, path: Path, imitator: Imitator
) -> None:
    save_imitator(tmp_path / "again.safetensors", imitator, SCHEMA, notes={"faces": "12"})
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("expected", "sentence"), [
    (replace(SCHEMA, character="anna"), "expected parameters of character anna, got toy"),
    (replace(SCHEMA, version=2), "expected version 2 of the schema of toy, got version 1"),
    (replace(SCHEMA, sliders=(SCHEMA.sliders[0], Slider("chin", "Face", "Chin"), SCHEMA.sliders[2])),
     "expected column 1 to be chin, got height"),
    (replace(SCHEMA, choices=()), "expected 3 parameters, got 5"),
])
def test_checkpoint_of_another_schema_says_what_differs(
    path: Path, expected: ParameterSchema, sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        load_imitator(path, expect=expected)


def test_checkpoint_that_is_no_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere"):
        load_imitator(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a network", b"\xff" * 64])
def test_checkpoint_that_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        load_imitator(path)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_checkpoint_cut_short_is_refused(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        load_imitator(path)


def test_checkpoint_without_facenns_header_is_refused(path: Path) -> None:
    save_file(load_file(path), path, metadata={"from": "elsewhere"})
    with pytest.raises(CheckpointError, match="has no 'facenn' entry"):
        load_imitator(path)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"format": 9}, "expected format 1, got 9"),
    ({"network": "translator"}, "expected an imitator, got a network called 'translator'"),
    ({"architecture": {"parameters": 5}}, "expected the architecture of an Imitator"),
    ({"architecture": {"parameters": "5", "resolution": 32}}, "expected the architecture of an Imitator"),
    ({"architecture": {"parameters": 5, "resolution": 33}}, "expected the architecture of an Imitator"),
    ({"architecture": {"parameters": 4, "resolution": 32}}, "takes 4 parameters, its schema has 5"),
    ({"architecture": {"parameters": 5, "resolution": 64}}, "expected a tensor layers.9.weight|of shape"),
    ({"schema": {"character": "toy"}}, "expected facenn's header"),
    ({"notes": None, "schema": []}, "expected facenn's header"),
])
def test_checkpoint_with_an_odd_header_is_refused(
    path: Path, changes: dict[str, object], sentence: str
) -> None:
    rewrite(path, changes=changes)
    with pytest.raises(CheckpointError, match=sentence):
        load_imitator(path)


def test_checkpoint_with_odd_tensors_is_refused(path: Path) -> None:
    tensors = load_file(path)
    name = "layers.0.weight"
    broken = {
        f"expected a tensor {name}, found none": {k: v for k, v in tensors.items() if k != name},
        f"expected {name} of shape": tensors | {name: tensors[name][:2].clone()},
        f"expected finite numbers in {name}": tensors | {name: tensors[name] * float("nan")},
        "found extra besides": tensors | {"extra": torch.zeros(1)},
    }
    for sentence, odd in broken.items():
        rewrite(path, odd)
        with pytest.raises(CheckpointError, match=sentence):
            load_imitator(path)


def test_checkpoint_is_not_written_for_a_schema_of_another_size(tmp_path: Path, imitator: Imitator) -> None:
    with pytest.raises(SchemaError, match="expected a schema of 5 parameters"):
        save_imitator(tmp_path / "x.safetensors", imitator, replace(SCHEMA, choices=()))
    assert not list(tmp_path.iterdir())


def test_read_network_gives_tensors_as_they_are_stored(tmp_path: Path, imitator: Imitator) -> None:
    save_imitator(tmp_path / "half.safetensors", imitator, SCHEMA, half=True)
    header, tensors = read_network(tmp_path / "half.safetensors")
    assert header.network == "imitator" and tensors["layers.0.weight"].dtype == torch.float16


WIDER = replace(SCHEMA, character="wider", sliders=(SCHEMA.sliders[0], Slider("chin", "Face", "Chin"),
                                                    *SCHEMA.sliders[1:]))
"""One slider more, in the middle."""


def fresh(size: int, *, resolution: int = 32) -> Imitator:
    return Dcgan(size, resolution=resolution, generator=torch.Generator().manual_seed(9)).eval()


def test_adopted_weights_draw_as_before_where_the_new_parameter_is_neutral(path: Path, imitator: Imitator) -> None:
    grown = fresh(WIDER.size)
    assert adopt_weights(grown, WIDER, path) == SCHEMA.size
    vectors = torch.rand(4, SCHEMA.size)
    wider = torch.full((4, WIDER.size), 0.5)
    wider[:, [WIDER.columns.index(c) for c in SCHEMA.columns]] = vectors
    assert torch.allclose(grown.eval()(wider), imitator(vectors), atol=1e-6)
    wider[:, WIDER.columns.index("chin")] = 1.0
    assert (grown(wider) - imitator(vectors)).abs().max() > 1e-4  # it keeps weights of its own, to learn with


def test_adopted_weights_follow_the_names_and_not_the_order(path: Path, imitator: Imitator) -> None:
    shuffled = replace(SCHEMA, sliders=SCHEMA.sliders[::-1])
    other = fresh(SCHEMA.size)
    assert adopt_weights(other, shuffled, path) == SCHEMA.size
    vectors = torch.rand(4, SCHEMA.size)
    order = [SCHEMA.columns.index(c) for c in shuffled.columns]
    assert torch.allclose(other(vectors[:, order]), imitator(vectors), atol=1e-6)


def test_adopted_weights_leave_parameters_out_that_are_gone(path: Path, imitator: Imitator) -> None:
    narrower = replace(SCHEMA, sliders=SCHEMA.sliders[:2])
    other = fresh(narrower.size)
    assert adopt_weights(other, narrower, path) == narrower.size
    vectors = torch.rand(4, SCHEMA.size)
    vectors[:, 2] = 0.5  # neutral is the middle of the centred inputs
    kept = [SCHEMA.columns.index(c) for c in narrower.columns]
    assert torch.allclose(other(vectors[:, kept]), imitator(vectors), atol=1e-6)


def test_adopted_weights_of_another_architecture_are_refused(path: Path) -> None:
    other = build("pyramid", SCHEMA.size, resolution=32)
    with pytest.raises(CheckpointError, match="of architecture pyramid to start from, got one of dcgan"):
        adopt_weights(other, SCHEMA, path)


def test_adopted_weights_of_a_pyramid_know_new_parameters_from_old_ones(tmp_path: Path) -> None:
    old, grown = (build("pyramid", schema.size, resolution=32, generator=torch.Generator().manual_seed(seed)).eval()
                  for seed, schema in enumerate((SCHEMA, WIDER)))
    save_imitator(tmp_path / "old.safetensors", old, SCHEMA)
    assert adopt_weights(grown, WIDER, tmp_path / "old.safetensors") == SCHEMA.size
    vectors = torch.rand(4, SCHEMA.size)
    wider = torch.full((4, WIDER.size), 0.5)
    wider[:, [WIDER.columns.index(c) for c in SCHEMA.columns]] = vectors
    assert torch.allclose(grown(wider), old(vectors), atol=1e-6)
    wider[:, WIDER.columns.index("chin")] = 1.0
    assert (grown(wider) - old(vectors)).abs().max() > 1e-5


def test_checkpoint_that_names_no_architecture_holds_the_first_there_was(path: Path, imitator: Imitator) -> None:
    rewrite(path, changes={"architecture": {"parameters": 5, "resolution": 32}})
    loaded, _ = load_imitator(path)
    vectors = torch.rand(2, SCHEMA.size)
    assert torch.equal(loaded(vectors), imitator(vectors))


@pytest.mark.parametrize("half", [False, True])
def test_checkpoint_of_a_pyramid_draws_the_same_picture(tmp_path: Path, half: bool) -> None:
    pyramid = build("pyramid", SCHEMA.size, resolution=64, generator=torch.Generator().manual_seed(0)).eval()
    for name in ("whole", "stored"):
        save_imitator(tmp_path / name, pyramid, SCHEMA, half=half and name == "stored")
    loaded, _ = load_imitator(tmp_path / "stored")
    vectors = torch.rand(2, SCHEMA.size)
    assert (loaded(vectors) - pyramid(vectors)).abs().max() <= (2e-3 if half else 0)
    if half:
        assert (tmp_path / "stored").stat().st_size < 0.52 * (tmp_path / "whole").stat().st_size


def test_adopted_weights_bring_the_frame_along(path: Path, imitator: Imitator) -> None:
    imitator.frame.fill_(7.0)
    save_imitator(path, imitator, SCHEMA)
    other = fresh(WIDER.size)
    adopt_weights(other, WIDER, path)
    assert torch.equal(other.frame, imitator.frame)


def test_adopted_weights_of_another_resolution_are_refused(path: Path) -> None:
    larger = fresh(SCHEMA.size, resolution=64)
    before = {name: tensor.clone() for name, tensor in larger.state_dict().items()}
    with pytest.raises(CheckpointError, match="expected an Imitator of 64 pixels to start from, got one of 32"):
        adopt_weights(larger, SCHEMA, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in larger.state_dict().items())


def test_adopted_weights_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere"):
        adopt_weights(fresh(SCHEMA.size), SCHEMA, tmp_path / "nowhere.safetensors")
