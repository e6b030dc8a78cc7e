"""What a kind of records says of itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas import fields

METADATA = b"kind"  # the key of a schema's metadata that names the kind of its records

Condition = tuple[str, str, Any]  # column, operator, value: as `pyarrow.parquet.read_table` takes its filters


@dataclass(frozen=True, eq=False)
class Kind:
    """Columns in their order, and what commands ask of them.

    base: in every shard, whatever a source ships and the annotators make.
    photos: what other pictures are aligned with; `height` and `width` are those of the first.
    aligned: picture → its photo, where that isn't the first one.
    ids: columns that a file keeps statistics of, so that records are found without reading all.
    required: null in no record.
    identities: photo → the column that tells whose or what picture it is.
    trained: what is true of the records that training takes.
    told: columns that describe a record to a person who looks at it.
    problems: what is wrong with a record's decoded values, a line each.
    """

    name: str
    title: str  # in messages: "these shards hold TITLE"
    columns: tuple[pa.Field, ...]
    base: tuple[str, ...]
    photos: tuple[str, ...]
    aligned: Mapping[str, str]
    ids: tuple[str, ...]
    required: tuple[str, ...]
    identities: Mapping[str, str]
    told: tuple[str, ...]
    problems: Callable[[Mapping[str, Any]], list[str]]
    trained: tuple[Condition, ...] = ()
    fields: Mapping[str, pa.Field] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", {column.name: column for column in self.columns})

    def photo_of(self, column: str) -> str:
        """The photo that a picture is aligned with; a photo is aligned with itself."""
        return column if column in self.photos else self.aligned.get(column, self.photos[0])

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Columns in the order of the kind; those that it doesn't know come last, as they were."""
        unique = list(dict.fromkeys(names))
        return [name for name in self.fields if name in unique] + [name for name in unique if name not in self.fields]

    @property
    def words(self) -> tuple[str, ...]:
        """Columns with one word, text or number each: what conditions compare."""
        return tuple(name for name, column in self.fields.items() if fields.kind(column) in ("text", "number"))

    def schema(self, columns: Iterable[pa.Field]) -> pa.Schema:
        """The Arrow schema of a shard with these fields: names the kind, and tells Hugging Face `datasets` of them."""
        return fields.with_huggingface(pa.schema(list(columns)), {METADATA: self.name.encode()})
