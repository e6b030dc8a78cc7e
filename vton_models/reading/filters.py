"""Which rows of a shard a filter keeps, from the columns that it names alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.cli.flags import UsageError
from vton_models.reading.shard_files import indices

Filters = Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]]
_ROW = "__row__"


def columns(filters: Filters) -> list[str]:
    """The columns that the filters name, members of a struct as "quality.person_area". Raises UsageError."""
    if not filters or isinstance(filters, str):
        raise UsageError(f"filters {filters!r}; allowed are (column, operator, value) tuples, or lists of such")
    nested = [list(filters)] if isinstance(filters[0], tuple) else [list(group) for group in filters]
    try:
        found = [str(column) for group in nested for column, _, _ in group]
    except (TypeError, ValueError):
        raise UsageError(
            f"filters {filters!r}; allowed are (column, operator, value) tuples, or lists of such"
        ) from None
    return list(dict.fromkeys(found))


def kept(batch: pa.RecordBatch, filters: Filters) -> np.ndarray:
    """int64 [k]: the rows for which the filters hold; null never does.

    A list of tuples must hold as a whole; of several lists one must, as in `pyarrow.parquet.read_table`.
    Raises UsageError for an operator or a value that doesn't suit the column.
    """
    table = pa.table({name: _column(batch, name) for name in columns(filters)})
    table = table.append_column(_ROW, indices(np.arange(batch.num_rows)))
    try:
        return np.array(table.filter(pq.filters_to_expression(filters))[_ROW].to_pylist(), np.int64)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"filters {filters!r}: {' '.join(str(error).split())}") from None


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column, or a struct's member; words of a dictionary as strings. Absent in this shard: null."""
    top, *members = name.split(".")
    if top not in batch.schema.names:
        return pa.nulls(batch.num_rows)
    column: Any = batch.column(top)
    for member in members:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(member) < 0:
            raise UsageError(f"filters name {name!r}; {top} has no such member")
        column = pc.struct_field(column, member)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
