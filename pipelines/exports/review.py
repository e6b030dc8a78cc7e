"""Masks to look through and correct by hand: the photo, the mask as an 8-bit PNG, and both as one picture.

`pipelines.annotate --from-folder COLUMN=OUTPUT/COLUMN` takes the corrected files back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.exports import File, Item, Layout, _cells, file_name
from schemas import codecs, fields, kinds, labels, record
from schemas.cli.flags import UsageError
from schemas.cli.options import option

KINDS = ("mask", "label_map")
TINT = np.array((255, 0, 80), np.float32)
OPACITY = 0.5


@dataclass(frozen=True)
class Config:
    column: str = option("agnostic_mask", "the mask or label map to correct")


class Export(Layout):
    def __init__(self, config: Config, schema: pa.Schema, items: Sequence[Item]) -> None:
        super().__init__(config, schema, items)
        self.column = config.column
        allowed = [field.name for field in schema if fields.kind(field) in KINDS]
        if self.column not in allowed:
            flag = f"--review-column {self.column!r}"
            raise UsageError(f"{flag}; these shards have {', '.join(allowed) or 'no mask'}")
        self.photo = kinds.of(schema).photo_of(self.column)
        _check_names(items)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("record_id", self.photo, self.column)

    def files(self, row: dict[str, Any]) -> Iterator[File]:
        """The photo where the record has it (a still has no target); mask and overlay where it has one."""
        photo, cell, field = row[self.photo], row[self.column], self.schema.field(self.column)
        if photo is None:
            return
        record_id = row["record_id"]
        path = f"{self.photo}/{file_name(record_id, _cells.ending(photo['bytes']))}"
        yield File(path, _cells.stored(photo), self.photo)
        if cell is not None:
            path = f"{self.column}/{file_name(record_id, 'png')}"
            yield File(path, partial(_editable, field, cell), self.column)
            path = f"overlay/{file_name(record_id, 'jpg')}"
            yield File(path, partial(_overlay, photo["bytes"], field, cell), self.column)


def _check_names(items: Sequence[Item]) -> None:
    named: dict[str, str] = {}
    for item in items:
        other = named.setdefault(file_name(item.record_id, "").casefold(), item.record_id)
        if other != item.record_id:
            raise UsageError(f"records {other!r} and {item.record_id!r} would share their file names")


def _editable(field: pa.Field, cell: dict[str, Any]) -> bytes:
    """Masks as 8-bit grey, which every editor paints on; label maps as they are, with their palette."""
    return bytes(cell["bytes"]) if fields.kind(field) == "label_map" else _cells.mask_png(cell)


def _overlay(photo: bytes, field: pa.Field, cell: dict[str, Any]) -> bytes:
    pixels, value = codecs.decode_image(photo), record.decode(field, cell)
    if value.shape != pixels.shape[:2]:
        raise codecs.CodecError(f"{field.name} is {value.shape}, its photo {pixels.shape[:2]}")
    colours = labels.PALETTES[fields.label_space(field)][value] if fields.kind(field) == "label_map" else TINT
    mixed = (1 - OPACITY) * pixels + OPACITY * colours
    return codecs.encode_jpeg(np.where((value > 0)[..., None], mixed, pixels).astype(np.uint8))
