"""Each shard again, its records with what a system's frozen networks make of them; training then needn't run these.

Records that lack a column that the system reads stay as they are, without encodings. What can't be decoded, prepared or
encoded is a reject.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from schemas import tensors
from schemas.cli.flags import one_line
from schemas.codecs import CodecError
from schemas.finished.rewriting import (
    Rejects,
    Rewriting,
    Row,
    ShardReceipt,
    owned_folder,
    with_cell,
    without_cell,
)
from schemas.folders import open_folder
from schemas.folders.owned import Owned
from vton_models.reading import decoding, encodings
from vton_models.reading.encodings import Encoder
from vton_models.reading.shard_files import Shard
from vton_models.reading.view import View
from vton_models.system import Encodes, EncodingModel, Model, Prepare, Purpose, Record


class EncodingError(Exception):
    """Encoding can't go on; the message is one line. Exit code 1."""


@dataclass(frozen=True)
class Encoding:
    """What is the same for all shards."""

    model: Model
    encodes: Mapping[str, Encodes]  # by network
    view: View
    fields: Mapping[str, pa.Field]  # of the shards that are read
    batch_size: int

    @cached_property
    def encoders(self) -> dict[str, Encoder]:
        """By network."""
        noted = self.model.base["networks"]
        return {network: Encoder(self.model.name, network, noted[network]["digest"]) for network in self.encodes}

    @property
    def added(self) -> tuple[pa.Field, ...]:
        """The new columns."""
        return tuple(
            self.encoders[network].field(column, encodes, encodings.sources(column, encodes, self.view))
            for network, encodes in self.encodes.items()
            for column in encodes.columns
        )

    @cached_property
    def origins(self) -> dict[str, dict[str, str | None]]:
        """Column → what the provenance of a record says of it."""
        return {
            column: {
                "origin": "annotator",
                "annotator": self.encoders[network].name,
                "digest": self.encoders[network].digest.removeprefix("sha256:"),
                "note": ", ".join(f"{name} {value}" for name, value in encodes.settings.items()) or None,
            }
            for network, encodes in self.encodes.items()
            for column in encodes.columns
        }

    def shard(self, rewriting: Rewriting, shard: Shard) -> tuple[ShardReceipt, bool]:
        """(receipt, whether it was there before)."""
        held = rewriting.receipt(shard.name)
        if held is not None:
            return held, True

        def changed(rows: Iterator[Row], rejects: Rejects) -> Iterator[Row]:
            while batch := list(islice(rows, self.batch_size)):
                yield from self._batch(batch, rejects, shard.name)

        return rewriting.write(shard.name, shard.split, changed), False

    def _batch(self, rows: Sequence[Row], rejects: Rejects, source: str) -> Iterator[Row]:
        """Rows with their encodings, those without any that lack what is read; not those that are rejected."""
        bad: dict[str, tuple[str, str, str]] = {}  # record → stage, error, message
        prepared = {row["record_id"]: one for row in rows if (one := self._prepared(row, bad)) is not None}
        encoded = self._encoded(list(prepared.values()))
        places = {record_id: place for place, record_id in enumerate(prepared)}
        for row in rows:
            name = row["record_id"]
            new = None if name in bad else self._row(row, encoded, places.get(name), bad)
            if new is not None:
                yield new
            else:
                stage, error, message = bad[name]
                rejects.append(
                    {"record_id": name, "stage": stage, "error": error, "message": message, "source": source}
                )

    def _prepared(self, row: Row, bad: dict[str, tuple[str, str, str]]) -> dict[str, Tensor] | None:
        """None for a row that lacks something, and for one that is bad."""
        try:
            record = self._record(row)
            if any(record[name] is None for name in self.view.needed):
                return None
            return self._prepare(record, None)
        except CodecError as error:
            bad[row["record_id"]] = "read", "undecodable", str(error)
        except Exception as error:  # whatever a system's preparation raises
            bad[row["record_id"]] = "prepare", type(error).__name__, one_line(error)
        return None

    def _record(self, row: Row) -> Record:
        """As `prepare` takes it. Raises CodecError."""
        cells = {name: row.get(name) for name in self.view.columns}
        return self.view(
            {name: self._decoders[name](pa.scalar(cell, self.fields[name].type)) for name, cell in cells.items()}
        )

    @cached_property
    def _decoders(self) -> dict[str, Any]:
        """On the same path as training, which may halve pictures while decoding."""
        size = self.model.config.decode_size
        return {name: decoding.decoder(self.fields[name], size) for name in self.view.columns}

    @cached_property
    def _prepare(self) -> Prepare:
        return self.model.prepare(Purpose.VALIDATION)

    def _encoded(self, prepared: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Column → [b …]. Raises EncodingError without memory."""
        if not prepared:
            return {}
        assert isinstance(self.model, EncodingModel)
        batch = {name: torch.stack([one[name] for one in prepared]) for name in prepared[0]}
        try:
            return self.model.encoded(batch, self.encodes)
        except torch.OutOfMemoryError as error:
            raise EncodingError(f"a batch of {len(prepared)} is out of memory; try a smaller --batch-size") from error

    def _row(
        self, row: Row, encoded: Mapping[str, Tensor], place: int | None, bad: dict[str, tuple[str, str, str]]
    ) -> Row | None:
        """The row with what was encoded of it, if something was; None where that isn't finite."""
        for column, origin in self.origins.items():
            if place is None:
                row = without_cell(row, column)
                continue
            try:
                cell = {"bytes": tensors.encode(encoded[column][place].numpy()), "path": f"{column}.npy"}
            except CodecError as error:
                bad[row["record_id"]] = "encode", "not_finite", f"{column}: {error}"
                return None
            row = with_cell(row, column, cell, origin)
        return row


def shards_folder(folder: Path) -> Owned:
    """The folder that `encode` writes."""
    return owned_folder(folder, "encode", "folder of encoded shards")


def begin(source: str, output: Path, config: Mapping[str, Any], overwrite: bool, encoding: Encoding) -> Rewriting:
    """Raises UsageError for a folder that holds something else, or encodings of other settings."""
    shards_folder(output).begin(config, overwrite)
    rewriting = Rewriting(open_folder(source), open_folder(str(output)), encoding.added)
    rewriting.begin()
    return rewriting
