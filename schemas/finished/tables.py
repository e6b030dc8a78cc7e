"""The small tables beside shards: what was rejected and why, and what is worth a look."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas import shards
from schemas.folders import Folder

REJECTS_FILE, FINDINGS_FILE = "rejects.parquet", "findings.parquet"
REJECTS = pa.schema([(name, pa.string()) for name in ("record_id", "stage", "error", "message", "source")])
FINDINGS = pa.schema([(name, pa.string()) for name in ("record_id", "kind", "group", "severity", "detail")])


def encode(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """Rows in their order as a Parquet file; the same rows give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), sink, compression="zstd")
    return sink.getvalue()


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
