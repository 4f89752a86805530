import numpy as np
import pytest

from facenn.errors import ConfigError
from facenn.fitting.locks import Lock
from facenn.schema import ParameterSchema


def test_lock_takes_numbers_options_and_neutral_values(portrait: ParameterSchema) -> None:
    lock = Lock.of(("nose.hump=0.3", "hair.style = long", "skin.tone", "eyebrows.style"), portrait)
    named = portrait.to_named(lock.applied(np.full(portrait.size, 0.5, np.float32)))
    neutral = portrait.to_named(portrait.neutral())
    assert (named["nose.hump"], named["hair.style"]) == (0.3, "long")
    assert (named["skin.tone"], named["eyebrows.style"]) == (neutral["skin.tone"], neutral["eyebrows.style"])
    assert lock.held.sum() == 2 + 17 + 8


def test_lock_changes_nothing_else(portrait: ParameterSchema) -> None:
    vectors = np.stack([portrait.sample(np.random.default_rng(i)) for i in range(3)])
    lock = Lock.of(("nose.hump=1",), portrait)
    assert np.array_equal(lock.applied(vectors)[:, ~lock.held], vectors[:, ~lock.held])
    assert lock.applied(vectors)[:, lock.held].tolist() == [[1.0]] * 3
    assert lock.applied(vectors).dtype == np.float32


@pytest.mark.parametrize(("entries", "message"), [
    (("nose.humb=0.3",), "^lock: expected a parameter of character portrait, got 'nose.humb'; the nearest: nose.hump"),
    (("xyzzy",), r"got 'xyzzy'; there are head.age, .* and 134 more$"),
    (("=0.3",), "got ''; there are"),
    (("nose.hump=1.01",), r"^lock: expected a number in \[0, 1\] for nose.hump, got '1.01'$"),
    (("nose.hump=-0.1",), "for nose.hump, got '-0.1'"),
    (("nose.hump=",), "for nose.hump, got ''"),
    (("nose.hump=nan",), "for nose.hump, got 'nan'"),
    (("nose.hump=large",), "for nose.hump, got 'large'"),
    (("hair.style=bold",), r"^lock: expected an option of hair.style, got 'bold'; the nearest: bald, bob, tousled$"),
    (("hair.style=",), "expected an option of hair.style, got ''; there are bald, "),
    (("nose.hump=0.3", "skin.tone", "nose.hump"), "^lock: expected each parameter once, got nose.hump twice$"),
])
def test_lock_refuses_in_one_line(portrait: ParameterSchema, entries: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        Lock.of(entries, portrait)
    assert "\n" not in str(refused.value)
