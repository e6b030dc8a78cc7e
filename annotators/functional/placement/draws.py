"""What the functions of this room draw from: a `numpy.random.Generator`, or a record of draws."""

from typing import Protocol


class Draws(Protocol):
    """The three calls of `numpy.random.Generator` that are used, one number each."""

    def integers(self, low: int, high: int, /) -> int:
        """low <= number < high."""
        ...

    def uniform(self, low: float, high: float, /) -> float: ...

    def random(self) -> float: ...
