from pathlib import Path

import numpy as np
import pytest
import torch

from facenn.arrays import Floats
from facenn.errors import CheckpointError, SchemaError
from facenn.networks.checkpoints import save_imitator
from facenn.networks.imitator import Imitator
from facenn.networks.translator import TranslatorNetwork, load_translator_network, save_translator
from facenn.schema import Choice, ParameterSchema, Slider

SCHEMA = ParameterSchema("toy", 3, (Slider("a", "A", "A"), Slider("b", "A", "B")),
                         (Choice("hat", "Hat", "Hat", ("none", "cap", "bonnet"), "none"),))


def network() -> TranslatorNetwork:
    torch.manual_seed(0)
    made = TranslatorNetwork({"iris": (3, 3), "hair": (3, 2)}, 2, (3,), hidden=5)
    made.standardise(features())
    torch.nn.init.normal_(made.last.weight)
    return made.eval()


def features(count: int = 50) -> dict[str, Floats]:
    chance = np.random.default_rng(2)
    return {kind: (5 + chance.normal(0, (0.1, 1, 3), (count, 3))).astype(np.float32) for kind in ("iris", "hair")}


def test_reading_varies_by_about_1_around_0() -> None:
    read = network().read(features())
    assert read.shape == (50, 5)
    assert read.mean(0).abs().max() < 1e-5
    assert float(read.square().mean()) == pytest.approx(1, rel=1e-3)


def test_reading_keeps_the_axes_that_vary_most() -> None:
    read = network().read(features())[:, 3:].numpy()
    wide = features()["hair"][:, 2]
    assert abs(np.corrcoef(read[:, 0], wide)[0, 1]) > 0.99


def test_features_that_never_vary_say_nothing_and_fit_into_the_file(tmp_path: Path) -> None:
    made = network()
    made.standardise({**features(), "hair": np.ones((50, 3), np.float32)})
    assert made.read({**features(), "hair": np.ones((50, 3), np.float32)})[:, 3:].tolist() == [[0, 0]] * 50
    save_translator(tmp_path / "t.safetensors", made, SCHEMA)
    assert load_translator_network(tmp_path / "t.safetensors")[0].kinds == made.kinds


def test_untrained_translator_says_the_mean() -> None:
    said = TranslatorNetwork({"iris": (3, 3)}, 2, (3,), hidden=5)(torch.randn(4, 3))
    assert said.sliders.tolist() == [[0, 0]] * 4
    assert [logits.shape for logits in said.options] == [(4, 3)]
    assert said.man.tolist() == [0] * 4


def test_file_holds_the_translator_and_its_schema(tmp_path: Path) -> None:
    made = network()
    made.residual.fill_(0.125)
    slopes = TranslatorNetwork({"tones": (4, 2)}, 2, (3,), hidden=5)
    slopes.get_buffer("tones_jacobian")[1, 0] = 0.25
    save_translator(tmp_path / "slopes.safetensors", slopes, SCHEMA)
    assert load_translator_network(tmp_path / "slopes.safetensors")[0].jacobian("tones").tolist() == [
        [0, 0], [0.25, 0], [0, 0], [0, 0]]
    save_translator(tmp_path / "t.safetensors", made, SCHEMA, notes={"card": "a toy"})
    loaded, schema = load_translator_network(tmp_path / "t.safetensors", expect=SCHEMA)
    assert schema == SCHEMA
    assert loaded.residual.tolist() == [0.125] * 2
    before, after = (n(n.read(features())) for n in (made, loaded))
    assert torch.allclose(before.sliders, after.sliders, atol=0.02)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_translator_of_another_schema_is_refused(tmp_path: Path, portrait: ParameterSchema) -> None:
    with pytest.raises(SchemaError, match="expected a schema of 2 sliders"):
        save_translator(tmp_path / "t.safetensors", network(), portrait)
    save_translator(tmp_path / "t.safetensors", network(), SCHEMA)
    with pytest.raises(CheckpointError, match="expected parameters of character portrait, got toy"):
        load_translator_network(tmp_path / "t.safetensors", expect=portrait)


def test_an_imitator_is_no_translator(tmp_path: Path, toy_imitator: Imitator, portrait: ParameterSchema) -> None:
    save_imitator(tmp_path / "i.safetensors", toy_imitator, portrait)
    with pytest.raises(CheckpointError, match="expected a Translator, got a network called 'imitator'"):
        load_translator_network(tmp_path / "i.safetensors")


def test_features_of_other_networks_are_refused() -> None:
    with pytest.raises(CheckpointError, match="expected 3 features of the kind hair"):
        network().read({"iris": features()["iris"], "hair": features()["hair"][:, :2]})
