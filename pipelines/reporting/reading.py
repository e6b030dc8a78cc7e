"""Rows of some records, with their pictures: each row group is read once, two at a time."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa

from pipelines.reporting.listing import Listing, opened
from schemas import fields
from schemas.folders import Folder

Result = TypeVar("Result")
Row = Mapping[str, Any]


def each(
    folder: Folder,
    listing: Listing,
    indices: Sequence[int],
    make: Callable[[int, Row, pa.Schema], Result],
    columns: Sequence[str] | None = None,
) -> dict[int, Result]:
    """Index → what `make` makes of the record's stored row, or of some columns of it.

    Tensors, which nobody looks at, aren't read.
    """
    groups: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for index in sorted(indices):
        place = listing.place(index)
        groups.setdefault((place.shard, place.group), []).append((index, place.row))

    def of_group(item: tuple[tuple[str, int], list[tuple[int, int]]]) -> list[tuple[int, Result]]:
        (shard, group), members = item
        with opened(folder, shard) as reader:
            names = [field.name for field in reader.schema if not fields.is_tensor(field)]
            names = [name for name in names if columns is None or name in columns]
            rows = reader.group(group, names).take([row for _, row in members])
            schema = reader.schema
        return [(index, make(index, row, schema)) for (index, _), row in zip(members, _rows(rows), strict=True)]

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return {index: made for done in pool.map(of_group, groups.items()) for index, made in done}


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """One at a time: their pictures are large."""
    for position in range(table.num_rows):
        yield table.slice(position, 1).to_pylist()[0]
