import numpy as np
import pytest
import torch

from facenn.arrays import Floats, Vector
from facenn.networks.translator import AXES, TranslatorNetwork
from facenn.people import random_vector
from facenn.schema import Choice, ParameterSchema, Slider
from facenn.translating import (
    SEX_OFF,
    YEARS_OFF,
    held_out,
    mean_jacobian,
    measure_translator,
    told_traits,
    train_translator,
)

SCHEMA = ParameterSchema(
    "toy", 0, (Slider("sex", "Person", "Sex", role="sex"), Slider("tone", "Skin", "Tone"), Slider("ears", "Ears", "E")),
    (Choice("hat", "Hat", "Hat", ("none", "cap"), "none"),))
REFERENCE = np.zeros((478, 2), np.float32)


def toy(count: int, seed: int) -> tuple[dict[str, Floats], Vector]:
    """People whose features are mixtures of their sex, tone and hat; nothing is seen of their ears."""
    chance = np.random.default_rng(seed)
    vectors = np.stack([SCHEMA.sample(chance) for _ in range(count)])
    mixing = np.random.default_rng(0).normal(size=(3, 6))
    features = {kind: (vectors[:, [0, 1, 3]] @ mixing + 0.01 * chance.normal(size=(count, 6))).astype(np.float32)
                for kind in AXES}
    return features, vectors


def trained(seed: int = 0, log: list[float] | None = None) -> TranslatorNetwork:
    features, vectors = toy(600, 1)
    return train_translator(features, vectors, SCHEMA, reference=REFERENCE, frame=REFERENCE + 0.5, epochs=30,
                            batch_size=32, rate=3e-3, seed=seed, hidden=16,
                            log=lambda epoch, figures: None if log is None else log.append(figures["train/loss"]))


def test_translator_tells_what_is_seen_and_nothing_of_what_is_not() -> None:
    losses: list[float] = []
    network = trained(log=losses)
    found = measure_translator(network, *toy(300, 2), SCHEMA)
    assert len(losses) == 30
    assert losses[-1] < 0.7 * losses[0]
    assert found.explained["Person"] > 0.9
    assert found.explained["Skin"] > 0.9
    assert abs(found.explained["Ears"]) < 0.15
    assert found.accuracy["hat"] > 0.97
    assert found.sex is not None
    assert found.sex > 0.9
    assert found.figures()["error/Skin"] == found.error["Skin"] < found.error["Ears"]
    assert float(network.residual[2]) == pytest.approx(float(network.deviation[2]), rel=0.15)
    assert float(network.residual[1]) < 0.3 * float(network.deviation[1])


def test_training_follows_from_its_seed_and_leaves_other_chance_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = trained(), trained(), trained(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.last.weight, again.last.weight)
    assert not torch.equal(first.last.weight, other.last.weight)


def test_the_same_people_are_held_out_by_every_training() -> None:
    numbers = np.arange(25)
    assert numbers[held_out(numbers)].tolist() == [9, 19]
    assert held_out(numbers[5:]).tolist() == held_out(numbers).tolist()[5:]


def test_traits_are_told_with_the_errors_of_a_network(portrait: ParameterSchema) -> None:
    vectors = np.stack([random_vector(portrait, 0, i) for i in range(2000)])
    years, logit = told_traits(vectors, portrait, np.random.default_rng(0)).T
    man = vectors[:, portrait.slider_of("sex") or 0] > 0.5
    assert np.mean((logit > 0) != man) == pytest.approx(SEX_OFF, abs=0.02)
    assert np.std(years - 20 - 50 * vectors[:, portrait.slider_of("age") or 0]) == pytest.approx(YEARS_OFF, rel=0.1)
    assert not told_traits(SCHEMA.sample(np.random.default_rng(0))[None, 1:], ParameterSchema(
        "ageless", 0, SCHEMA.sliders[1:], SCHEMA.choices), np.random.default_rng(0)).any()


def test_mean_jacobian_is_how_features_go_with_parameters() -> None:
    chance = np.random.default_rng(3)
    vectors = chance.random((4000, 5)).astype(np.float32)
    slopes = chance.normal(size=(7, 5))
    features = (2 + vectors @ slopes.T + 0.1 * chance.normal(size=(4000, 7))).astype(np.float32)
    assert mean_jacobian(features, vectors) == pytest.approx(slopes, abs=0.1 * float(np.abs(slopes).max()) + 0.05)


def test_mean_jacobian_says_nothing_of_what_never_varies() -> None:
    vectors = np.random.default_rng(4).random((500, 2)).astype(np.float32)
    vectors[:, 1] = 0.3
    found = mean_jacobian(vectors[:, :1] * 3, vectors)
    assert found[0, 1] == pytest.approx(0, abs=1e-5)
    assert 1.5 < found[0, 0] < 3  # the ridge takes a part


def test_trained_translator_knows_how_features_change() -> None:
    features, vectors = toy(600, 1)
    slopes = trained().jacobian("tones").numpy()
    true = mean_jacobian(features["tones"], vectors)
    assert slopes.shape == (6, 3)
    assert slopes == pytest.approx(true[:, :3], abs=1e-5)
    assert np.abs(slopes[:, :2]).max() > 10 * np.abs(slopes[:, 2]).max()  # nothing is seen of ears
