"""The plan on disk: `_plan.parquet` (`_plan-00001.parquet` …), written row group by row group, read unit by unit."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.building.plan import Plan, Planning, Unit, Units, fingerprint
from pipelines.sources import Refused
from pipelines.sources.outcomes import Planned
from schemas import json_shape
from schemas.cli.flags import UsageError
from schemas.folders import Folder
from schemas.json_text import canonical

ROW_GROUP_ROWS = 2_048
GROUPS_KEPT = 4
FILE_ROWS = 128 * ROW_GROUP_ROWS  # a footer over everything would cost every unit its reading
FIRST = "_plan.parquet"
_NAME = re.compile(r"_plan(-\d{5})?\.parquet")

_TEXT = pa.string()
_SCHEMA = pa.schema(
    [
        ("record_id", _TEXT),
        ("split", _TEXT),
        ("unit", pa.int32()),
        ("fingerprint", _TEXT),
        ("values", _TEXT),
        ("reference_columns", pa.list_(_TEXT)),
        ("reference_paths", pa.list_(_TEXT)),
        ("reference_sizes", pa.list_(pa.int64())),
        ("stage", _TEXT),
        ("error", _TEXT),
        ("message", _TEXT),
        ("source", _TEXT),
    ]
)
_Line = tuple[Any, ...]  # one row of the file, in the schema's order


class _Summary(TypedDict):
    splits: dict[str, int]
    shard_size: int
    rows: int
    sizes: NotRequired[dict[str, list[int]]]


@dataclass(frozen=True)
class Marks:
    """What tells whether a unit must be built: of what its shard is made and how, and when its inputs were written."""

    unit: Unit
    fingerprint: str
    tokens: str


def write(folder: Folder, plan: Plan, words: Sequence[str], planning: Planning) -> list[Marks]:
    """Writes the plan, removes files of a longer earlier one, and returns the marks of all units.

    `words` are everything but the records that a shard's bytes depend on.
    """
    marks: list[Marks] = []
    rows = plan.records + len(plan.refused)
    summary: dict[str, Any] = {"splits": plan.counts, "shard_size": plan.shard_size, "rows": rows}
    summary |= {"sizes": plan.sizes} if plan.sizes else {}
    _write_files(folder, canonical(summary), rows, _lines(plan, words, planning, marks))
    names = [file_name(index) for index in range(_files(rows))]
    for name in folder.files():
        if _NAME.fullmatch(name) and name not in names:
            folder.remove(name)
    return marks


def file_name(index: int) -> str:
    return FIRST if index == 0 else f"_plan-{index:05d}.parquet"


def _files(rows: int) -> int:
    return max(1, -(-rows // FILE_ROWS))


def _lines(plan: Plan, words: Sequence[str], planning: Planning, marks: list[Marks]) -> Iterator[_Line]:
    """Records unit by unit, each unit's marks noted, then what was refused."""
    rows = map(planning.row, plan.rows())
    for unit in plan.units:
        own = list(islice(rows, unit.rows))
        mark = Marks(unit, fingerprint(words, own), planning.tokens(own))
        marks.append(mark)
        for name, split, values, columns, paths, sizes, source in own:
            yield name, split, unit.number, mark.fingerprint, values, columns, paths, sizes, None, None, None, source
    for entry in plan.refused:
        reason = entry.stage, entry.error, entry.message
        yield entry.record_id, entry.split, None, None, None, None, None, None, *reason, entry.source


def _write_files(folder: Folder, summary: str, rows: int, lines: Iterator[_Line]) -> None:
    schema = _SCHEMA.with_metadata({"plan": summary})
    for index in range(_files(rows)):
        left = min(FILE_ROWS, rows - index * FILE_ROWS)
        with (
            folder.create(file_name(index)) as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_statistics=False) as writer,
        ):
            for start in range(0, max(left, 1), ROW_GROUP_ROWS):
                writer.write_table(_table(list(islice(lines, min(ROW_GROUP_ROWS, left - start))), schema))


