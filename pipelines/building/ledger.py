"""What the receipts of a build say together: added up, and as one table beside the single files.

One receipt at a time is taken, since each names every file that its unit has read.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.building.receipts import Name, UnitReceipt
from schemas.finished.manifest import Shard
from schemas.finished.shard_list import split_of

_UNITS_AT_ONCE = 64
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("unit", "fingerprint", "tokens")),
        *((name, pa.int64()) for name in ("rows", "bytes")),
        ("sha256", pa.string()),
        ("rejects", pa.int64()),
        ("declined", pa.list_(pa.struct([("rule", pa.string()), ("times", pa.int64())]))),
        ("inputs", pa.list_(pa.struct([("path", pa.string()), ("sha256", pa.string())]))),
        ("seconds", pa.list_(pa.struct([("name", pa.string()), ("seconds", pa.float64())]))),
    ]
)


@dataclass
class Sums:
    """Over all units; the shards in the order of the units."""

    shards: list[Shard] = field(default_factory=list)
    rejects: list[dict[str, str]] = field(default_factory=list)
    origins: dict[str, Counter[str]] = field(default_factory=dict)  # column → origin → records
    seconds: Counter[str] = field(default_factory=Counter)
    declined: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    lacking: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(shard.rows for shard in self.shards)


class Ledger:
    """Writes the table of receipts to an open file, and adds them up."""

    def __init__(self, file: BinaryIO, extension: str) -> None:
        self.sums = Sums()
        self._extension = extension
        self._writer = pq.ParquetWriter(file, _SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, name: Name, receipt: UnitReceipt) -> None:
        self._rows.append(_row(name, receipt))
        if len(self._rows) == _UNITS_AT_ONCE:
            self._flush()
        sums, shard = self.sums, f"{name.stem}.{self._extension}"
        sums.shards.append(Shard(shard, split_of(shard), receipt.rows, receipt.size, receipt.sha256))
        sums.rejects += receipt.rejects
        sums.seconds.update(receipt.seconds)
        sums.declined.update(receipt.declined)
        sums.empty.update(receipt.empty)
        _update(sums.origins, receipt.origins)
        _update(sums.lacking, receipt.lacking)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, _SCHEMA))
        self._rows = []


def _update(sums: dict[str, Counter[str]], counts: Mapping[str, Mapping[str, int]]) -> None:
    for column, counted in counts.items():
        sums.setdefault(column, Counter()).update(counted)


def _row(name: Name, receipt: UnitReceipt) -> dict[str, Any]:
    return {
        "unit": name.stem,
        "fingerprint": name.fingerprint,
        "tokens": name.tokens,
        "rows": receipt.rows,
        "bytes": receipt.size,
        "sha256": receipt.sha256,
        "rejects": len(receipt.rejects),
        "declined": [{"rule": rule, "times": times} for rule, times in receipt.declined.items()],
        "inputs": [{"path": path, "sha256": digest} for path, digest in receipt.inputs.items()],
        "seconds": [{"name": name, "seconds": spent} for name, spent in receipt.seconds.items()],
    }
