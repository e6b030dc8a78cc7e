"""Layouts of files that finished shards are written as: one file each; the file name is the name.

A layout module has `Config` (a frozen dataclass; its fields are the flags `--<layout>-<option>`) and `Export`, a
`Layout` that is made once and asked for the files of one record after another, from several threads.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pyarrow as pa

from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.cli.modules import modules_of
from schemas.kinds import Kind


@dataclass(frozen=True)
class Item:
    """A record's ids and the shard that holds it; None for a column that these shards lack."""

    record_id: str
    shard: str
    split: str
    category: str | None
    person_id: str | None
    garment_id: str | None
    paired: bool | None


@dataclass(frozen=True)
class Claim:
    """Several records name one file: `first` is the place in order of the first of them, `own` of this one."""

    first: int
    own: int


@dataclass(frozen=True)
class File:
    """A file of one record. `make` gives its bytes and raises codecs.CodecError, so that what is there costs nothing.

    `loss` says what the column loses in it. Where several records name the file, `cell` is what they must agree on.
    """

    path: str
    make: Callable[[], bytes]
    column: str
    loss: str = ""
    derived: bool = False  # the record lacks the column: made from others of it
    claim: Claim | None = None
    cell: Any = None


class Layout(ABC):
    """The base of a module's `Export`; `items` are all records in order. Raises UsageError.

    `left_out` says of records that the layout can't hold why; `problems` are those that are wrong in themselves.
    `renamed` counts ids that had to change to be file names. Paths are relative, with forward slashes.
    """

    def __init__(self, config: Any, schema: pa.Schema, items: Sequence[Item]) -> None:
        self.config, self.schema = config, schema
        self.left_out: dict[str, str] = {}
        self.problems: list[str] = []
        self.renamed = 0

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """What is read of a record, where the shards have it."""

    @abstractmethod
    def files(self, row: dict[str, Any]) -> Iterator[File]:
        """Files of a record with encoded cells, or the members that it has in its archive."""

    def entry(self, row: dict[str, Any]) -> Any:
        """What `lists` needs of a record: small, since all are in memory at the end. Raises codecs.CodecError."""
        return None

    def lists(self, entries: list[Any]) -> Iterator[tuple[str, bytes]]:
        """Paths and bytes of the files about all records; may add to `problems`."""
        yield from ()

    def archive(self, shard: str) -> str | None:
        """The tar file that takes the records of a shard; None where files lie loose."""
        return None


def names() -> tuple[str, ...]:
    """Layouts, not imported; helpers begin with an underscore."""
    return modules_of(__name__)


def load(name: str) -> ModuleType:
    """Raises ValueError for an unknown layout."""
    if name not in names():
        raise ValueError(f"unknown layout {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"pipelines.exports.{name}")


def file_name(record_id: str, ending: str) -> str:
    """One plain file name per record: `a/b` becomes `a__b.png`."""
    return f"{record_id.replace('/', '__')}.{ending}"


def need_kind(schema: pa.Schema, layout: str, kind: Kind) -> None:
    """Raises UsageError for shards whose records are of another kind than the layout holds."""
    held = kinds.of(schema)
    if held is not kind:
        raise UsageError(f"--layout {layout} needs {kind.title}; these shards hold {held.title}")


def need(schema: pa.Schema, layout: str, columns: Sequence[str]) -> None:
    """Raises UsageError for shards without a column that the layout can't do without."""
    for column in columns:
        if column not in schema.names:
            raise UsageError(
                f"--layout {layout} needs the column {column}; these shards have {', '.join(schema.names)}"
            )
