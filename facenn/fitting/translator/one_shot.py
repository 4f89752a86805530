"""A fit in one shot: what a Translator says, made valid, plausible and as locked."""

from facenn.arrays import Floats
from facenn.fitting.guess import Translator, plausible
from facenn.fitting.locks import Lock
from facenn.fitting.prior import as_locked, with_likely_hair
from facenn.fitting.result import FitResult
from facenn.networks.traits import Traits
from facenn.perception.observation import Observation


def translate(seen: Observation, traits: Floats, translator: Translator, lock: Lock) -> FitResult:
    """The parameters that a Translator tells from a photo; nothing is drawn and nothing is searched.

    Args:
        seen: in one aligned photo, see ``Translator.guess``.
        traits: (1, 2) years, and the logit of a man against a woman.
        translator: of the character.
        lock: parameters that stay.

    Returns:
        A result whose history is one row: ``total`` is the guess's strangeness, for nothing was minimised.
    """
    schema = translator.schema
    guess = plausible(translator.emphasised(translator.guess(seen, traits)), schema, lock)
    years = as_locked(Traits(guess.man > 0.5, float(traits[0, 0])), schema, lock).years
    relaxed = lock.applied(with_likely_hair(guess.vector(), schema, years=years))
    return FitResult(schema.project(relaxed), relaxed, {"total": [guess.strangeness]}, first_step=0)
