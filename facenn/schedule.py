"""The learning rate as a pure function of the step."""


def quadratic_decay(step: int, total: int, peak: float, floor: float) -> float:
    """Learning rate at ``step``: ``peak + floor`` at 0, ``floor`` at ``total``.

    lr(t) = peak * (1 - t)**2 + floor, t = step / total; the schedule of the original Imitator, without its
    staircase.

    Args:
        step: 0 to ``total``.
        total: steps of the whole training, at least 1.
        peak: rate above the floor at the start.
        floor: rate at the end.
    """
    return peak * (1 - step / total) ** 2 + floor
