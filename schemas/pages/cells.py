"""Cells of picture columns as a person sees them: masks in black and white, label maps in their palette's colours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from schemas import codecs, fields, labels
from schemas.pages.pictures import jpeg

_GAP = 6  # pixels between two pictures


def pixels(field: pa.Field, data: bytes) -> np.ndarray:
    """uint8 [h w 3] of a stored picture. Raises codecs.CodecError."""
    kind = fields.kind(field)
    if kind == "mask":
        return coloured(field, codecs.decode_mask(data))
    if kind == "label_map":
        return coloured(field, codecs.decode_label_map(data, fields.label_space(field)))
    return codecs.decode_image(data)


def coloured(field: pa.Field, decoded: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] of a decoded picture."""
    kind = fields.kind(field)
    if kind == "mask":
        return np.repeat(decoded[..., None], 3, axis=2)
    if kind == "label_map":
        return np.asarray(labels.PALETTES[fields.label_space(field)][decoded], np.uint8)
    return decoded


def strip(schema: pa.Schema, row: Mapping[str, Any], columns: Sequence[str], height: int) -> bytes:
    """A JPEG of these pictures of a stored row, side by side on white, each so high; the same row gives the same bytes.

    What can't be decoded is a grey square.
    """
    pictures = [_shrunk(_tried(schema.field(name), row[name]["bytes"]), height) for name in columns]
    width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + _GAP
    return jpeg(np.asarray(sheet), sheet.size)[0]


def _tried(field: pa.Field, data: bytes) -> np.ndarray:
    try:
        return pixels(field, data)
    except codecs.CodecError:
        return np.full((4, 4, 3), 128, np.uint8)


def _shrunk(picture: np.ndarray, height: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)