def _table(lines: Sequence[_Line], schema: pa.Schema) -> pa.Table:
    columns = zip(*lines, strict=True) if lines else ([] for _ in schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


class PlanReader:
    """Reads single units of a written plan, from several threads at once; no more than footers and a few row groups."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._footers: dict[int, pq.FileMetaData] = {}
        self._groups: dict[tuple[int, int], pa.Table] = {}
        summary = self._summary()
        self.rows: int = summary["rows"]
        self.units = Units(summary["splits"], summary["shard_size"], summary.get("sizes"))
        self.records = sum(self.units.counts.values())

    def _summary(self) -> _Summary:
        """Raises UsageError for a file that no build wrote."""
        footer = self._footer(0)
        try:
            summary = json_shape.parse((footer.metadata or {})[b"plan"])
        except (KeyError, ValueError):
            summary = None
        if not json_shape.fits(summary, _Summary) or not footer.schema.to_arrow_schema().equals(_SCHEMA):
            raise self._damaged(0, "no plan of a build")
        counts = summary["splits"].values()
        first = footer.num_rows == min(summary["rows"], FILE_ROWS)
        sizes = summary.get("sizes") or {split: [count] for split, count in summary["splits"].items()}
        cut = all(sum(sizes.get(split, ())) == count for split, count in summary["splits"].items())
        positive = summary["shard_size"] > 0 and min(counts, default=0) >= 0
        if not (first and cut and positive and sum(counts) <= summary["rows"]):
            raise self._damaged(0, "its numbers don't fit together")
        return cast(_Summary, summary)

    def _damaged(self, index: int, reason: str) -> UsageError:
        return UsageError(f"{self.folder}: {file_name(index)} is damaged ({reason}); run the build again")

    def of(self, unit: Unit) -> tuple[list[Planned], str]:
        """The unit's records and its fingerprint."""
        tables = list(self._read(unit.first_row, unit.first_row + unit.rows))
        return list(chain.from_iterable(map(_planned, tables))), tables[0]["fingerprint"][0].as_py()

    def paths(self, unit: Unit) -> list[str]:
        """Of all files that the unit reads, sorted."""
        tables = self._read(unit.first_row, unit.first_row + unit.rows)
        return sorted({path for table in tables for paths in _lists(table["reference_paths"]) for path in paths})

    def fingerprints(self) -> dict[int, str]:
        """Unit number → fingerprint, for all units."""
        known: dict[int, str] = {}
        for index in range(_files(self.rows)):
            with self._open(index) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, ["unit", "fingerprint"], use_threads=False)
                    pairs = table.group_by(["unit", "fingerprint"]).aggregate([])
                    known |= dict(zip(pairs["unit"].to_pylist(), pairs["fingerprint"].to_pylist(), strict=True))
        known.pop(None, None)  # type: ignore[call-overload]  # of refused entries
        return known

    def refused(self) -> list[Refused]:
        names = ["record_id", "split", "error", "message", "source", "stage"]
        tables = list(self._read(self.records, self.rows))
        if any(table[name].null_count for table in tables for name in names):
            raise self._damaged(0, "an entry says nothing")
        return [Refused(**row) for table in tables for row in table.select(names).to_pylist()]

    def _read(self, start: int, stop: int) -> Iterator[pa.Table]:
        """The rows from `start` to before `stop`, as parts of row groups."""
        while start < stop:
            index, offset = divmod(start, FILE_ROWS)
            group = offset // ROW_GROUP_ROWS
            group_start = index * FILE_ROWS + group * ROW_GROUP_ROWS
            table = self._group(index, group)
            end = min(stop, group_start + table.num_rows)
            if end <= start:
                raise self._damaged(index, "rows are missing")
            yield table.slice(start - group_start, end - start)
            start = end

    @contextmanager
    def _open(self, index: int) -> Iterator[pq.ParquetFile]:
        try:
            with self.folder.open(file_name(index)) as file:
                if index not in self._footers:
                    self._footers[index] = pq.read_metadata(file)
                yield pq.ParquetFile(file, metadata=self._footers[index])
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file system's; Arrow's own have no number
            raise self._damaged(index, type(error).__name__) from None

    def _footer(self, index: int) -> pq.FileMetaData:
        with self._open(index):
            return self._footers[index]

    def _group(self, index: int, group: int) -> pa.Table:
        """A row group; neighbouring units mostly share one, so the last few are kept."""
        with self._lock:
            key = (index, group)
            if key not in self._groups:
                while len(self._groups) >= GROUPS_KEPT:
                    self._groups.pop(next(iter(self._groups)))
                with self._open(index) as file:
                    self._groups[key] = file.read_row_group(group, use_threads=False)
            return self._groups[key]


def _planned(table: pa.Table) -> Iterator[Planned]:
    columns, paths, sizes = (_lists(table[f"reference_{name}"]) for name in ("columns", "paths", "sizes"))
    words = [table[name].to_numpy().tolist() for name in ("record_id", "split", "values", "source")]
    for record_id, split, values, source in zip(*words, strict=True):
        files = zip(next(paths), next(sizes), strict=True)
        yield Planned(record_id, split, json.loads(values), dict(zip(next(columns), files, strict=True)), source)


def _lists(column: pa.ChunkedArray) -> Iterator[list[Any]]:
    """As `to_pylist`, which takes several times as long."""
    for chunk in column.chunks:
        flat = chunk.flatten().to_numpy(zero_copy_only=False).tolist()
        ends = np.cumsum(pc.list_value_length(chunk).to_numpy()).tolist()
        yield from (flat[start:end] for start, end in pairwise([0, *ends]))
