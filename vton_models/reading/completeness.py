"""Which records lack a column that a model needs, without reading pictures."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.folders import open_file
from vton_models.reading import shard_files
from vton_models.reading.catalogue import Catalogue

_THREADS = 8


def incomplete(catalogue: Catalogue, columns: Sequence[str]) -> set[str]:
    """Ids of the records in which one of the columns is null or absent; what the kind requires is in every record."""
    nullable = [name for name in columns if not all(name in kind.required for kind in catalogue.kinds)]
    if not nullable:
        return set()
    with ThreadPoolExecutor(_THREADS) as pool:
        return {name for names in pool.map(lambda url: _of_shard(url, nullable), catalogue.urls) for name in names}


def _of_shard(url: str, columns: Sequence[str]) -> list[str]:
    ids: list[str] = []
    for table in _parquet(url, columns) if url.endswith(".parquet") else _arrow(url, columns):
        missing = [name for name in columns if name not in table.schema.names]
        for row, name in enumerate(table["record_id"].to_pylist()):
            if missing or any(not table[column][row].is_valid for column in columns):
                ids.append(str(name))
    return ids


def _parquet(url: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Of a picture only its file name is read: it is null where the picture is."""
    with open_file(url) as opened:
        file = pq.ParquetFile(opened)
        there = [name for name in columns if name in file.schema_arrow.names]
        leaves = [_leaf(file.schema_arrow.field(name)) for name in there]
        yield file.read(columns=["record_id", *leaves], use_threads=False)


def _arrow(url: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    for group in range(len(shard_files.ArrowShard(url).rows())):
        yield pa.Table.from_batches([shard_files.read_group(url, group, ["record_id", *columns])])


def _leaf(field: pa.Field) -> str:
    is_picture = pa.types.is_struct(field.type) and "path" in [member.name for member in field.type]
    return f"{field.name}.path" if is_picture else field.name
