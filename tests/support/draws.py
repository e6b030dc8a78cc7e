"""Recorded draws in place of a generator: each call must ask for what was drawn then."""

from collections.abc import Sequence
from typing import Any


class Recorded:
    """`draws`: [kind, low, high, value] in the order of the calls; the kinds are those of numpy's legacy generator."""

    def __init__(self, draws: Sequence[Sequence[Any]]) -> None:
        self.left = list(draws)

    def _next(self, kind: str, low: float, high: float) -> Any:
        assert self.left, f"{kind}({low}, {high}) beyond the recorded draws"
        *asked, value = self.left.pop(0)
        assert asked == [kind, low, high]
        return value

    def integers(self, low: int, high: int) -> int:
        return int(self._next("randint", low, high))

    def uniform(self, low: float, high: float) -> float:
        return float(self._next("uniform", low, high))

    def random(self) -> float:
        return float(self._next("rand", 0.0, 1.0))
