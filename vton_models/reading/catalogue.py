"""What a reader reads from: folders with weights, their row groups, the columns they have, the rows a filter keeps."""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas import fields, kinds
from schemas.cli.flags import UsageError
from schemas.kinds import Kind
from vton_models.reading import filters as filtering
from vton_models.reading import order, shard_files

Location = str | os.PathLike[str]
Locations = Location | Sequence[Location | tuple[Location, float]] | Mapping[Location, float]


@dataclass(frozen=True)
class Catalogue:
    """Row groups of all folders, numbered through; `kept` holds the rows that a filter left of each."""

    urls: tuple[str, ...]  # of the shards
    shard: np.ndarray  # int64 [groups]: whose group it is
    number: np.ndarray  # int64 [groups]: which group of its shard
    rows: np.ndarray  # int64 [groups]: kept rows
    kept: tuple[np.ndarray, ...] | None
    members: list[np.ndarray]  # the groups of each folder
    weights: list[float] | None
    fields: dict[str, pa.Field]  # the columns that are read
    kinds: tuple[Kind, ...]  # of the records, each once
    splits: tuple[str, ...]  # that the shards belong to
    lacking: dict[str, list[str]]  # folder → those of them that a shard of it lacks: None in its records
    fingerprint: str

    @property
    def nullable(self) -> dict[str, pa.Field]:
        """The columns that hold arrays and that some record may lack."""
        arrays = {name: field for name, field in self.fields.items() if fields.is_array(field)}
        return {n: field for n, field in arrays.items() if not all(n in kind.required for kind in self.kinds)}

    def runs(self, settings: order.Settings, epoch: int) -> order.Runs:
        """The rows of one epoch."""
        if self.weights is None:
            return order.every_group(self.rows)
        return order.weighted(self.rows, self.members, self.weights, settings, epoch)

    def read(self, group: int, columns: Sequence[str]) -> pa.RecordBatch:
        """The kept rows of a row group; columns that its shard lacks are absent."""
        url, number = self.urls[self.shard[group]], int(self.number[group])
        try:
            batch = shard_files.read_group(url, number, columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise OSError(f"{url}, row group {number}: {type(error).__name__}: {error}") from error
        kept = self.kept[group] if self.kept else None
        return batch if kept is None or len(kept) == batch.num_rows else batch.take(shard_files.indices(kept))


def catalogue(
    path: Locations, columns: Sequence[str] | None, split: str | None, filters: filtering.Filters | None
) -> Catalogue:
    """Reads listings and footers, and the filters' columns of every shard. Raises UsageError."""
    folders = weighted_folders(path)
    shards = [shard_files.find(folder, split) for folder, _ in folders]
    flat = [shard for of_folder in shards for shard in of_folder]
    contents = shard_files.contents(flat)
    owner = np.repeat(np.arange(len(folders)), [len(of_folder) for of_folder in shards])
    schemas = [[c.schema for c, o in zip(contents, owner, strict=True) if o == i] for i in range(len(folders))]
    names = filtering.columns(filters) if filters is not None else []
    fields = _fields([folder for folder, _ in folders], schemas, columns, [name.split(".")[0] for name in names])
    lacking = {name: _lacking(own, fields) for (name, _), own in zip(folders, schemas, strict=True)}
    groups = [len(c.rows) for c in contents]
    shard = np.repeat(np.arange(len(flat)), groups)
    number = np.concatenate([np.arange(n) for n in groups])
    rows = np.array([n for c in contents for n in c.rows], np.int64)
    kept = _kept([s.url for s in flat], [c.schema for c in contents], names, filters) if filters is not None else None
    rows = rows if kept is None else np.array([len(k) for k in kept], np.int64)
    members = [np.flatnonzero(owner[shard] == i) for i in range(len(folders))]
    _check_weighted(folders, members, rows)
    weights = [weight for _, weight in folders if weight is not None]
    parts = [f"{o} {s.name} {s.identity} {sum(c.rows)}" for o, s, c in zip(owner, flat, contents, strict=True)]
    return Catalogue(
        urls=tuple(s.url for s in flat),
        shard=shard,
        number=number,
        rows=rows,
        kept=kept,
        members=members,
        weights=weights or None,
        fields=fields,
        kinds=tuple(dict.fromkeys(kinds.of(c.schema) for c in contents)),
        splits=tuple(sorted({shard.split for shard in flat})),
        lacking={name: columns for name, columns in lacking.items() if columns},
        fingerprint=shard_files.digest([*parts, repr(filters), repr(weights)]),
    )


def weighted_folders(path: Locations) -> list[tuple[str, float | None]]:
    """("A", 0.2), … of "A:0.2", of several of those, of pairs or of a mapping; None where nobody gives a weight.

    Raises UsageError for weights that only some folders have, that aren't numbers ≥ 0, or that are all 0.
    """
    if isinstance(path, Mapping):
        folders: list[tuple[str, float | None]] = [
            _weighed(os.fspath(folder), weight) for folder, weight in path.items()
        ]
    elif isinstance(path, str | os.PathLike):
        folders = [_one_folder(path)]
    else:
        folders = [_one_folder(item) for item in path]
    weights = [weight for _, weight in folders if weight is not None]
    if not folders:
        raise UsageError("no folder of shards was given")
    if weights and len(weights) < len(folders):
        without = next(folder for folder, weight in folders if weight is None)
        raise UsageError(f"{without} has no weight; allowed are weights for all folders (FOLDER:0.5) or for none")
    if weights and not sum(weights):
        raise UsageError(f"the weights of {', '.join(folder for folder, _ in folders)} are all 0")
    return folders


def _one_folder(item: Location | tuple[Location, float]) -> tuple[str, float | None]:
    if isinstance(item, tuple):
        return _weighed(os.fspath(item[0]), item[1])
    text = os.fspath(item)
    folder, _, weight = text.rpartition(":")
    try:
        return _weighed(folder, float(weight)) if folder else (text, None)
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        return text, None  # a URL's colon, or a name's


def _weighed(folder: str, weight: float) -> tuple[str, float]:
    if isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0:
        return folder, float(weight)
    raise UsageError(f"weight {weight!r} of {folder}; allowed are numbers from 0 on")


def _fields(
    folders: list[str], schemas: list[list[pa.Schema]], columns: Sequence[str] | None, filtered: Sequence[str]
) -> dict[str, pa.Field]:
    """The columns to read. Raises UsageError for one that no shard has."""
    known = {field.name: field for of_folder in schemas for schema in of_folder for field in schema}
    for name in [*(columns or ()), *filtered]:
        if name not in known:
            raise UsageError(f"unknown column {name!r}; {', '.join(folders)} has {', '.join(known)}")
    return {name: known[name] for name in (known if columns is None else dict.fromkeys(columns))}


def _lacking(schemas: list[pa.Schema], fields: Mapping[str, pa.Field]) -> list[str]:
    """Of the columns that are read, those that a shard could have and hasn't: other kinds have other columns."""
    known = {name for kind in kinds.KINDS.values() for name in kind.fields}

    def lacks(schema: pa.Schema, name: str) -> bool:
        return name not in schema.names and (name in kinds.of(schema).fields or name not in known)

    return [name for name in fields if any(lacks(schema, name) for schema in schemas)]


def _kept(
    urls: list[str], schemas: list[pa.Schema], names: list[str], filters: filtering.Filters
) -> tuple[np.ndarray, ...]:
    """Kept rows of every group of every shard."""
    columns = list(dict.fromkeys(name.split(".")[0] for name in names))
    types = {
        name: kind for name in names for schema in schemas if (kind := filtering.type_of(schema, name)) is not None
    }

    def of_shard(url: str) -> list[np.ndarray]:
        return [filtering.kept(batch, filters, types) for batch in shard_files.read_all(url, columns)]

    with ThreadPoolExecutor(shard_files.THREADS) as pool:
        return tuple(kept for groups in pool.map(of_shard, urls) for kept in groups)


def _check_weighted(folders: list[tuple[str, float | None]], members: list[np.ndarray], rows: np.ndarray) -> None:
    for (folder, weight), groups in zip(folders, members, strict=True):
        if weight and not rows[groups].sum():
            raise UsageError(f"{folder} has weight {weight} and no record; allowed are folders with records")
