"""One writer and one reader for shards, Parquet or Arrow IPC: the same rows always give the same bytes."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from schemas import fields, kinds
from schemas.folders.ranges import is_far

FORMATS = ("parquet", "arrow")
ROW_GROUP_BYTES = 6 << 20  # read fastest of the sizes that were measured


class ShardWriter:
    """Writes rows to an open binary file, a row group at a time, and knows their digest.

    A row is a dict column → encoded cell (`schemas.record.encode`), or an Arrow array of that one cell, which is copied
    without becoming an object of Python; absent columns are null. One table per row group,
    always built the same way, since the same rows in other batches would give other bytes. Closing the file, syncing
    and renaming it stay with the caller.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema, file_format: str) -> None:
        if file_format not in FORMATS:
            raise ValueError(f"format {file_format!r}; allowed are {', '.join(FORMATS)}")
        self.schema = schema
        self.rows = 0
        self._sink = _Hashing(file)
        self._words: dict[str, list[str]] = {field.name: [] for field in schema if field.type == fields.WORD}
        self._pending: list[Mapping[str, Any]] = []
        self._pending_bytes = 0
        self._writer = _parquet(self._sink, schema) if file_format == "parquet" else _ipc(self._sink, schema)

    def write(self, row: Mapping[str, Any]) -> None:
        self._pending.append(row)
        self._pending_bytes += sum(_picture_bytes(cell) for cell in row.values())
        self.rows += 1
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> tuple[int, str]:
        """Ends the file's content; returns its length in bytes and its sha256."""
        self._flush()
        self._writer.close()
        return self._sink.size, self._sink.digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()

    def _flush(self) -> None:
        if not self._pending:
            return
        arrays = [self._array(field, [row.get(field.name) for row in self._pending]) for field in self.schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self._pending, self._pending_bytes = [], 0

    def _array(self, field: pa.Field, cells: list[Any]) -> pa.Array:
        if any(isinstance(cell, pa.Array) for cell in cells):
            parts = [cell if isinstance(cell, pa.Array) else pa.array([cell], field.type) for cell in cells]
            return pa.concat_arrays(parts)
        if field.name not in self._words:
            return pa.array(cells, type=field.type)
        known = self._words[field.name]  # grows over the shard: Arrow files may add to a dictionary, not replace it
        known += [word for word in dict.fromkeys(cells) if word is not None and word not in known]
        indices = pa.array([None if cell is None else known.index(cell) for cell in cells], pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(known, pa.string()))


class ShardReader:
    """Reads a shard from an open, seekable binary file (the caller closes it); `name` tells the format by its ending.

    Raises pa.ArrowInvalid or OSError for bytes that aren't a shard.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._is_parquet = format_of(name) == "parquet"
        opened = pq.ParquetFile(file, pre_buffer=is_far(file)) if self._is_parquet else pa.ipc.open_file(file)
        self._file: Any = opened
        self.schema: pa.Schema = self._file.schema_arrow if self._is_parquet else self._file.schema
        self.groups: int = self._file.num_row_groups if self._is_parquet else self._file.num_record_batches

    def group(self, index: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group, only the named columns."""
        if self._is_parquet:
            return self._file.read_row_group(index, columns=columns, use_threads=False)
        table = pa.Table.from_batches([self._file.get_batch(index)])
        return table if columns is None else table.select(columns)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Rows in order as dicts of encoded cells; one row group in memory at a time."""
        for index in range(self.groups):
            yield from self.group(index, columns).to_pylist()

    def table(self, columns: Sequence[str]) -> pa.Table:
        """All rows of small columns as one table."""
        names = [name for name in columns if name in self.schema.names]
        groups = [self.group(index, names) for index in range(self.groups)]
        empty = pa.schema([self.schema.field(name) for name in names]).empty_table()
        return pa.concat_tables([empty, *groups], promote_options="permissive").unify_dictionaries()


def read_small(data: bytes) -> pa.Table:
    """A Parquet file in memory as one table.

    Not by `pyarrow.parquet.read_table`: its threads may be starting while a short command ends, which aborts it (seen
    in one of twelve runs).
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def format_of(path: str | Path) -> str:
    """ "parquet" or "arrow", by the file's ending. Raises ValueError for another."""
    suffix = Path(path).suffix.lstrip(".")
    if suffix not in FORMATS:
        raise ValueError(f"{Path(path).name} is no shard; allowed endings are {', '.join('.' + f for f in FORMATS)}")
    return suffix


def _parquet(sink: "_Hashing", schema: pa.Schema) -> Any:
    leaves = [path for field in schema for path in _leaves(field.name, field.type)]
    # Every leaf by name: a partial dict leaves the others uncompressed. Pictures are compressed already.
    compression = {leaf: "NONE" if leaf.endswith(".bytes") else "ZSTD" for leaf in leaves}
    return pq.ParquetWriter(
        sink,
        schema,
        compression=compression,
        use_dictionary=[field.name for field in schema if field.type == fields.WORD],
        write_statistics=[name for name in kinds.of(schema).ids if name in schema.names],
        store_schema=True,
    )


def _ipc(sink: "_Hashing", schema: pa.Schema) -> Any:
    return pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True))


def _leaves(path: str, arrow_type: pa.DataType) -> Iterator[str]:
    """Parquet's column paths below a field."""
    if pa.types.is_struct(arrow_type):
        for member in arrow_type:
            yield from _leaves(f"{path}.{member.name}", member.type)
    elif pa.types.is_list(arrow_type):
        yield from _leaves(f"{path}.list.element", arrow_type.value_type)
    else:
        yield path


def _picture_bytes(cell: Any) -> int:
    """Of an encoded picture, as a dict or as an array of one; 0 for every other cell."""
    if isinstance(cell, pa.StructArray):
        return int(cell.field("bytes")[0].as_buffer().size)
    if isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes):
        return len(cell["bytes"])
    return 0


class _Hashing:
    """A write-only file object that counts and digests what passes through it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size, self.digest = file, 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if self.file.closed:  # a writer that was given up with its file still ends it when it is collected
            return view.nbytes
        self.file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        """The caller closes the file itself."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
