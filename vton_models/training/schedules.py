"""Learning rate over a run: pure functions of the step, so that resuming needs no scheduler state."""

import math
from collections.abc import Callable


def _constant(step: int, warmup: int, steps: int) -> float:
    return 1.0


def _warmed(step: int, warmup: int) -> float:
    return step / warmup if step < warmup else 1.0


def _constant_with_warmup(step: int, warmup: int, steps: int) -> float:
    return _warmed(step, warmup)


def _cosine(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return _warmed(step, warmup)
    done = (step - warmup) / max(1, steps - warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))


def _linear(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return _warmed(step, warmup)
    return max(0.0, (steps - step) / max(1, steps - warmup))


SCHEDULES: dict[str, Callable[[int, int, int], float]] = {
    "constant": _constant,
    "constant_with_warmup": _constant_with_warmup,
    "cosine": _cosine,
    "linear": _linear,
}


def factor(name: str, step: int, warmup: int, steps: int) -> float:
    """What the learning rate is multiplied with in the step after `step` finished ones, 0–1.

    The curves are those of diffusers' `optimization.get_scheduler`. Raises ValueError for an unknown name.
    """
    if name not in SCHEDULES:
        raise ValueError(f"learning-rate schedule {name!r}; allowed are {', '.join(SCHEDULES)}")
    return SCHEDULES[name](step, warmup, steps)
