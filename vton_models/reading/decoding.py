"""Stored cells → arrays, as `schemas.record.decode` gives them, on the fastest path that gives the same pixels.

OpenCV decodes plain RGB JPEG and PNG about twice as fast as Pillow, to the same values; masks as they are written here
are unpacked no further than they are kept. Whatever looks unusual goes through `schemas.codecs`, which checks and
converts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from schemas import codecs, fields, png, record, tensors

Size = tuple[int, int]  # height, width

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_GREY, _RGB = 0, 2  # PNG colour types
_COLOUR = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # stored photos are upright
# The reduced flags hold the bit that means BGR; without it, libjpeg's reduction alone.
_REDUCED = {
    1: _COLOUR,
    2: _COLOUR | (cv2.IMREAD_REDUCED_COLOR_2 & ~1),
    4: _COLOUR | (cv2.IMREAD_REDUCED_COLOR_4 & ~1),
    8: _COLOUR | (cv2.IMREAD_REDUCED_COLOR_8 & ~1),
}
IDS = frozenset({"densepose"})  # pictures that hold ids: reduced by picking pixels, never by averaging them


def reduction(size: Size, at_least: Size | None) -> int:
    """The largest of 1, 2, 4, 8 by which both sides may be divided and still be `at_least` as long."""
    if at_least is None:
        return 1
    fits = (n for n in (8, 4, 2) if all(-(-side // n) >= low for side, low in zip(size, at_least, strict=True)))
    return next(fits, 1)


def decoder(field: pa.Field, at_least: Size | None = None) -> Callable[[Any], Any]:
    """A function from an Arrow scalar of this column to what `schemas.record.decode` gives; null becomes None.

    With `at_least` pictures come out at 1/2, 1/4 or 1/8 while both sides stay that long: JPEGs are decoded so, other
    photos averaged, masks and label maps (and `densepose`) take the top-left pixel of each square. Numbers, keypoints
    and boxes stay in pixels of the stored picture. Raises codecs.CodecError for damaged bytes.
    """
    kind = fields.kind(field)
    if kind == "image":
        by_picking = field.name in IDS
        return lambda cell: None if (data := _bytes(cell)) is None else decode_image(data, at_least, by_picking)
    if kind == "mask":
        return lambda cell: None if (data := _bytes(cell)) is None else decode_mask(data, at_least)
    if kind == "label_map":
        space = fields.label_space(field)
        return lambda cell: None if (data := _bytes(cell)) is None else decode_label_map(data, space, at_least)
    if kind == "tensor":
        return lambda cell: None if (data := _bytes(cell)) is None else tensors.decode(data)
    return lambda cell: record.decode(field, cell.as_py())


def decode_image(data: bytes, at_least: Size | None = None, by_picking: bool = False) -> np.ndarray:
    """uint8 [h w 3] RGB, reduced as `decoder` says."""
    size = _plain_jpeg(data)
    if size and not by_picking:
        pixels = _opencv(data, _REDUCED[reduction(size, at_least)])
        return codecs.decode_image(data) if pixels is None else pixels
    header = _png_header(data)
    pixels = None
    if header and header.depth == 8 and header.colour == _RGB and b"tRNS" not in data[:1024]:
        pixels = _opencv(data, _COLOUR)
    if pixels is None:
        pixels = codecs.decode_image(data)
    return _smaller(pixels, reduction(_size(pixels), at_least), by_picking)


def decode_mask(data: bytes, at_least: Size | None = None) -> np.ndarray:
    """uint8 [h w] 0/255, reduced as `decoder` says."""
    bits = png.read_bits(data, lambda size: reduction(size, at_least))
    if bits is not None:
        return bits * np.uint8(255)
    header = _png_header(data)
    mask = None
    if header and header.depth == 1 and header.colour == _GREY:
        mask = _opencv(data, cv2.IMREAD_GRAYSCALE)  # 1 bit becomes 0 and 255
    if mask is None:
        mask = codecs.decode_mask(data)
    return _smaller(mask, reduction(_size(mask), at_least), by_picking=True)


def decode_label_map(data: bytes, space: str, at_least: Size | None = None) -> np.ndarray:
    """uint8 [h w] ids of `space`, reduced as `decoder` says."""
    ids = codecs.decode_label_map(data, space)
    step = reduction(_size(ids), at_least)
    return ids[::step, ::step].copy()


@dataclass(frozen=True)
class _Header:
    size: Size
    depth: int
    colour: int


def _png_header(data: bytes) -> _Header | None:
    """Of a whole PNG that isn't interlaced; None for anything else, and for more pixels than may be decoded."""
    if data[:8] != _PNG or data[12:16] != b"IHDR" or data[-8:] != _PNG_END or len(data) < 45 or data[28]:
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not 0 < width * height <= codecs.MAX_PIXELS:
        return None
    return _Header((height, width), data[24], data[25])


def _plain_jpeg(data: bytes) -> Size | None:
    """Size of a whole JPEG of three 8-bit channels; None for anything else, and for too many pixels."""
    if data[:3] != _JPEG or data[-2:] != _JPEG_END:
        return None
    at = 2
    while at + 10 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            plain = data[at + 4] == 8 and data[at + 9] == 3 and 0 < width * height <= codecs.MAX_PIXELS
            return (height, width) if plain else None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _opencv(data: bytes, flags: int) -> np.ndarray | None:
    """None where OpenCV refuses the file."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _smaller(pixels: np.ndarray, step: int, by_picking: bool) -> np.ndarray:
    """Sides divided by `step`, rounded up, as libjpeg does."""
    if step == 1:
        return pixels
    if by_picking:
        return np.ascontiguousarray(pixels[::step, ::step])
    height, width = (-(-side // step) for side in _size(pixels))
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def _size(pixels: np.ndarray) -> Size:
    return pixels.shape[0], pixels.shape[1]


def _bytes(cell: Any) -> bytes | None:
    """The bytes of a picture's struct scalar."""
    if not cell.is_valid:
        return None
    data = cell["bytes"]
    return data.as_py() if data.is_valid else None
