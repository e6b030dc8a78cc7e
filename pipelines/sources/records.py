"""The records of a list, held as compressed Arrow columns: a million of them take some tens of megabytes."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from operator import eq, itemgetter, le
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.json_text import canonical

BATCH_ROWS = 512
RUN_BATCHES = 64  # sorted at once
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # zstd: half the size, 1.5 µs a record more


@dataclass(frozen=True)
class Listed:
    """A record to be: its own values, and column → path below the input root."""

    record_id: str
    split: str
    values: dict[str, Any]
    references: dict[str, str]
    source: str


class Signature(NamedTuple):
    """Which values and files a record has; of a million records few differ."""

    values: tuple[str, ...]
    nulls: tuple[str, ...]  # of the values
    references: tuple[str, ...]  # sorted columns


class Row(NamedTuple):
    """A record as the columns hold it."""

    split: str
    record_id: str
    source: str
    values: str  # canonical JSON
    signature: Signature
    paths: Sequence[str]  # of the signature's references


_order = itemgetter(0, 1, 2)  # what rows are sorted by


class Records(Sequence[Listed]):
    """Records in the order of their arrival, or sorted. What is appended is copied into columns, its object can go."""

    def __init__(self, records: Iterable[Listed] = ()) -> None:
        self._packed: list[pa.Buffer] = []  # of BATCH_ROWS rows each
        self._rest: list[Row] = []
        self._known: dict[Signature, int] = {}
        self._signatures: Counter[Signature] = Counter()  # of what is packed
        self._splits: Counter[str] = Counter()
        self._runs: list[slice] = []  # of the batches, where they were sorted
        self._ordered = True
        self._last = ("", "", "")
        for record in records:
            self.append(record)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Records":
        records = cls()
        for row in rows:
            records._append(row)
        return records

    def append(self, record: Listed) -> None:
        values, references = record.values, record.references
        columns = tuple(sorted(references))
        nulls = tuple([name for name in values if values[name] is None]) if None in values.values() else ()
        signature = Signature(tuple(values), nulls, columns)
        paths = [references[column] for column in columns]
        self._append(Row(record.split, record.record_id, record.source, canonical(values), signature, paths))

    def _append(self, row: Row) -> None:
        self._rest.append(row)
        if len(self._rest) == BATCH_ROWS:
            self._pack()

    @property
    def signatures(self) -> Counter[Signature]:
        """How many records have each."""
        return self._signatures + Counter(row.signature for row in self._rest)

    @property
    def splits(self) -> Counter[str]:
        """How many records each split has, in the order of their first ones."""
        return self._splits + Counter(row.split for row in self._rest)

    def rows(self) -> Iterator[Row]:
        """In order; a batch of each run at a time is unpacked."""
        known = list(self._known)
        if not self._runs:
            return chain(_rows(self._packed, known), self._rest)
        return heapq.merge(*(_rows(self._packed[run], known) for run in self._runs), key=_order)

    def sort(self) -> None:
        """By split, id and source; records that are equal in these keep their order. Nothing is appended any more.

        What is sorted are runs of some batches, each in the place of what it was; reading merges them.
        """
        self._pack()
        if not self._ordered and not self._runs:
            starts = range(0, len(self._packed), RUN_BATCHES)
            self._runs = [slice(start, start + RUN_BATCHES) for start in starts]
            for run in self._runs:
                self._packed[run] = _sorted(self._packed[run])

    def __len__(self) -> int:
        return self._splits.total() + len(self._rest)

    def __iter__(self) -> Iterator[Listed]:
        return map(_listed, self.rows())

    @overload
    def __getitem__(self, index: int) -> Listed: ...
    @overload
    def __getitem__(self, index: slice) -> list[Listed]: ...
    def __getitem__(self, index: int | slice) -> Listed | list[Listed]:
        """Read from the start: for a look at single records."""
        if isinstance(index, slice):
            return list(self)[index]
        return next(islice(self, range(len(self))[index], None))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def _pack(self) -> None:
        """Moves the rows that came last into columns."""
        for row in self._rest:
            self._known.setdefault(row.signature, len(self._known))
        orders = [self._last, *map(_order, self._rest)]
        self._last = orders[-1]
        self._ordered = self._ordered and all(map(le, orders, orders[1:]))
        self._signatures.update(row.signature for row in self._rest)
        self._splits.update(row.split for row in self._rest)
        if self._rest:
            self._packed.append(_compressed(_batch(self._rest, self._known)))
        self._rest = []


def _listed(row: Row) -> Listed:
    references = dict(zip(row.signature.references, row.paths, strict=True))
    return Listed(row.record_id, row.split, json.loads(row.values), references, row.source)


def _batch(rows: list[Row], known: dict[Signature, int]) -> pa.RecordBatch:
    """A signature is a number into the few that there are."""
    splits, ids, sources, values, signatures, paths = zip(*rows, strict=True)
    offsets = np.cumsum([0, *map(len, paths)], dtype=np.int32)
    columns = {
        "split": splits,
        "record_id": ids,
        "source": sources,
        "values": values,
        "signature": pa.array([known[signature] for signature in signatures], pa.int32()),
        "paths": pa.ListArray.from_arrays(offsets, pa.array(chain.from_iterable(paths), pa.string())),
    }
    return pa.record_batch(columns)


def _compressed(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_COMPRESSED) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _read(buffer: pa.Buffer) -> pa.RecordBatch:
    return pa.ipc.open_stream(buffer).read_next_batch()


def _sorted(packed: list[pa.Buffer]) -> list[pa.Buffer]:
    """The same rows, sorted over all batches."""
    table = pa.Table.from_batches([_read(buffer) for buffer in packed]).combine_chunks()
    keys = [(name, "ascending") for name in Row._fields[:3]]
    (batch,) = table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks().to_batches()
    return [_compressed(batch.slice(start, BATCH_ROWS)) for start in range(0, len(batch), BATCH_ROWS)]


def _rows(packed: Iterable[pa.Buffer], known: list[Signature]) -> Iterator[Row]:
    for buffer in packed:
        batch = _read(buffer)
        paths = _strings(batch["paths"].flatten())
        ends = np.cumsum(pc.list_value_length(batch["paths"]).to_numpy()).tolist()
        yield from map(
            Row,
            *(_strings(batch[name]) for name in Row._fields[:4]),
            [known[number] for number in batch["signature"].to_numpy().tolist()],
            [paths[start:end] for start, end in pairwise([0, *ends])],
        )


def _strings(array: pa.Array) -> list[str]:
    """As `to_pylist`, which takes several times as long."""
    strings: list[str] = array.to_numpy(zero_copy_only=False).tolist()
    return strings
