"""Which rows of a shard a filter keeps, from the columns that it names alone."""

import operator
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import conditions
from schemas.cli.flags import UsageError
from vton_models.reading.shard_files import indices

Filter = tuple[str, str, Any] | str  # a str is a condition as of --where (`schemas.conditions`)
Filters = Sequence[Filter] | Sequence[Sequence[Filter]]
_ROW = "__row__"


def columns(filters: Filters) -> list[str]:
    """The columns that the filters name, members of a struct as "quality.person_area". Raises UsageError."""
    try:
        names = [name for group in _groups(filters) for item in group for name in _named(item)]
    except (TypeError, ValueError):
        raise UsageError(f"filters {filters!r}; allowed are {_ALLOWED}") from None
    return list(dict.fromkeys(names))


_ALLOWED = "(column, operator, value) tuples, conditions as texts, or lists of such"


def _groups(filters: Filters) -> list[list[Any]]:
    """Lists of which one must hold; of each list all must."""
    if not filters or isinstance(filters, str):
        raise UsageError(f"filters {filters!r}; allowed are {_ALLOWED}")
    return [list(filters)] if isinstance(filters[0], tuple | str) else [list(group) for group in filters]


def _named(item: Filter) -> tuple[str, ...]:
    if isinstance(item, str):
        return conditions.names(item)
    column, _, _ = item
    return (str(column),)


def kept(batch: pa.RecordBatch, filters: Filters, elsewhere: Mapping[str, pa.DataType] | None = None) -> np.ndarray:
    """int64 [k]: the rows for which the filters hold; null never does.

    `elsewhere` are the types of the filters' columns in other shards: what this one lacks of them is null.

    A list must hold as a whole; of several lists one must, as in `pyarrow.parquet.read_table`. Raises UsageError for an
    operator or a value that doesn't suit the column.
    """
    table = pa.table({name: _column(batch, name, elsewhere or {}) for name in columns(filters)})
    types = {field.name: field.type for field in table.schema}
    table = table.append_column(_ROW, indices(np.arange(batch.num_rows)))
    try:
        expressions = [_expression(group, types) for group in _groups(filters)]
        return np.array(table.filter(reduce(operator.or_, expressions))[_ROW].to_pylist(), np.int64)
    except UsageError:
        raise
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"filters {filters!r}: {' '.join(str(error).split())}") from None


def _expression(group: Sequence[Filter], types: Mapping[str, pa.DataType]) -> pc.Expression:
    tuples = [item for item in group if not isinstance(item, str)]
    texts = [conditions.compiled(item, types) for item in group if isinstance(item, str)]
    return reduce(operator.and_, [*([pq.filters_to_expression(tuples)] if tuples else []), *texts])


def _column(batch: pa.RecordBatch, name: str, elsewhere: Mapping[str, pa.DataType]) -> pa.Array:
    """A column, or a struct's member; words of a dictionary as strings. Absent in this shard: null."""
    top, *members = name.split(".")
    if type_of(batch.schema, name) is None and (top not in batch.schema.names or name in elsewhere):
        return pa.nulls(batch.num_rows, elsewhere.get(name))
    column: Any = batch.column(top)
    for member in members:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(member) < 0:
            raise UsageError(f"filters name {name!r}; {top} has no such member")
        column = pc.struct_field(column, member)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Of a column, or a struct's member, as filters see it; None where the schema hasn't got it."""
    top, *members = name.split(".")
    held: Any = schema.field(top).type if top in schema.names else None
    for member in members:
        is_there = held is not None and pa.types.is_struct(held) and held.get_field_index(member) >= 0
        held = held.field(member).type if is_there else None
    return held.value_type if held is not None and pa.types.is_dictionary(held) else held
