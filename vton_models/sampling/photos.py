"""Photos and masks given as files, and the part of a photo that a network of another aspect sees."""

from pathlib import Path

import numpy as np

from annotators.functional import boxes, masks
from schemas import codecs
from schemas.cli.flags import UsageError


def read(path: str, flag: str) -> np.ndarray:
    """uint8 [h w 3] RGB, upright, of any picture that Pillow reads. Raises UsageError naming the flag."""
    try:
        return codecs.decode_image(_bytes(path, flag))
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None


def read_mask(path: str, flag: str, photo: tuple[int, int]) -> np.ndarray:
    """uint8 [h w] 0/255 (255 = repaint) at the (height, width) of its photo, nearest.

    Raises UsageError for another aspect than the photo's (a pixel of rounding is allowed), and for an empty mask.
    """
    try:
        mask = codecs.decode_mask(_bytes(path, flag))
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


def visible_box(photo: tuple[int, int], size: tuple[int, int]) -> boxes.Box:
    """The middle of a photo (height, width) that has the aspect of `size`: what `pictures.centre_crop` keeps."""
    (height, width), (wanted_height, wanted_width) = photo, size
    top, left = height, width
    if width * wanted_height < height * wanted_width:
        height = max(1, width * wanted_height // wanted_width)
    else:
        width = max(1, height * wanted_width // wanted_height)
    top, left = (top - height) // 2, (left - width) // 2
    return left, top, left + width, top + height


def _bytes(path: str, flag: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{flag} {path}: {(error.strerror or 'unreadable').lower()}; allowed is a picture") from None
