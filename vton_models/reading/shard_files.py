"""Folders of shards: which files belong to them, how many rows their row groups have, and reading one group.

Local folders and whatever fsspec opens (`s3://`, `gs://`, `hf://`, `memory://`). Locations travel as strings and files
are opened in the process that reads them, since open stores don't survive a fork.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.finished import manifest as manifests
from schemas.finished import shard_list
from schemas.folders import Entry, Folder, open_file, open_folder
from schemas.kinds import Kind

_OF_A_BUILD = ("_plan.parquet", "_run.json")
_OPEN_FILES = 32  # readers that a process keeps; a footer takes some 0.1 MB
THREADS = 8


@dataclass(frozen=True)
class Shard:
    """One file: its URL or path, name, and what identifies its content (sha256, or the size where nobody knows it)."""

    url: str
    name: str
    split: str
    identity: str


@dataclass(frozen=True)
class Contents:
    """Rows of each row group, and the columns."""

    rows: tuple[int, ...]
    schema: pa.Schema


def find(folder: str, split: str | None) -> list[Shard]:
    """The shards of a finished folder, of one split or of all, by name. Raises UsageError.

    manifest.json says which files there are; a folder that no build left behind may lack it.
    """
    location = open_folder(folder)
    try:
        present = location.files() if location.is_folder() else None
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"can't list {folder}: {type(error).__name__}; allowed is a folder of shards") from None
    if present is None:
        raise UsageError(f"can't list {folder}: there is no such folder; allowed is a folder of shards")
    if manifests.NAME in present:
        identities = _in_manifest(folder, location, present)
    elif any(name in present for name in _OF_A_BUILD) or "_receipts" in location.folders():
        raise UsageError(
            f"{folder} has no manifest.json: the build isn't finished; run `python -m pipelines.finish` on it"
        )
    else:
        identities = {name: f"{entry.size} bytes" for name, entry in present.items() if shard_list.is_shard(name)}
    shard_list.check_complete(folder, identities)
    shards = [
        Shard(f"{folder.rstrip('/')}/{name}", name, shard_list.split_of(name), identity)
        for name, identity in sorted(identities.items())
    ]
    splits = sorted({shard.split for shard in shards})
    if not shards or (split is not None and split not in splits):
        asked = "shards" if split is None else f"split {split!r}"
        raise UsageError(f"{folder} has no {asked}; it has {', '.join(splits) or 'none'}")
    return [shard for shard in shards if split in (None, shard.split)]


def contents(shards: Sequence[Shard]) -> list[Contents]:
    """Reads the footers, several at a time. Raises UsageError for a file that is no shard."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_contents, shards))


def kind(folder: str, split: str | None) -> Kind:
    """What records a finished folder holds, by its first shard. Raises UsageError."""
    return kinds.of(_contents(find(folder, split)[0]).schema)


def read_group(url: str, group: int, columns: Sequence[str]) -> pa.RecordBatch:
    """The named columns of one row group, those that the shard has; of a picture its bytes alone."""
    return _open(url).read(group, columns)


