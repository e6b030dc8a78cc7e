"""Metadata files of Hugging Face's imagefolder: `metadata.jsonl` where `datasets` can tell its types, else Parquet.

From JSON, `datasets` takes a split's types from the first 10 MB and refuses splits that differ. A column that is null
throughout one of them (or a member of a struct) then has no type, so such a dataset gets `metadata.parquet`.
"""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

FIRST_BYTES = 10 << 20


def files(lines: dict[str, list[dict[str, Any]]], schema: pa.Schema) -> dict[str, bytes]:
    """Split → rows with the columns of `schema` → the file of each split, by its path."""
    filled = {name for rows in lines.values() for row in rows for name, value in row.items() if value is not None}
    texts = {split: _jsonl(rows, filled) for split, rows in lines.items()}
    schemas = [_inferred(text) for text in texts.values()]
    if all(schema is not None and schema.equals(schemas[0]) for schema in schemas) and not _untyped(schemas[0], filled):
        return {f"{split}/metadata.jsonl": text for split, text in texts.items()}
    return {f"{split}/metadata.parquet": _parquet(rows, schema) for split, rows in lines.items()}


def _jsonl(rows: list[dict[str, Any]], filled: set[str]) -> bytes:
    kept = ({name: value for name, value in row.items() if name in filled} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode()


def _inferred(text: bytes) -> pa.Schema | None:
    """What Arrow takes the first lines for; None where it can't."""
    end = text.find(b"\n", FIRST_BYTES)
    try:
        return pa.json.read_json(io.BytesIO(text[:end] if end > 0 else text)).schema
    except pa.ArrowException:
        return None


def _untyped(schema: pa.Schema, filled: set[str]) -> bool:
    return any(pa.types.is_null(field.type) for field in schema if field.name in filled)


def _parquet(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="zstd")
    return sink.getvalue()
