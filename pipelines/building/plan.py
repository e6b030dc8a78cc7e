"""The plan: every list entry in order, cut into shard units that never span two splits.

Records come split by split, in id order, refused entries last; so a unit's number alone tells its rows.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, islice
from typing import Any, NamedTuple

from pipelines.building.columns import columns_of
from pipelines.sources import Refused
from pipelines.sources.records import Listed, Records, Row, Signature
from schemas.folders import Entry

_FED_AT_ONCE = 64  # rows, to a digest


@dataclass(frozen=True)
class Unit:
    """One shard to be: `number` counts over the whole build, `index` within its split."""

    number: int
    split: str
    index: int
    total: int
    first_row: int
    rows: int

    @property
    def stem(self) -> str:
        return f"{self.split}-{self.index:05d}-of-{self.total:05d}"


@dataclass(frozen=True)
class Units:
    """The cut: up to `shard_size` records a unit, split by split in the order of `counts`; or of given `sizes`."""

    counts: Mapping[str, int]  # split → records
    shard_size: int
    sizes: Mapping[str, Sequence[int]] | None = None  # split → records of each unit, where they aren't cut evenly

    def __len__(self) -> int:
        return sum(self._total(split) for split in self.counts)

    def __iter__(self) -> Iterator[Unit]:
        number = first = 0
        for split in self.counts:
            total = self._total(split)
            for index in range(total):
                unit = Unit(number, split, index, total, first, self._rows(split, index))
                yield unit
                number, first = number + 1, first + unit.rows

    def __getitem__(self, number: int) -> Unit:
        """One unit, without counting through the others of its split. Raises IndexError."""
        index, first = number, 0
        for split, count in self.counts.items():
            total = self._total(split)
            if 0 <= index < total:
                before = sum(self.sizes[split][:index]) if self.sizes else index * self.shard_size
                return Unit(number, split, index, total, first + before, self._rows(split, index))
            index, first = index - total, first + count
        raise IndexError(number)

    def _total(self, split: str) -> int:
        return len(self.sizes[split]) if self.sizes else -(-self.counts[split] // self.shard_size)

    def _rows(self, split: str, index: int) -> int:
        if self.sizes:
            return self.sizes[split][index]
        return min(self.shard_size, self.counts[split] - index * self.shard_size)


class PlannedRow(NamedTuple):
    """A record as the plan's file has it: of its files, those that will be read."""

    record_id: str
    split: str
    values: str  # canonical JSON
    columns: Sequence[str]
    paths: Sequence[str]
    sizes: Sequence[int]
    source: str


@dataclass(frozen=True)
class Plan:
    """All records in order, and the entries that were refused; `sizes` where units aren't cut evenly."""

    rows: Callable[[], Iterator[Row]]  # reads them from the start
    counts: Mapping[str, int]  # records by split, in order
    signatures: Mapping[Signature, int]  # of the records, each with how many have it
    refused: Sequence[Refused]
    shard_size: int
    sizes: Mapping[str, Sequence[int]] | None = None

    @cached_property
    def units(self) -> Units:
        return Units(self.counts, self.shard_size, self.sizes)

    @property
    def records(self) -> int:
        return sum(self.counts.values())


def make(listed: Iterable[Listed], refused: Iterable[Refused], shard_size: int, limit: int | None) -> Plan:
    """Sorted by split and id, so that it is the same however the source was read; `limit` list entries at most.

    `Records` are sorted in place.
    """
    records = listed if isinstance(listed, Records) else Records(listed)
    records.sort()
    refusals = sorted(refused, key=_order)
    if limit is None:
        return Plan(records.rows, dict(sorted(records.splits.items())), records.signatures, refusals, shard_size)
    entries: Iterator[Row | Refused] = heapq.merge(records.rows(), refusals, key=_order)
    kept = list(islice(entries, limit))
    few = Records.of(entry for entry in kept if isinstance(entry, Row))
    return as_listed(few, [entry for entry in kept if isinstance(entry, Refused)], shard_size)


def as_listed(
    records: Records, refused: Iterable[Refused], shard_size: int, sizes: Mapping[str, Sequence[int]] | None = None
) -> Plan:
    """The records in the order that they have, in which no split comes twice."""
    return Plan(records.rows, records.splits, records.signatures, list(refused), shard_size, sizes)


def _order(entry: Any) -> tuple[str, str, str]:
    return entry.split, entry.record_id, entry.source


class Planning:
    """Rows of a list → rows of the plan: without the files of which nothing will be used, the others with sizes."""

    def __init__(self, files: Mapping[str, Entry], recompute: Sequence[str] = ()) -> None:
        self.files, self.recompute = files, frozenset(recompute)
        self._used: dict[tuple[str, ...], tuple[list[int], list[str]]] = {}

    def row(self, row: Row) -> PlannedRow:
        places, columns = self._of(row.signature.references)
        paths = row.paths if len(places) == len(row.paths) else [row.paths[place] for place in places]
        sizes = [entry.size for entry in map(self.files.__getitem__, paths)]
        return PlannedRow(row.record_id, row.split, row.values, columns, paths, sizes, row.source)

    def tokens(self, rows: Iterable[PlannedRow]) -> str:
        """The digest of the tokens that the files of a unit had when they were listed."""
        return token_digest((path, self.files[path].token) for path in {path for row in rows for path in row.paths})

    def _of(self, references: tuple[str, ...]) -> tuple[list[int], list[str]]:
        """Places and names of the columns whose files are read; the others' columns are all computed anew."""
        if references not in self._used:
            used = [(i, name) for i, name in enumerate(references) if set(columns_of(name)) - self.recompute]
            self._used[references] = [place for place, _ in used], [name for _, name in used]
        return self._used[references]


def fingerprint(configuration: Sequence[str], rows: Iterable[PlannedRow]) -> str:
    """What a unit is made from and how, in 20 hex digits: unequal wherever its shard could differ."""
    digest, rest = hashlib.sha256(_fed(configuration)), iter(rows)
    while some := list(islice(rest, _FED_AT_ONCE)):
        digest.update(_fed(chain.from_iterable(map(_words, some))))
    return digest.hexdigest()[:20]


def _words(row: PlannedRow) -> list[str]:
    words = [row.record_id, row.values]
    for file in zip(row.columns, row.paths, map(str, row.sizes), strict=True):
        words += file
    return words


def token_digest(files: Iterable[tuple[str, str]]) -> str:
    """12 hex digits over (path, token): changes whenever an input is written again, even with equal bytes."""
    return hashlib.sha256(_fed(chain.from_iterable(sorted(set(files))))).hexdigest()[:12]


def _fed(words: Iterable[str]) -> bytes:
    """Length-prefixed UTF-8, so that no two lists of words give the same bytes."""
    encoded = list(map(str.encode, words))
    return b"".join(chain.from_iterable(zip(map(_length, map(len, encoded)), encoded, strict=True)))


@cache
def _length(size: int) -> bytes:
    return size.to_bytes(8, "big")
