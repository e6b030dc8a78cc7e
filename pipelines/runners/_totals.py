"""What an engine's job returns for a unit, and how totals add up."""

import json
from collections import Counter
from dataclasses import asdict, dataclass

SHOWN = 5  # failures that travel; a disk that is full fails every unit


@dataclass(frozen=True)
class Totals:
    """What units did, summed; `failures` are the first units that could not be written, and why."""

    units: int = 0
    records: int = 0
    rejects: int = 0
    seconds: tuple[tuple[str, float], ...] = ()
    failed: int = 0
    failures: tuple[str, ...] = ()

    def __add__(self, other: "Totals") -> "Totals":
        seconds: Counter[str] = Counter(dict(self.seconds))
        seconds.update(dict(other.seconds))
        return Totals(
            self.units + other.units,
            self.records + other.records,
            self.rejects + other.rejects,
            tuple(sorted(seconds.items())),
            self.failed + other.failed,
            tuple(sorted({*self.failures, *other.failures})[:SHOWN]),
        )

    def to_json(self) -> str:
        """Text that `from_json` reads back: for engines whose workers answer in words."""
        return json.dumps(asdict(self), sort_keys=True)


def from_json(text: str) -> Totals:
    plain = json.loads(text)
    seconds = tuple((name, spent) for name, spent in plain["seconds"])
    return Totals(**{**plain, "seconds": seconds, "failures": tuple(plain["failures"])})
