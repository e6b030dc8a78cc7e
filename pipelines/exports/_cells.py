"""Stored cells as the files and the JSON of other layouts. Functions that make bytes raise codecs.CodecError."""

import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from schemas import codecs, fields

JPEG_LOSS = f"written again as JPEG quality {codecs.JPEG_QUALITY}"
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_MASK_QUALITIES = (95, 100)


def stored(cell: dict[str, Any]) -> Callable[[], bytes]:
    """The cell's own bytes."""
    return partial(bytes, cell["bytes"])


def jpeg(cell: dict[str, Any]) -> tuple[Callable[[], bytes], str]:
    """A picture for a place that must be JPEG, and what it loses: nothing where its bytes are JPEG already."""
    if cell["bytes"].startswith(_JPEG):
        return stored(cell), ""
    return partial(_as_jpeg, cell["bytes"]), JPEG_LOSS


def _as_jpeg(data: bytes) -> bytes:
    return codecs.encode_jpeg(codecs.decode_image(data))


def png(cell: dict[str, Any]) -> bytes:
    """A picture for a place that must be PNG, lossless."""
    data = bytes(cell["bytes"])
    return data if data.startswith(_PNG) else codecs.encode_png(codecs.decode_image(data))


def ending(data: bytes) -> str:
    """Of the file's own format, which its stored name may not tell. Raises codecs.CodecError."""
    codecs.image_size(data)
    with Image.open(io.BytesIO(data)) as image:
        return {"JPEG": "jpg", "WEBP": "webp"}.get(image.format or "", "png")


def mask_png(cell: dict[str, Any]) -> bytes:
    """A mask as 8-bit grey PNG, 0 and 255."""
    return codecs.encode_png(codecs.decode_mask(cell["bytes"]))


def mask_rgb(cell: dict[str, Any]) -> bytes:
    """A mask as PNG of three equal channels, as VITON-HD's agnostic-mask."""
    return codecs.encode_png(np.repeat(codecs.decode_mask(cell["bytes"])[..., None], 3, axis=2))


def mask_jpeg(cell: dict[str, Any]) -> bytes:
    """A mask as `grey_jpeg`."""
    return grey_jpeg(codecs.decode_mask(cell["bytes"]))


def grey_jpeg(mask: np.ndarray) -> bytes:
    """uint8 [h w] 0/255 as grey JPEG from which ≥ 128 gives the same mask: quality 95, else the highest."""
    for quality in _MASK_QUALITIES:
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as image:
            if np.array_equal(np.asarray(image) >= 128, mask >= 128):
                break
    return buffer.getvalue()


def plain(value: Any, arrow_type: pa.DataType) -> Any:
    """A value as JSON holds it: float32 with as few digits as tell it exactly; NaN and infinity become null."""
    if value is None:
        return None
    if pa.types.is_floating(arrow_type):
        number = float(str(np.float32(value))) if pa.types.is_float32(arrow_type) else float(value)
        return number if math.isfinite(number) else None
    if pa.types.is_struct(arrow_type):
        return {member.name: plain(value[member.name], member.type) for member in arrow_type}
    if pa.types.is_list(arrow_type):
        return [plain(each, arrow_type.value_type) for each in value]
    return value


def is_file(field: pa.Field) -> bool:
    """Whether cells hold a file's bytes."""
    return fields.is_picture(field) or fields.is_tensor(field)


def words(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """All that is no file, for JSON; not where each column came from."""
    named = [field for field in schema if not is_file(field) and field.name in row]
    return {field.name: plain(row[field.name], field.type) for field in named if field.name != "provenance"}
