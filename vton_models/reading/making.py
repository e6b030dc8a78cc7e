"""One epoch's batches out of rows: read, decoded, prepared, stacked; in place of a bad record another one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from schemas.pages import notebook
from vton_models.reading import decoding
from vton_models.reading.blocks import BlockReader, Row
from vton_models.reading.catalogue import Catalogue
from vton_models.reading.collate import collate, with_presence
from vton_models.reading.order import Batch, EpochOrder, derive_seed
from vton_models.reading.slabs import Room

Record = dict[str, Any]
Prepare = Callable[[Record, torch.Generator], dict[str, Any]]
Stored = tuple[Batch, list[tuple[int, Row]]]  # a batch and its rows by position
Report = Callable[[str, Exception], None]  # name of a record that can't be used, and why


@dataclass(frozen=True)
class Bad:
    """A record that can't be used, where it lies, and why."""

    position: int
    row: Row
    error: Exception


@dataclass(frozen=True)
class Part:
    """A batch, its records, and the item made of them; None where one of them is bad."""

    batch: Batch
    records: list[Record | Bad]
    item: Record | None


@dataclass(frozen=True)
class Making:
    """What turns the places of one epoch into items. `read` is for one thread, `make` for any number."""

    catalogue: Catalogue
    order: EpochOrder
    stacked: bool
    prepare: Prepare | None
    decode_size: tuple[int, int] | None
    room: Room

    @cached_property
    def reader(self) -> BlockReader:
        columns = list(dict.fromkeys([*self.catalogue.fields, "record_id"]))
        return BlockReader(self.order, lambda group: self.catalogue.read(group, columns))

    @cached_property
    def decoders(self) -> dict[str, Callable[[Any], Any]]:
        return {name: decoding.decoder(field, self.decode_size) for name, field in self.catalogue.fields.items()}

    def read(self, batch: Batch) -> Stored:
        """The batch with its rows as they are stored."""
        positions = self.reader.positions(batch.block)[batch.offset : batch.offset + batch.count].tolist()
        return batch, [(at, self.reader.row(batch.block, at)) for at in positions]

    def make(self, stored: Stored) -> Part:
        """What `read` gave, decoded, prepared and stacked."""
        batch, rows = stored
        records = [self._record(at, row) for at, row in rows]
        good = [record for record in records if not isinstance(record, Bad)]
        return Part(batch, records, self._item(good, batch) if len(good) == len(records) else None)

    def mended(self, part: Part, report: Report) -> Record | None:
        """The item with others in place of bad records; None where nothing is left.

        Raises RuntimeError where a shuffled block has no record that can be used.
        """
        # Its lane may have gone on to the next block meanwhile, so the block is looked up by a reader of its own.
        beside = BlockReader(self.order, self.reader.read)
        good = list(self._replaced(part, beside, report))
        return self._item(good, part.batch) if good else None

    def _replaced(self, part: Part, reader: BlockReader, report: Report) -> Iterator[Record]:
        shuffle = self.order.settings.shuffle
        spare = iter(reader.following(part.batch) if shuffle else ())
        for record in part.records:
            while isinstance(record, Bad):
                report(self._name(record), record.error)
                at = next(spare, None)
                if at is None:
                    break
                record = self._record(at, reader.row(part.batch.block, at))
            if not isinstance(record, Bad):
                yield record
            elif shuffle:
                message = f"no record of a whole block can be used; the last: {record.error}"
                raise RuntimeError(message) from record.error

    def _item(self, records: list[Record], batch: Batch) -> Record:
        if self.stacked and not self.prepare:
            records = with_presence(records, self.catalogue.nullable)
        item: Record = collate(records, self.room) if self.stacked else notebook.Shown(records[0])
        if self.prepare:
            item["seed"] = derive_seed("batch", *self._epoch, batch.round, batch.share)
        return item

    def _record(self, position: int, row: Row) -> Record | Bad:
        """What is read of a row, or whatever a damaged record or its preparation raised."""
        try:
            record = {name: decode(row[name]) if name in row else None for name, decode in self.decoders.items()}
            return record if self.prepare is None else self._prepared(self.prepare, record, position, row)
        except Exception as error:
            return Bad(position, row, error)

    def _prepared(self, prepare: Prepare, record: Record, position: int, row: Row) -> Record:
        generator = torch.Generator().manual_seed(derive_seed("record", *self._epoch, position))
        record_id = row["record_id"].as_py() if "record_id" in row else ""
        return {**prepare({**record, "record_id": record_id}, generator), "record_id": record_id}

    @property
    def _epoch(self) -> tuple[int, int]:
        return self.order.settings.seed, self.order.epoch

    def _name(self, bad: Bad) -> str:
        if "record_id" in bad.row:
            return str(bad.row["record_id"].as_py())
        group, number = self.reader.run_of(bad.position)
        return f"row {number} of row group {group}"
