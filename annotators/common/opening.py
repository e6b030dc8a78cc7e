"""Pictures of a record as a notebook has them (PIL pictures, paths, bytes, alpha) → the arrays that annotators read."""

import io
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from annotators.common import decoding
from schemas import fields, kinds
from schemas.foreign import label_maps, masks

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_PICTURES: dict[str, pa.Field] = {
    name: field for kind in kinds.KINDS.values() for name, field in kind.fields.items() if fields.is_picture(field)
}


def opened(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record in which every picture is an array, as the reader of shards gives it.

    A picture column may hold a path or the bytes of a file in any format, a PIL picture, or an array. Photos come out
    upright in sRGB; of masks and label maps every form counts that `schemas.foreign` reads. A garment with alpha is
    laid on white, its alpha the mask. Raises OSError for a path that can't be read, CodecError (a ValueError) for what
    is no such picture, TypeError for a type that is none of these.
    """
    opened_record = dict(record)
    for name in [name for name in opened_record if name in _PICTURES]:
        if name != "garment_image":
            opened_record[name] = _array(_PICTURES[name], opened_record[name])
    if opened_record.get("garment_image") is not None:
        opened_record |= _garment(opened_record)
    return opened_record


def _garment(record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The garment's photo, and its mask where only its alpha tells."""
    pixels, alpha = _photo("garment_image", record["garment_image"])
    if alpha is None or record.get("garment_view") == "worn" or record.get("garment_mask") is not None:
        return {"garment_image": pixels}
    from annotators.functional import garment_mask

    mask = garment_mask.of_alpha(alpha, pixels)[0]
    return {"garment_image": pixels} | ({} if mask is None else {"garment_mask": mask})


def _array(field: pa.Field, value: Any) -> np.ndarray | None:
    if value is None or isinstance(value, np.ndarray):
        return value
    kind = fields.kind(field)
    if kind == "mask":
        return masks.read(_bytes(field.name, value)).value
    if kind == "label_map":
        return label_maps.read(_bytes(field.name, value), fields.label_space(field)).value
    return _photo(field.name, value)[0]


def _photo(name: str, value: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """uint8 [h w 3], laid on white, and the alpha uint8 [h w] that it had."""
    if not isinstance(value, np.ndarray):
        photo = decoding.photo(_bytes(name, value))
        return photo.pixels, photo.alpha
    if value.shape[2:] != (4,):
        return value, None
    alpha = value[..., 3]
    share = alpha[..., None] / 255
    return np.rint(value[..., :3] * share + 255 * (1 - share)).astype(np.uint8), alpha


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str | PathLike):
        return Path(value).read_bytes()
    if isinstance(value, Image.Image):
        return _png(value)
    kind = type(value).__name__
    raise TypeError(f"{name} is a {kind}; allowed are an array, a PIL picture, a path, or a file's bytes")


def _png(image: Image.Image) -> bytes:
    """Upright, with its colour profile; the picture itself isn't changed."""
    upright = ImageOps.exif_transpose(image)
    upright = upright if upright.mode in _PNG_MODES else upright.convert("RGB")
    buffer = io.BytesIO()
    upright.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
