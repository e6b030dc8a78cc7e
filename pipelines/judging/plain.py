"""Arrow columns as plain values: what `to_pylist` gives, in a fraction of its time for words, numbers and structs."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """One dict a row."""
    columns = [values(table[name]) for name in table.column_names]
    for row in zip(*columns, strict=True):
        yield dict(zip(table.column_names, row, strict=True))


def values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Null is None."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in values(chunk)]
    if pa.types.is_dictionary(column.type):
        return values(column.dictionary_decode())
    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        members = zip(*map(values, column.flatten()), strict=True)
        return _or_none(column, [dict(zip(names, member, strict=True)) for member in members])
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return column.to_numpy(zero_copy_only=False).tolist()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _or_none(column, pc.fill_null(column, 0).to_numpy().tolist())
    return column.to_pylist()


def _or_none(column: pa.Array, known: list[Any]) -> list[Any]:
    if not column.null_count:
        return known
    valid = column.is_valid().to_numpy(zero_copy_only=False).tolist()
    return [value if is_valid else None for value, is_valid in zip(known, valid, strict=True)]
