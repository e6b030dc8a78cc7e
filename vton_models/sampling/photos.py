"""Photos and masks given as files."""

import hashlib
from pathlib import Path

import numpy as np

from annotators.functional import crosschecks, masks
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.foreign import Annotation
from schemas.foreign import masks as foreign_masks

_SLACK = 0.01  # by which a mask's aspect may differ from its photo's
_MOST = 0.5  # of the photo: a mask that sets more is worth a look


def read(path: str, flag: str) -> np.ndarray:
    """uint8 [h w 3] RGB, upright, of any picture that Pillow reads. Raises UsageError naming the flag."""
    try:
        return codecs.decode_image(read_bytes(path, flag))
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None


def read_photo(path: str, flag: str) -> codecs.Photo:
    """As `read`, with its transparency. Raises UsageError naming the flag."""
    try:
        return codecs.decode_photo(read_bytes(path, flag))
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None


def read_mask(path: str, flag: str, photo: tuple[int, int]) -> Annotation:
    """uint8 [h w] 0/255 (255 = repaint) at the (height, width) of its photo, nearest; of a picture in any usual form.

    One that is plainly the other way round is turned; the note says so, and what else was read in an unusual way.
    Raises UsageError for another aspect than the photo's (a pixel of rounding, or a hundredth, is allowed), and for an
    empty mask.
    """
    return _fitted(_polarity(_decoded(path, flag, painted_is_transparent=True)), path, flag, photo, "repainted")


def read_object_mask(path: str, flag: str, photo: tuple[int, int]) -> Annotation:
    """As `read_mask`, of a thing or garment, which may fill its photo: nothing is turned, and what is opaque is it."""
    return _fitted(_decoded(path, flag, painted_is_transparent=False), path, flag, photo, "taken")


def _decoded(path: str, flag: str, painted_is_transparent: bool) -> Annotation:
    try:
        return foreign_masks.read(read_bytes(path, flag), painted_is_transparent=painted_is_transparent)
    except codecs.CodecError as error:
        raise UsageError(f"{flag} {path}: {error}") from None


def _fitted(read: Annotation, path: str, flag: str, photo: tuple[int, int], white: str) -> Annotation:
    mask, (height, width), (photo_height, photo_width) = read.value, read.value.shape, photo
    off, rounding = abs(photo_height * width - photo_width * height), max(photo_height, photo_width, height, width)
    if off > max(rounding, _SLACK * photo_width * height):
        raise UsageError(
            f"{flag} {path} is {height}x{width}; allowed is the aspect of its photo, {photo_height}x{photo_width}"
        )
    resized = masks.resize(mask, photo_height, photo_width)
    if not resized.any():
        raise UsageError(f"{flag} {path} sets no pixel of its photo; white is what is {white}")
    stretched = f"{height}x{width}, stretched to its photo's {photo_height}x{photo_width}" if off > rounding else ""
    note = "; ".join(filter(None, (read.note, stretched)))
    return Annotation(resized, f"{flag} {path}: {note}" if note else "")


def _polarity(mask: Annotation) -> Annotation:
    """The rim of the frame tells: no mask of a garment or a body sets most of it."""
    is_set = mask.value >= foreign_masks.OPAQUE
    share = float(is_set.mean())
    if crosschecks.agnostic_inverted(mask.value, None, None):
        said = f"sets {share:.0%} of the photo and nearly all of its border: read as inverted, black = repaint"
        return Annotation(np.where(is_set, np.uint8(0), np.uint8(255)), "; ".join(filter(None, (mask.note, said))))
    if share > _MOST:
        said = f"sets {share:.0%} of the photo; is it inverted? White is what is repainted"
        return Annotation(mask.value, "; ".join(filter(None, (mask.note, said))))
    return mask


def digest(pixels: np.ndarray) -> str:
    """sha256 of a picture or mask, with its size."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def name_of(path: str) -> str:
    """What a file is called in results: its name without ending."""
    return Path(path).stem


def read_bytes(path: str, flag: str) -> bytes:
    """Raises UsageError, naming the flag, for a file that can't be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{flag} {path}: {(error.strerror or 'unreadable').lower()}; allowed is a picture") from None