def read_all(url: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named columns of every row group."""
    shard = _fresh(url)
    for group in range(len(shard.rows())):
        yield shard.read(group, columns)


class ParquetShard:
    """Rows per group and groups of a Parquet file."""

    def __init__(self, url: str) -> None:
        remote = "://" in url
        # Remote reads are joined into few requests; local ones take no more than the wanted pages.
        self._file = pq.ParquetFile(open_file(url) if remote else url, pre_buffer=remote)
        self.schema: pa.Schema = self._file.schema_arrow

    def rows(self) -> tuple[int, ...]:
        metadata = self._file.metadata
        return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))

    def read(self, group: int, columns: Sequence[str]) -> pa.RecordBatch:
        leaves = [_leaf(self.schema.field(name)) for name in columns if name in self.schema.names]
        return _one_batch(self._file.read_row_group(group, columns=leaves, use_threads=False))


class ArrowShard:
    """The same of an Arrow IPC file, memory-mapped where it is local."""

    def __init__(self, url: str) -> None:
        self._source = open_file(url) if "://" in url else pa.memory_map(url)
        self._whole = pa.ipc.open_file(self._source)
        self.schema: pa.Schema = self._whole.schema
        self._some: dict[tuple[str, ...], Any] = {}

    def rows(self) -> tuple[int, ...]:
        # Counting rows means decoding a batch; without columns it costs its header.
        reader = self._reader(())
        return tuple(reader.get_batch(group).num_rows for group in range(self._whole.num_record_batches))

    def read(self, group: int, columns: Sequence[str]) -> pa.RecordBatch:
        return self._reader(tuple(name for name in columns if name in self.schema.names)).get_batch(group)

    def _reader(self, columns: tuple[str, ...]) -> Any:
        """A reader that loads these columns only; of none at all, the first of plain numbers or words."""
        if columns not in self._some:
            indices = [self.schema.get_field_index(name) for name in columns] or [_narrowest(self.schema)]
            options = pa.ipc.IpcReadOptions(included_fields=indices, use_threads=False)
            self._some[columns] = pa.ipc.open_file(self._source, options=options)
        return self._some[columns]


def _narrowest(schema: pa.Schema) -> int:
    numbers = [i for i, field in enumerate(schema) if pa.types.is_primitive(field.type)]
    return numbers[0] if numbers else 0


def _leaf(field: pa.Field) -> str:
    """The Parquet column of a picture's bytes; any other column whole."""
    is_picture = pa.types.is_struct(field.type) and [member.name for member in field.type] == ["bytes", "path"]
    return f"{field.name}.bytes" if is_picture else field.name


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    """A row group as one batch; several chunks only where one holds over 2 GB."""
    if not table.num_columns:
        return pa.RecordBatch.from_arrays([pa.nulls(table.num_rows)], ["nothing"])
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


@lru_cache(_OPEN_FILES)
def _open_in(process: int, url: str, stamp: tuple[int, ...]) -> ParquetShard | ArrowShard:
    return _fresh(url)


def _fresh(url: str) -> ParquetShard | ArrowShard:
    return ParquetShard(url) if url.endswith(".parquet") else ArrowShard(url)


def _open(url: str) -> ParquetShard | ArrowShard:
    """Kept open for this process, since a forked worker must not share its parent's file position, and for this file:
    another build may have taken its place, or the working folder may have changed.
    """
    place = url if "://" in url else os.path.abspath(url)
    return _open_in(os.getpid(), place, _stamp(place))


def _stamp(place: str) -> tuple[int, ...]:
    """What tells a local file from another one in its place; of a store's objects nothing, as they stay."""
    if "://" in place:
        return ()
    told = os.stat(place)
    return told.st_ino, told.st_size, told.st_mtime_ns


def _contents(shard: Shard) -> Contents:
    try:
        opened = _fresh(shard.url)
        return Contents(opened.rows(), opened.schema)
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(f"{shard.url} is no readable shard ({type(error).__name__})") from None


def _in_manifest(folder: str, location: Folder, present: Mapping[str, Entry]) -> dict[str, str]:
    """Name → sha256 of the shards that the manifest names."""
    manifest, fault = manifests.look(location)
    if manifest is None:
        raise UsageError(f"{folder}/{manifests.NAME} {fault}; allowed is a finished build")
    manifests.check_sizes(folder, manifest.shards, present)
    return {shard.name: shard.sha256 for shard in manifest.shards}


def indices(numbers: np.ndarray) -> pa.Array:
    """int64 [n] for Arrow. Not by `pa.array`, which imports pandas: half a second and 40 MB in every worker."""
    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers, np.int64))]
    )


def digest(parts: Sequence[str]) -> str:
    """16 hexadecimal digits that identify the parts and their order."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
