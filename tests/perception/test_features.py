from dataclasses import replace

import numpy as np
import pytest

from facenn.arrays import Floats
from facenn.perception.cells import CELLS
from facenn.perception.features import FeatureReader
from facenn.perception.observation import Observation

TRAITS = np.array([[30.0, -3.0], [50.0, 6.0]], np.float32)


@pytest.fixture
def reader() -> FeatureReader:
    return FeatureReader.of(np.random.default_rng(0).uniform(0.2, 0.8, (478, 2)).astype(np.float32))


def seen(reader: FeatureReader, points: Floats) -> Observation:
    count, chance = len(points), np.random.default_rng(1)
    return Observation(*(chance.random(shape, np.float32) if shape else points for shape in (
        (count, 7), (), (count, len(reader.spots), 3), (count, 3), (count, CELLS, CELLS), (count, 3))))


def test_features_of_each_kind_are_one_row_per_picture(reader: FeatureReader) -> None:
    found = reader.read(seen(reader, np.tile(reader.reference, (2, 1, 1))), TRAITS)
    assert {kind: values.shape for kind, values in found.items()} == {
        "embedding": (2, 7), "points": (2, 936), "tones": (2, 3 * reader.spots.patches),
        "relief": (2, len(reader.spots)), "iris": (2, 3), "cover": (2, CELLS**2), "hair": (2, 3), "traits": (2, 2)}
    assert all(values.dtype == np.float32 for values in found.values())
    assert found["traits"] == pytest.approx(np.array([[3, np.tanh(-1.5)], [5, np.tanh(3)]]))


def test_features_do_not_say_where_a_face_is_how_large_and_how_turned(reader: FeatureReader) -> None:
    turned = np.stack([reader.reference, 0.3 * reader.reference[:, ::-1] * [-1, 1] + 0.4]).astype(np.float32)
    found = reader.read(seen(reader, turned), TRAITS)["points"]
    assert found[1] == pytest.approx(found[0], abs=1e-4)


def test_features_of_points_are_in_distances_between_the_eyes(reader: FeatureReader) -> None:
    twice = FeatureReader(2 * reader.reference, reader.spots)
    one = seen(reader, reader.reference[None])
    other = replace(one, points=2 * one.points)
    spread = [np.ptp(r.read(o, TRAITS[:1])["points"].reshape(-1, 2), 0) for r, o in ((reader, one), (twice, other))]
    assert spread[0] == pytest.approx(spread[1], rel=1e-4)
