from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facenn.arrays import Floats
from facenn.fitting.guess import MOST, SURE, Guess, Translator, load_translator, plausible
from facenn.fitting.locks import Lock
from facenn.networks.translator import MOVED, TranslatorNetwork, save_translator
from facenn.perception.features import FeatureReader
from facenn.perception.irises import cleared
from facenn.perception.observation import Observation
from facenn.schema import ParameterSchema
from tests.fitting.conftest import SCHEMA, ToyObserver


@pytest.fixture
def seen(observer: ToyObserver) -> Observation:
    return observer.observe(SCHEMA.neutral()[None], observer.reference)


@pytest.fixture
def translator(observer: ToyObserver, seen: Observation) -> Translator:
    """One that says the mean but for the options of the first choice and sex, which it tells from the iris."""
    reader = FeatureReader(observer.reference, observer.spots)
    network = TranslatorNetwork({"iris": (3, 1)}, len(SCHEMA.sliders), (3, 2), hidden=2)
    network.get_buffer("iris_axes").fill_(1)
    network.middle.fill_(0.4)
    network.deviation.fill_(0.2)
    network.residual.copy_(torch.tensor([0.2, 0.1, 0.0, 0.19, 0.1, 0.1, 0.1]))
    network.direct.weight.data[[7, 12]] = 10
    network.reference.copy_(torch.from_numpy(observer.reference))
    return Translator(SCHEMA, network.eval().requires_grad_(False), reader)


def traits(logit: float) -> Floats:
    return np.array([[30, logit]], np.float32)


def test_guess_is_made_of_means_and_probabilities(translator: Translator, seen: Observation) -> None:
    guess = translator.guess(seen, traits(0))
    assert guess.sliders == pytest.approx(0.4)
    iris = float(cleared(seen.iris).sum())
    assert guess.options["hair.style"][0] == pytest.approx(np.exp(10 * iris) / (np.exp(10 * iris) + 2), rel=1e-4)
    assert guess.options["brow.style"].tolist() == [0.5, 0.5]
    assert guess.strangeness == pytest.approx(iris**2, rel=1e-4)
    assert guess.vector().shape == (SCHEMA.size,)


def test_sex_is_softened_by_what_the_translator_sees(translator: Translator, seen: Observation) -> None:
    sees_a_man = translator.guess(seen, traits(0)).man
    assert 0.5 < sees_a_man < 1
    assert translator.guess(seen, traits(-1)).man < sees_a_man < translator.guess(seen, traits(1)).man
    network = translator.network
    network.direct.weight.data[12] = 0
    assert translator.guess(seen, traits(0)).man == 0.5


def test_emphasis_gives_sliders_the_spread_of_people_as_far_as_they_are_told(translator: Translator) -> None:
    guess = Guess(np.full(7, 0.5, np.float32), {}, 0.5, 1.0)
    apart = (translator.emphasised(guess).sliders - 0.4) / 0.1
    assert apart[2] == pytest.approx(1)  # told exactly
    assert apart[1] == pytest.approx(np.sqrt(1 / 0.75), rel=1e-5)
    assert apart[[0, 3]] == pytest.approx(MOST)  # hardly told: noise is not emphasised without end


def test_translator_is_read_from_its_file(tmp_path: Path, translator: Translator, seen: Observation) -> None:
    save_translator(tmp_path / "t.safetensors", translator.network, SCHEMA)
    loaded = load_translator(tmp_path / "t.safetensors", expect=SCHEMA)
    assert loaded.spread == pytest.approx(translator.spread)
    assert loaded.frame.shape == (478, 2)
    before, after = (t.guess(seen, traits(1)) for t in (translator, loaded))
    assert after.vector() == pytest.approx(before.vector(), abs=1e-3)


def test_vector_holds_the_options_where_the_schema_has_them(portrait: ParameterSchema) -> None:
    options = {c.name: np.eye(len(c.options), dtype=np.float32)[1] for c in portrait.choices}
    guess = Guess(portrait.neutral()[:len(portrait.sliders)], options, 0.5, 1.0)
    named = portrait.to_named(guess.vector())
    assert {c.name: named[c.name] for c in portrait.choices} == {c.name: c.options[1] for c in portrait.choices}
    assert replace(guess, man=1.0).vector().tolist() == guess.vector().tolist()


def guess_of(schema: ParameterSchema, man: float) -> Guess:
    return Guess(np.full(len(schema.sliders), 0.6, np.float32),
                 {c.name: np.full(len(c.options), 1 / len(c.options), np.float32) for c in schema.choices}, man, 1.0)


@pytest.mark.parametrize(("man", "beard", "make_up"), [
    (0.1, 0, 0.6), (0.5, 0, 0.6), ((0.5 + SURE) / 2, 0.3, 0.3), (SURE, 0.6, 0), (0.99, 0.6, 0)])
def test_beards_come_and_make_up_goes_with_the_certainty_of_a_man(
        portrait: ParameterSchema, man: float, beard: float, make_up: float) -> None:
    found = plausible(guess_of(portrait, man), portrait, Lock.of((), portrait)).sliders
    assert found[portrait.with_role("beard")] == pytest.approx(beard, abs=1e-6)
    assert found[portrait.with_role("make-up")] == pytest.approx(make_up, abs=1e-6)
    others = set(range(len(found))) - {*portrait.with_role("beard", "make-up")}
    assert found[sorted(others)] == pytest.approx(0.6)


def test_a_locked_sex_is_certain(portrait: ParameterSchema) -> None:
    lock = Lock.of(("person.gender=0.9",), portrait)
    found = plausible(guess_of(portrait, 0.01), portrait, lock)
    assert found.man == 1
    assert found.sliders[portrait.with_role("beard")] == pytest.approx(0.6)


def test_character_without_sex_keeps_everything() -> None:
    same = guess_of(SCHEMA, 0.1)
    assert plausible(same, SCHEMA, Lock.of((), SCHEMA)) is same


def test_translator_knows_how_features_change_with_sliders(translator: Translator) -> None:
    kinds = dict.fromkeys(MOVED, (4, 1))
    network = TranslatorNetwork({"iris": (3, 1), **kinds}, len(SCHEMA.sliders), (3, 2), hidden=2)
    network.get_buffer("tones_jacobian")[2, 5] = 0.25
    found = replace(translator, network=network).jacobian
    assert {kind: slopes.shape for kind, slopes in found.items()} == dict.fromkeys(MOVED, (4, len(SCHEMA.sliders)))
    assert found["tones"][2, 5] == 0.25
    assert float(found["tones"].sum()) == 0.25
