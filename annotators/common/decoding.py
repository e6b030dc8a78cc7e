"""Photos and stored cells from their files, plain JPEGs by OpenCV, which gives Pillow's pixels in less time."""

from typing import Any

import numpy as np
import pyarrow as pa

from schemas import codecs, fields, record


def photo(data: bytes) -> codecs.Photo:
    """As `codecs.decode_photo`, and as it raises."""
    return codecs.decode_photo(data, _jpeg)


def cell(field: pa.Field, stored: Any) -> Any:
    """As `record.decode`, and as it raises."""
    if fields.kind(field) == "image" and stored is not None:
        return photo(stored["bytes"]).pixels
    return record.decode(field, stored)


def _jpeg(data: bytes) -> np.ndarray | None:
    """uint8 [h w 3] RGB of a plain JPEG (`schemas.jpeg`); None where OpenCV refuses it."""
    import cv2  # not before a photo is there: this module is imported with the tables of weights

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
