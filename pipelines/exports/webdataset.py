"""WebDataset's tar files, one per shard: pictures as `KEY.COLUMN.ENDING`, tensors as `KEY.COLUMN.npy`, all else of a
record in `KEY.json`.

The key is the record's id without slashes, spaces and dots. Masks are 8-bit grey PNG, and so are label maps, whose grey
is the id: `WebDataset.decode` turns every picture into RGB, which would put a palette's colours in the ids' place.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from pipelines.exports import File, Item, Layout, _cells, need
from pipelines.exports._names import Names, plain
from schemas import codecs, fields, record


@dataclass(frozen=True)
class Config:
    """No options."""


class Export(Layout):
    def __init__(self, config: Config, schema: pa.Schema, items: Sequence[Item]) -> None:
        super().__init__(config, schema, items)
        need(schema, "webdataset", ("record_id",))
        names = Names()
        for order, item in enumerate(items):
            names.take("record", item.record_id, key(item.record_id), order)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.schema.names if name != "provenance")

    def files(self, row: dict[str, Any]) -> Iterator[File]:
        stem = key(row["record_id"])
        members = [File(f"{stem}.json", partial(_json, row, self.schema), "record_id")]
        for field in filter(_cells.is_file, self.schema):
            if row.get(field.name) is not None:
                members.append(_member(stem, field, row[field.name]))
        yield from sorted(members, key=lambda file: file.path)

    def archive(self, shard: str) -> str:
        """`train-00000-of-00012.parquet` → `train-00000.tar`."""
        return re.sub(r"-of-\d+$", "", PurePosixPath(shard).stem) + ".tar"


def key(record_id: str) -> str:
    """What WebDataset takes for a sample's name: all before the first dot."""
    return plain(record_id.replace("/", "__")).replace(".", "_")


def _member(stem: str, field: pa.Field, cell: dict[str, Any]) -> File:
    if fields.kind(field) == "mask":
        return File(f"{stem}.{field.name}.png", partial(_cells.mask_png, cell), field.name)
    if fields.is_tensor(field):
        return File(f"{stem}.{field.name}.npy", _cells.stored(cell), field.name)
    if fields.kind(field) == "label_map":
        return File(f"{stem}.{field.name}.png", partial(_ids, field, cell), field.name)
    return File(f"{stem}.{field.name}.{_cells.ending(cell['bytes'])}", _cells.stored(cell), field.name)


def _ids(field: pa.Field, cell: dict[str, Any]) -> bytes:
    return codecs.encode_png(record.decode(field, cell))


def _json(row: dict[str, Any], schema: pa.Schema) -> bytes:
    return json.dumps(_cells.words(row, schema), ensure_ascii=False).encode()
