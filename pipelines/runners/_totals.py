"""What an engine's job returns for a unit, and how totals add up."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    """What units did, summed; `failure` names the first unit that could not be written, and why."""

    units: int = 0
    records: int = 0
    rejects: int = 0
    seconds: tuple[tuple[str, float], ...] = ()
    failure: str = ""

    def __add__(self, other: "Totals") -> "Totals":
        seconds: Counter[str] = Counter(dict(self.seconds))
        seconds.update(dict(other.seconds))
        failure = min(filter(None, (self.failure, other.failure)), default="")
        return Totals(
            self.units + other.units,
            self.records + other.records,
            self.rejects + other.rejects,
            tuple(sorted(seconds.items())),
            failure,
        )
