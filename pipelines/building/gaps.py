"""Which columns records lack, and why those that were wanted: counted by workers, for the build's last lines."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from annotators.common import registry
from pipelines.building.configuration import AWAITED, NEVER_A_REASON
from pipelines.sources.outcomes import Reading


class Gaps:
    """Counts over the records of one unit: `empty` by column, `reasons` by wanted column and reason."""

    def __init__(
        self,
        annotators: Iterable[tuple[str, Any]],
        skip: Sequence[str],
        complete: bool,
        digests: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.configs, self.skip, self.digests = dict(annotators), frozenset(skip), dict(digests)
        self.writers = {column: names[0] for column, names in registry.owners(self.configs).items()}
        columns = set(self.writers) | (set(AWAITED) if complete else set())
        self.wanted = columns - NEVER_A_REASON - (set() if complete else self.skip)
        self.empty: Counter[str] = Counter()
        self.reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def note(self, reading: Reading, columns: Iterable[str]) -> None:
        """Of a record that goes to its shard now."""
        for column in columns:
            if not reading.has(column):
                self.empty[column] += 1
                if column in self.wanted:
                    self.reasons[column][self._reason(column, reading)] += 1

    def _reason(self, column: str, reading: Reading) -> str:
        """Why a record lacks a column; and, where something can be done, the way on."""
        if reading.nothing.get(column):
            return reading.nothing[column]
        if column in reading.provenance:
            return "what was shipped can't be used; findings.parquet says why"
        if column in self.skip:
            return f"skipped; take {column} out of --skip, with its weights in --weights DIR"
        name = self.writers.get(column)
        if name is None:
            return "no annotator for it; --annotators names them"
        absent = registry.unplanned(name, self.configs[name], self.digests)
        if absent:
            return f"{absent}; --weights DIR, or `python -m annotators fetch {name}`"
        needed = next((item for item in registry.inputs(name, self.configs[name]) if not reading.has(item)), None)
        if needed is None:
            return f"{name} finds none; findings.parquet tells of each record"
        if needed not in self.writers and needed not in self.skip:
            return f"no {needed}, and no annotator for it; --annotators names them, or a table brings it"
        _, way = _split(self._reason(needed, reading))
        return f"no {needed}; {way}"


def _split(reason: str) -> tuple[str, str]:
    why, _, way = reason.partition("; ")
    return why, way or why
