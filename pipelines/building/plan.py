"""The plan: every list entry as a row of `_plan*.parquet`, cut into shard units that never span two splits.

Rows come split by split, records in id order, refused entries last; so a unit's number alone tells its rows.
"""

import bisect
import hashlib
import io
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.building.columns import columns_of
from pipelines.sources import Listed, Refused
from pipelines.sources.outcomes import Planned
from schemas.folders import Entry, Folder
from schemas.json_text import canonical

ROW_GROUP_ROWS = 2_048
GROUPS_KEPT = 4
FILE_ROWS = 1_000_000  # a footer over everything would cost every unit its reading

_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("split", pa.string()),
        ("unit", pa.int32()),
        ("fingerprint", pa.string()),
        ("values", pa.string()),
        ("reference_columns", pa.list_(pa.string())),
        ("reference_paths", pa.list_(pa.string())),
        ("reference_sizes", pa.list_(pa.int64())),
        ("stage", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("source", pa.string()),
    ]
)


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


def cut(counts: dict[str, int], shard_size: int, sizes: dict[str, list[int]] | None = None) -> list[Unit]:
    """Units of up to `shard_size` records, split by split in the order of `counts`; or of given `sizes` per split."""
    units: list[Unit] = []
    first = 0
    for split, count in counts.items():
        own = sizes[split] if sizes else _even(count, shard_size)
        for index, rows in enumerate(own):
            units.append(Unit(len(units), split, index, len(own), first, rows))
            first += rows
    return units


def _even(count: int, shard_size: int) -> list[int]:
    return [min(shard_size, count - start) for start in range(0, count, shard_size)]


def fingerprint(configuration: Sequence[str], records: Iterable[Planned]) -> str:
    """What a unit is made from and how, in 20 hex digits: unequal wherever its shard could differ."""
    digest = hashlib.sha256()
    for word in configuration:
        _feed(digest, word)
    for record in records:
        _feed(digest, record.record_id, canonical(record.values))
        for column, (path, size) in sorted(record.references.items()):
            _feed(digest, column, path, str(size))
    return digest.hexdigest()[:20]


def token_digest(files: Iterable[tuple[str, str]]) -> str:
    """12 hex digits over (path, token): changes whenever an input is written again, even with equal bytes."""
    digest = hashlib.sha256()
    for path, token in sorted(set(files)):
        _feed(digest, path, token)
    return digest.hexdigest()[:12]


def planned(record: Listed, files: dict[str, Entry], recompute: Sequence[str] = ()) -> Planned:
    """Without the files of which nothing will be used, since all their columns are computed anew."""
    used = {column: path for column, path in record.references.items() if set(columns_of(column)) - set(recompute)}
    references = {column: (path, files[path].size) for column, path in used.items()}
    return Planned(record.record_id, record.split, record.values, references, record.source)


@dataclass(frozen=True)
class Plan:
    """All records in order, and the entries that were refused; `sizes` where units aren't cut evenly."""

    records: list[Planned]
    refused: list[Refused]
    shard_size: int
    sizes: dict[str, list[int]] | None = None  # records of each unit, by split

    @property
    def counts(self) -> dict[str, int]:
        """Records by split, in order."""
        counts: dict[str, int] = {}
        for record in self.records:
            counts[record.split] = counts.get(record.split, 0) + 1
        return counts

    @property
    def units(self) -> list[Unit]:
        return cut(self.counts, self.shard_size, self.sizes)

    def of(self, unit: Unit) -> list[Planned]:
        return self.records[unit.first_row : unit.first_row + unit.rows]


def make(records: Iterable[Planned], refused: Iterable[Refused], shard_size: int, limit: int | None) -> Plan:
    """Sorted by split and id, so that it is the same however the source was read; `limit` list entries at most."""
    entries: list[Planned | Refused] = sorted([*records, *refused], key=lambda e: (e.split, e.record_id, e.source))
    kept = entries[:limit]
    return Plan([e for e in kept if isinstance(e, Planned)], [e for e in kept if isinstance(e, Refused)], shard_size)


