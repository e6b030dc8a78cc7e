"""Single records of finished shards, decoded: a person's columns from one, a garment's from the same or another."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from schemas import record
from schemas.kinds import TRYON
from vton_models.reading import shard_files
from vton_models.reading.pairing import Pair

# What belongs to the garment, whoever else is in the record.
OF_THE_GARMENT = {"garment_image", *TRYON.aligned, "garment_caption", "garment_type", "garment_view", "tags"}
_KEPT_GROUPS = 4  # some 6 MB each


class Stored(Protocol):
    """Where a record lies: a shard, a row group in it, and a row in that."""

    @property
    def url(self) -> str: ...

    @property
    def group(self) -> int: ...

    @property
    def index(self) -> int: ...


class StoredRecords:
    """Reads row groups as they are needed and keeps the last few."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._groups: OrderedDict[tuple[Any, ...], pa.RecordBatch] = OrderedDict()

    def pair(self, pair: Pair, columns: Sequence[str]) -> dict[str, Any]:
        """Column → arrays, as `schemas.fields` describes them; columns that the shards lack are None.

        Raises codecs.CodecError for damaged bytes.
        """
        assert pair.garment is not None
        garments = [name for name in columns if name in OF_THE_GARMENT]
        persons = [name for name in columns if name not in OF_THE_GARMENT]
        return self.row(pair.person, persons) | self.row(pair.garment, garments)

    def row(self, row: Stored, columns: Sequence[str]) -> dict[str, Any]:
        """As `pair`, of one record."""
        if not columns:
            return {}
        cells = self._group(row, tuple(columns)).slice(row.index, 1).to_pylist()[0]
        return {name: self._decode(name, cells.get(name)) for name in columns}

    def _decode(self, name: str, cell: Any) -> Any:
        return None if cell is None else record.decode(self._schema.field(name), cell)

    def _group(self, row: Stored, columns: tuple[str, ...]) -> pa.RecordBatch:
        key = row.url, row.group, columns
        if key not in self._groups:
            while len(self._groups) >= _KEPT_GROUPS:
                self._groups.popitem(last=False)
            self._groups[key] = shard_files.read_group(row.url, row.group, columns)
        self._groups.move_to_end(key)
        return self._groups[key]
