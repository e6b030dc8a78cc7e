"""Hugging Face's imagefolder: pictures as files, all else in `SPLIT/metadata.jsonl`; `load_dataset(DIR)` reads it.

The first photo (of the person, or of the reference) is the column `image`; every further picture has its own column,
null where a record lacks it. Tensors, which are no pictures, are left out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from pipelines.exports import File, Item, Layout, _cells, _metadata, need
from pipelines.exports._names import Names, plain
from schemas import fields, kinds


@dataclass(frozen=True)
class Config:
    """No options."""


class Export(Layout):
    def __init__(self, config: Config, schema: pa.Schema, items: Sequence[Item]) -> None:
        super().__init__(config, schema, items)
        self.kind = kinds.of(schema)
        self.main = self.kind.photos[0]
        need(schema, "imagefolder", ("record_id", "split", self.main))
        names = Names()
        self.places: dict[str, tuple[str, str]] = {}  # record → folder of its split, stem of its files
        for order, item in enumerate(items):
            split = names.take("split", item.split, plain(item.split), 0)
            stem = plain(item.record_id.replace("/", "__"))
            self.places[item.record_id] = split, names.take("record", item.record_id, stem, order)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.schema if field.name != "provenance" and not fields.is_tensor(field))

    def files(self, row: dict[str, Any]) -> Iterator[File]:
        split, _ = self.places[row["record_id"]]
        for field in filter(fields.is_picture, self.schema):
            cell = row.get(field.name)
            if cell is not None:
                make = partial(_cells.mask_png, cell) if fields.kind(field) == "mask" else _cells.stored(cell)
                yield File(f"{split}/{self._name(field, row)}", make, field.name)

    def entry(self, row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        pictures = [field for field in self.schema if fields.is_picture(field)]
        named = {self._key(field): self._name(field, row) if row.get(field.name) else None for field in pictures}
        return self.places[row["record_id"]][0], named | _cells.words(row, self.schema)

    def lists(self, entries: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, bytes]]:
        lines: dict[str, list[dict[str, Any]]] = {}
        for split, line in entries:
            lines.setdefault(split, []).append(line)
        yield from _metadata.files(lines, self._schema()).items()
        yield "README.md", _card(list(lines)).encode()

    def _schema(self) -> pa.Schema:
        """Of the metadata: names of files, and all that is no picture."""
        found = []
        for field in self.schema:
            if fields.is_picture(field):
                found.append(pa.field(self._key(field), pa.string()))
            elif field.name in self.columns:
                known = self.kind.fields.get(field.name, field).type
                plain_type = known if known == field.type else field.type  # Parquet renames the members of lists
                found.append(pa.field(field.name, pa.string() if plain_type == fields.WORD else plain_type))
        return pa.schema(found)

    def _key(self, field: pa.Field) -> str:
        return "file_name" if field.name == self.main else f"{field.name}_file_name"

    def _name(self, field: pa.Field, row: dict[str, Any]) -> str:
        """Below the split's folder."""
        data = row[field.name]["bytes"]
        ending = "png" if fields.kind(field) == "mask" else _cells.ending(data)
        return f"{field.name}/{self.places[row['record_id']][1]}.{ending}"


def _card(splits: list[str]) -> str:
    """Which folder is which split: otherwise `datasets` guesses from words in the names."""
    files = "".join(f"  - split: {json.dumps(split)}\n    path: {json.dumps(f'{split}/**')}\n" for split in splits)
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
