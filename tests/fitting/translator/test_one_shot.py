import numpy as np
import pytest

from facenn.fitting.guess import Translator
from facenn.fitting.locks import Lock
from facenn.fitting.translator.one_shot import translate
from facenn.networks.translator import TranslatorNetwork
from facenn.perception.features import FeatureReader
from tests.fitting.conftest import SCHEMA, ToyObserver


def test_translation_is_valid_and_as_locked(observer: ToyObserver) -> None:
    network = TranslatorNetwork({"iris": (3, 1)}, len(SCHEMA.sliders), (3, 2), hidden=2)
    network.middle.fill_(0.4)
    network.deviation.fill_(0.2)
    network.last.bias.data[9] = 1  # long hair
    reader = FeatureReader(observer.reference, observer.spots)
    translator = Translator(SCHEMA, network.eval().requires_grad_(False), reader)
    seen, traits = observer.observe(SCHEMA.neutral()[None], observer.reference), np.zeros((1, 2), np.float32)
    lock = Lock.of(("shape.1=0.9", "brow.style=thick"), SCHEMA)
    found = translate(seen, traits, translator, lock)
    assert SCHEMA.to_named(found.vector) == {
        **{s.name: pytest.approx(0.4) for s in SCHEMA.sliders}, "shape.1": pytest.approx(0.9), "hair.style": "long",
        "brow.style": "thick"}
    assert found.relaxed[SCHEMA.slices["hair.style"]].sum() == pytest.approx(1)
    assert {name: len(losses) for name, losses in found.history.items()} == {"total": 1}
    assert (found.first_step, found.drawn) == (0, 0)
