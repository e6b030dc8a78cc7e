"""Masks to look through and correct by hand: the photo, the mask as an 8-bit PNG, and both as one picture.

`pipelines.annotate --from-folder COLUMN=OUTPUT/COLUMN` takes the corrected files back.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from annotators.common.flags import UsageError
from annotators.common.options import option
from pipelines.exports import file_name
from schemas import codecs, fields, labels, record

KINDS = ("mask", "label_map")
TINT = np.array((255, 0, 80), np.float32)
OPACITY = 0.5


@dataclass(frozen=True)
class Config:
    column: str = option("agnostic_mask", "the mask or label map to correct")


def columns(config: Config) -> tuple[str, ...]:
    return ("record_id", _photo(config), config.column)


def check(config: Config, schema: pa.Schema) -> None:
    """Raises UsageError for a column that holds nothing to correct."""
    allowed = [field.name for field in schema if fields.kind(field) in KINDS]
    if config.column not in allowed:
        raise UsageError(f"--review-column {config.column!r}; these shards have {', '.join(allowed) or 'no mask'}")


def files(row: dict[str, Any], schema: pa.Schema, config: Config) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The photo always; mask and overlay where the record has one. The functions raise codecs.CodecError."""
    photo, cell, field = row[_photo(config)]["bytes"], row[config.column], schema.field(config.column)
    record_id = row["record_id"]
    yield f"{_photo(config)}/{file_name(record_id, _ending(photo))}", lambda: photo
    if cell is not None:
        yield f"{config.column}/{file_name(record_id, 'png')}", lambda: _editable(field, cell)
        yield f"overlay/{file_name(record_id, 'jpg')}", lambda: _overlay(photo, field, cell)


def _photo(config: Config) -> str:
    return "garment_image" if config.column in record.GARMENT_ALIGNED else "person_image"


def _ending(photo: bytes) -> str:
    """By the file's own format, which its stored name may not tell. Raises codecs.CodecError."""
    codecs.image_size(photo)
    with Image.open(io.BytesIO(photo)) as image:
        return {"JPEG": "jpg", "WEBP": "webp"}.get(image.format or "", "png")


def _editable(field: pa.Field, cell: dict[str, Any]) -> bytes:
    """Masks as 8-bit grey, which every editor paints on; label maps as they are, with their palette."""
    if fields.kind(field) == "label_map":
        return bytes(cell["bytes"])
    return codecs.encode_png(codecs.decode_mask(cell["bytes"]))


def _overlay(photo: bytes, field: pa.Field, cell: dict[str, Any]) -> bytes:
    pixels, value = codecs.decode_image(photo), record.decode(field, cell)
    if value.shape != pixels.shape[:2]:
        raise codecs.CodecError(f"{field.name} is {value.shape}, its photo {pixels.shape[:2]}")
    colours = labels.PALETTES[fields.label_space(field)][value] if fields.kind(field) == "label_map" else TINT
    mixed = (1 - OPACITY) * pixels + OPACITY * colours
    return codecs.encode_jpeg(np.where((value > 0)[..., None], mixed, pixels).astype(np.uint8))
