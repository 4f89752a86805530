import pytest

from facenn.schedule import quadratic_decay


def test_quadratic_decay_has_known_values() -> None:
    assert quadratic_decay(0, 100, 0.1, 0.002) == pytest.approx(0.102)
    assert quadratic_decay(50, 100, 0.1, 0.002) == pytest.approx(0.027)
    assert quadratic_decay(100, 100, 0.1, 0.002) == 0.002


def test_quadratic_decay_never_rises() -> None:
    rates = [quadratic_decay(step, 37, 0.01, 0.001) for step in range(38)]
    assert rates == sorted(rates, reverse=True)
