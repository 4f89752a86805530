"""The learning rate as a pure function of the step, and which pictures are learned from when."""

from collections.abc import Sequence
from dataclasses import dataclass


def quadratic_decay(step: int, total: int, peak: float, floor: float) -> float:
    """Learning rate at ``step``: ``peak + floor`` at 0, ``floor`` at ``total``.

    lr(t) = peak * (1 - t)**2 + floor, t = step / total; the schedule of the original Imitator, without its
    staircase.

    Args:
        step: 0 to ``total``.
        total: steps of the whole training, at least 1.
        peak: rate above the floor at the start.
        floor: rate at the end.

    Example:
        >>> [quadratic_decay(step, 10, peak=1.0, floor=0.25) for step in (0, 5, 10)]
        [1.25, 0.5, 0.25]
    """
    return peak * (1 - step / total) ** 2 + floor


@dataclass(frozen=True)
class Phase:
    """The steps that learn pictures of one size.

    Attributes:
        side: of the pictures, in pixels.
        before: steps of all phases before.
        steps: of this one.
        seen: pictures that all phases before have shown.
        batch_size: pictures per step.
        peak: learning rate at its start, above the floor.
    """

    side: int
    before: int
    steps: int
    seen: int
    batch_size: int
    peak: float

    def seen_after(self, step: int) -> int:
        """How many pictures the training has shown after ``step`` steps, the last of them in this phase."""
        return self.seen + (step - self.before) * self.batch_size

    def rate(self, step: int, floor: float, *, warm_up: int = 0) -> float:
        """Learning rate after ``step`` steps of the training: each phase has a decay of its own.

        Args:
            step: steps of the whole training.
            floor: rate at the end.
            warm_up: steps in which the rate rises from nothing, of a short phase a quarter at most.
        """
        done = step - self.before
        rising = min(1.0, (done + 1) / max(1.0, min(warm_up, self.steps / 4)))
        return rising * quadratic_decay(done, self.steps, self.peak, floor)


def growth(sides: Sequence[int], steps: int, batch_size: int, peak: float) -> tuple[Phase, ...]:
    """From small pictures to large ones: most of what a face looks like is learned where steps are cheap.

    Every size has half the steps of the size before and half the pictures per step. A pixel takes about as long to
    learn from in any size, so the sizes take about as long as each other. The learning rate falls with the pictures
    per step. Progressive growing is that of arXiv:1710.10196, without its fading in.

    Args:
        sides: in pixels, ascending, each twice the one before.
        steps: of all phases, at least 1.
        batch_size: pictures per step in the last phase.
        peak: learning rate at the start of the first phase, above the floor.

    Returns:
        The phases in their order; those of a short training that come to no step are left out.
    """
    ends = [steps * (2 ** len(sides) - 2 ** (len(sides) - 1 - k)) // (2 ** len(sides) - 1) for k in range(len(sides))]
    ends[-1] = steps
    phases: list[Phase] = []
    before = seen = 0
    for k, (side, end) in enumerate(zip(sides, ends, strict=True)):
        if end > before:
            pictures = batch_size * 2 ** (len(sides) - 1 - k)
            phases.append(Phase(side, before, end - before, seen, pictures, peak / 2**k))
            before, seen = end, seen + (end - before) * pictures
    return tuple(phases)
