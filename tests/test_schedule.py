import numpy as np
import pytest

from facenn.schedule import growth, quadratic_decay


def test_quadratic_decay_has_known_values() -> None:
    assert quadratic_decay(0, 100, 0.1, 0.002) == pytest.approx(0.102)
    assert quadratic_decay(50, 100, 0.1, 0.002) == pytest.approx(0.027)
    assert quadratic_decay(100, 100, 0.1, 0.002) == 0.002


def test_quadratic_decay_never_rises() -> None:
    rates = [quadratic_decay(step, 37, 0.01, 0.001) for step in range(38)]
    assert rates == sorted(rates, reverse=True)


def test_growth_takes_about_as_long_with_each_size() -> None:
    phases = growth((64, 128, 256), 700, 4, 0.8)
    assert [(p.side, p.before, p.steps) for p in phases] == [(64, 0, 400), (128, 400, 200), (256, 600, 100)]
    assert [(p.batch_size, p.seen, p.peak) for p in phases] == [(16, 0, 0.8), (8, 6400, 0.4), (4, 8000, 0.2)]
    pixels = [p.steps * p.batch_size * p.side**2 for p in phases]
    assert pixels == [pixels[0]] * 3


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 500])
def test_growth_comes_to_the_steps_it_was_given_and_ends_with_the_largest(steps: int) -> None:
    phases = growth((64, 128, 256, 512), steps, 4, 0.1)
    assert sum(phase.steps for phase in phases) == steps
    assert [phase.before for phase in phases] == np.cumsum([0, *(phase.steps for phase in phases[:-1])]).tolist()
    assert phases[-1].side == 512 and all(phase.steps > 0 for phase in phases)


def test_growth_of_one_size_is_the_plain_decay() -> None:
    (phase,) = growth((512,), 100, 4, 0.1)
    assert [phase.rate(step, 0.002) for step in (0, 50)] == [quadratic_decay(step, 100, 0.1, 0.002) for step in (0, 50)]
    assert phase.seen_after(3) == 12


def test_every_phase_has_a_decay_of_its_own() -> None:
    first, second = growth((64, 128), 30, 4, 0.8)
    assert first.rate(0, 0) == 0.8 and second.rate(20, 0) == 0.4
    assert first.rate(19, 0) < 0.01 and second.rate(29, 0) < 0.01
    assert second.seen_after(20) == first.seen_after(20) == 160


def test_a_rate_that_warms_up_rises_to_the_decay() -> None:
    (phase,) = growth((512,), 100, 4, 0.1)
    rates = [phase.rate(step, 0, warm_up=10) for step in range(100)]
    assert rates[0] == pytest.approx(0.01) and rates[:10] == sorted(rates[:10])
    assert rates[10:] == [phase.rate(step, 0) for step in range(10, 100)]
    (short,) = growth((512,), 8, 4, 0.1)
    assert short.rate(0, 0, warm_up=50) == pytest.approx(0.05)
