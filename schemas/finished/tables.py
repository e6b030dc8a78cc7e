"""The small tables beside shards: what was rejected and why, and what is worth a look."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import shards
from schemas.folders import Folder

_PACKED_AT_ONCE = 4_096

REJECTS_FILE, FINDINGS_FILE = "rejects.parquet", "findings.parquet"
REJECTS = pa.schema([(name, pa.string()) for name in ("record_id", "stage", "error", "message", "source")])
FINDINGS = pa.schema([(name, pa.string()) for name in ("record_id", "kind", "group", "severity", "detail")])


def encode(rows: Iterable[Mapping[str, Any]] | pa.Table, schema: pa.Schema) -> bytes:
    """Rows in their order as a Parquet file; the same rows give the same bytes."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows], schema)
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink, compression="zstd")
    return sink.getvalue()


class Packed:
    """Rows of texts that are held as columns: a million takes a hundred megabytes."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._tables = [schema.empty_table()]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows += rows
        if len(self._rows) >= _PACKED_AT_ONCE:
            self._pack()

    def table(self, by: Sequence[str]) -> pa.Table:
        """All rows, sorted by these columns; those that are equal in them stay in the order in which they came."""
        self._pack()
        table = pa.concat_tables(self._tables)
        return table.take(pc.sort_indices(table, [(name, "ascending") for name in by])).combine_chunks()

    def _pack(self) -> None:
        self._tables.append(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []


def ordered(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> list[Mapping[str, Any]]:
    """Sorted by the schema's columns in order."""
    return sorted(rows, key=lambda row: tuple(str(row.get(name)) for name in schema.names))


def read(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """A table, or some of its columns; None where it is missing or damaged, lacks one of them or holds other types."""
    try:
        table = shards.read_small(folder.read(name))
        chosen = table if columns is None else table.select(list(columns))
    except (OSError, KeyError, pa.ArrowException):
        return None
    return chosen if all(field.type == pa.string() for field in chosen.schema) else None