def write(folder: Folder, plan: Plan, fingerprints: dict[int, str]) -> None:
    """Writes `_plan.parquet` (and `_plan-00001.parquet` …), and removes files of a longer earlier plan."""
    rows = _rows(plan, fingerprints)
    summary: dict[str, Any] = {"splits": plan.counts, "shard_size": plan.shard_size, "rows": len(rows)}
    summary |= {"sizes": plan.sizes} if plan.sizes else {}
    names = [file_name(i) for i in range(max(1, -(-len(rows) // FILE_ROWS)))]
    for index, name in enumerate(names):
        table = pa.Table.from_pylist(rows[index * FILE_ROWS : (index + 1) * FILE_ROWS], _SCHEMA)
        table = table.replace_schema_metadata({"plan": canonical(summary)})
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=ROW_GROUP_ROWS, compression="zstd", write_statistics=False)
        folder.write(name, sink.getvalue())
    for name in folder.files():
        if name.startswith("_plan") and name not in names:
            folder.remove(name)


def file_name(index: int) -> str:
    return "_plan.parquet" if index == 0 else f"_plan-{index:05d}.parquet"


class PlanReader:
    """Reads single units of a written plan, from several threads at once; footers are read once."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._files_read: dict[int, pq.ParquetFile] = {}
        self._groups_read: dict[tuple[int, int], pa.Table] = {}
        summary = json.loads(self._file(0).schema_arrow.metadata[b"plan"])
        self.shard_size: int = summary["shard_size"]
        self.rows: int = summary["rows"]
        self.units = cut(summary["splits"], self.shard_size, summary.get("sizes"))
        self.records = sum(unit.rows for unit in self.units)

    def of(self, unit: Unit) -> tuple[list[Planned], str]:
        """The unit's records and its fingerprint."""
        rows = self._read(unit.first_row, unit.first_row + unit.rows)
        return [_planned(row) for row in rows], rows[0]["fingerprint"]

    def fingerprints(self) -> dict[int, str]:
        """Unit number → fingerprint, for all units."""
        tables = [self._file(i).read(columns=["unit", "fingerprint"]) for i in range(self._files)]
        numbers = [n for table in tables for n in table["unit"].to_pylist()]
        prints = [f for table in tables for f in table["fingerprint"].to_pylist()]
        return {number: text for number, text in zip(numbers, prints, strict=True) if number is not None}

    def refused(self) -> list[Refused]:
        names = ("record_id", "split", "error", "message", "source", "stage")
        return [Refused(**{name: row[name] for name in names}) for row in self._read(self.records, self.rows)]

    @property
    def _files(self) -> int:
        return max(1, -(-self.rows // FILE_ROWS))

    def _read(self, start: int, stop: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while start < stop:
            index, offset = divmod(start, FILE_ROWS)
            group = offset // ROW_GROUP_ROWS
            group_start = index * FILE_ROWS + group * ROW_GROUP_ROWS
            table = self._group(index, group)
            end = min(stop, group_start + table.num_rows)
            rows += table.slice(start - group_start, end - start).to_pylist()
            start = end
        return rows

    def _file(self, index: int) -> pq.ParquetFile:
        if index not in self._files_read:
            data = pa.BufferReader(self.folder.read(file_name(index)))
            self._files_read[index] = pq.ParquetFile(data)
        return self._files_read[index]

    def _group(self, index: int, group: int) -> pa.Table:
        """A row group; neighbouring units mostly share one, so the last few are kept."""
        with self._lock:
            key = (index, group)
            if key not in self._groups_read:
                while len(self._groups_read) >= GROUPS_KEPT:
                    self._groups_read.pop(next(iter(self._groups_read)))
                self._groups_read[key] = self._file(index).read_row_group(group, use_threads=False)
            return self._groups_read[key]


def _planned(row: dict[str, Any]) -> Planned:
    files = zip(row["reference_paths"], row["reference_sizes"], strict=True)
    references = dict(zip(row["reference_columns"], files, strict=True))
    return Planned(row["record_id"], row["split"], json.loads(row["values"]), references, row["source"])


def _rows(plan: Plan, fingerprints: dict[int, str]) -> list[dict[str, Any]]:
    units = plan.units
    starts = [unit.first_row for unit in units]
    rows = []
    for position, record in enumerate(plan.records):
        number = units[bisect.bisect_right(starts, position) - 1].number
        columns = sorted(record.references)
        rows.append(
            {
                "record_id": record.record_id,
                "split": record.split,
                "unit": number,
                "fingerprint": fingerprints[number],
                "values": canonical(record.values),
                "reference_columns": columns,
                "reference_paths": [record.references[column][0] for column in columns],
                "reference_sizes": [record.references[column][1] for column in columns],
                "source": record.source,
            }
        )
    names = ("record_id", "split", "stage", "error", "message", "source")
    return rows + [{name: getattr(entry, name) for name in names} for entry in plan.refused]


def _feed(digest: Any, *words: str) -> None:
    """Length-prefixed UTF-8, so that no two lists of words give the same bytes."""
    for word in words:
        data = word.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
