"""Records of finished shards by their small columns: shards that no build writes are named, before any work."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import finished

from schemas.cli.flags import UsageError
from vton_models.reading import pairing

FIRST = "train-00000-of-00002.parquet"


def _with(column: str, cells: pa.Array) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        told = field.with_nullable(True) if field.type == cells.type else pa.field(column, cells.type)
        return table.set_column(table.schema.names.index(column), told, cells)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["garment_image"]), "has no column garment_image"),
        (lambda table: table.drop_columns(["agnostic_mask"]), "has other columns than"),
        (_with("record_id", pa.array([1, 2])), "column record_id is int64; allowed is string"),
        (_with("provenance", pa.array([1, 2])), "column provenance is int64; allowed is list"),
        (_with("person_image", pa.array(["a", "b"])), "column person_image is string; allowed is struct"),
        (lambda table: table.replace_schema_metadata({"kind": "nope"}), "unknown kind of records 'nope'"),
    ],
)
def test_a_shard_of_other_columns_is_named(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    folder = _changed(tmp_path, change)
    with pytest.raises(UsageError, match=rf"train-0000\d-of-00002.parquet.* {message}"):
        pairing.index(str(folder), None)


@pytest.mark.parametrize("column", ["record_id", "person_id", "garment_id"])
def test_a_record_without_an_id_is_named(tmp_path: Path, column: str) -> None:
    folder = _changed(tmp_path, _with(column, pa.array([None, "b"])), every=True)
    with pytest.raises(UsageError, match=f"{FIRST} has a record without {column}"):
        pairing.index(str(folder), None)


def _changed(folder: Path, change: Callable[[pa.Table], pa.Table], every: bool = False) -> Path:
    """Two shards of two records without a manifest, of which one or every one is changed."""
    rows = [finished.row(f"p{n}", f"p{n}", "train", seed=n) for n in range(4)]
    shards = finished.write(folder / "shards", rows)
    (shards / "manifest.json").unlink()
    for path in sorted(shards.glob("*.parquet"))[: 2 if every else 1]:
        pq.write_table(change(pq.ParquetFile(path).read()), path)
    return shards
