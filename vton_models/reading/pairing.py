"""Who is sampled in which garment: the records of finished shards by their small columns, and their partners."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.kinds import TRYON
from schemas.messages import counted
from vton_models.reading import shard_files

_IDS = ("record_id", "person_id", "garment_id")
COLUMNS = ("record_id", "split", "category", "person_id", "garment_id", "paired")


@dataclass(frozen=True)
class Row:
    """A record and where it lies."""

    record_id: str
    split: str
    category: str | None
    person_id: str
    garment_id: str
    paired: bool
    url: str
    group: int
    index: int  # within the group

    @property
    def source(self) -> str:
        """For people: the shard's name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Pair:
    """Whose photo, and whose garment; None where no other garment of the category is there."""

    person: Row
    garment: Row | None


@dataclass(frozen=True)
class Index:
    """All records of a folder, in order, and the columns that its shards have."""

    rows: tuple[Row, ...]
    schema: pa.Schema
    shards: tuple[shard_files.Shard, ...]

    @property
    def fingerprint(self) -> str:
        return shard_files.digest([f"{shard.name} {shard.identity}" for shard in self.shards])


def index(folder: str, split: str | None) -> Index:
    """Reads the small columns of every shard. Raises UsageError for a folder without finished try-on shards."""
    shards = shard_files.find(folder, split)
    schemas = [each.schema for each in shard_files.contents(shards)]
    for shard, schema in zip(shards, schemas, strict=True):
        kinds.check(schema, shard.url)
        if kinds.of(schema) is not TRYON:
            raise UsageError(f"{folder} holds {kinds.of(schema).title}; allowed are {TRYON.title}")
        if not schema.equals(schemas[0], check_metadata=True):
            raise UsageError(f"{shard.url} has other columns than {shards[0].name}; allowed are shards of one build")
    rows = [row for shard in shards for row in _rows(shard.url)]
    return Index(tuple(rows), schemas[0], tuple(shards))


def choose(rows: Sequence[Row], pairs: str, seed: int) -> list[Pair]:
    """Paired: the records whose person wears the garment. Unpaired: those whose person doesn't, or where there is none,
    everybody in another garment of the same split and category.

    Raises UsageError where nothing is left.
    """
    matching = [row for row in rows if row.paired == (pairs == "paired")]
    if matching:
        return [Pair(row, row) for row in matching]
    if pairs == "paired" or not rows:
        raise UsageError(f"--pairs {pairs}: none of {counted(len(rows), 'record')} is; allowed is {_other(pairs)}")
    return exchange(rows, seed)


def exchange(rows: Sequence[Row], seed: int) -> list[Pair]:
    """Each record with the next garment in a circle of its split's and category's garments, shuffled by the seed."""
    following: dict[tuple[str, str, str], Row | None] = {}
    for kind, members in _garments(rows).items():
        circle = sorted(members, key=lambda name: _digest(seed, *kind, name))
        for name, after in zip(circle, circle[1:] + circle[:1], strict=True):
            following[*kind, name] = members[after] if after != name else None
    return [Pair(row, following[*_kind(row), row.garment_id]) for row in rows]


def at_random(rows: Sequence[Row], seed: int) -> list[Pair]:
    """Each record with a garment of its split and category that isn't its own, drawn by seed and record."""
    members = _garments(rows)
    names = {kind: sorted(garments) for kind, garments in members.items()}
    return [Pair(row, _one_of(members[_kind(row)], names[_kind(row)], row, seed)) for row in rows]


def _one_of(members: dict[str, Row], names: Sequence[str], row: Row, seed: int) -> Row | None:
    """Of the sorted names, one that isn't the row's own; None where there is no other."""
    others = len(names) - 1
    if not others:
        return None
    place = int(_digest(seed, row.record_id)[:16], 16) % others
    return members[names[place + (place >= bisect_left(names, row.garment_id))]]


def _rows(url: str) -> Iterable[Row]:
    for group, batch in enumerate(shard_files.read_all(url, COLUMNS)):
        for name in _IDS:
            if batch[name].null_count:
                raise UsageError(f"{url} has a record without {name}; allowed are the shards of a build")
        for number, values in enumerate(batch.to_pylist()):
            yield Row(**_plain(values), url=url, group=group, index=number)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in COLUMNS} | {"paired": bool(values.get("paired"))}


def _kind(row: Row) -> tuple[str, str]:
    return row.split, row.category or ""


def _garments(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    """Split and category → garment id → the first record that shows it."""
    garments: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        garments.setdefault(_kind(row), {}).setdefault(row.garment_id, row)
    return garments


def _digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _other(pairs: str) -> str:
    return "--pairs unpaired" if pairs == "paired" else "another folder or --split"
