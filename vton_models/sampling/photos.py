"""Photos and masks given as files."""

from pathlib import Path

import numpy as np

from annotators.functional import masks
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.foreign import masks as foreign_masks


def read(path: str, flag: str) -> np.ndarray:
    """uint8 [h w 3] RGB, upright, of any picture that Pillow reads. Raises UsageError naming the flag."""
    try:
        return codecs.decode_image(_bytes(path, flag))
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None


def read_mask(path: str, flag: str, photo: tuple[int, int]) -> np.ndarray:
    """uint8 [h w] 0/255 (255 = repaint) at the (height, width) of its photo, nearest; of a picture in any usual form.

    Raises UsageError for another aspect than the photo's (a pixel of rounding is allowed), and for an empty mask.
    """
    try:
        mask = foreign_masks.read(_bytes(path, flag), painted_is_transparent=True).value
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None
    (height, width), (photo_height, photo_width) = mask.shape, photo
    if abs(photo_height * width - photo_width * height) > max(photo_height, photo_width, height, width):
        raise UsageError(
            f"{flag} {path} is {height}x{width}; allowed is the aspect of its photo, {photo_height}x{photo_width}"
        )
    if not mask.any():
        raise UsageError(f"{flag} {path} sets no pixel; white is what is repainted")
    return masks.resize(mask, photo_height, photo_width)


def name_of(path: str) -> str:
    """What a file is called in results: its name without ending."""
    return Path(path).stem


def _bytes(path: str, flag: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{flag} {path}: {(error.strerror or 'unreadable').lower()}; allowed is a picture") from None
