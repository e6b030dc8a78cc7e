"""Arrays to PNG files, by one filter for all rows of a kind of picture and the level that pays for it; and back.

Pillow tries five filters on every row of colours, which takes longer than compressing them. The next row up is what
pictures resemble most; bits and ids compress best as they are, and readers unpack them without undoing filters.
Only files of this form are read here, all others by Pillow: what isn't wholly as it is written here is None.
"""

import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np

MAX_PIXELS = 89_478_485  # Pillow's own limit for a picture that is not a decompression bomb
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_GREY, _RGB, _PALETTE = 0, 2, 3  # colour types
_UNFILTERED, _UP = 0, 2  # row filters
# zlib levels. Of a photo, higher ones save little; 7 and 8 are just below those that search many times as long.
COLOUR_LEVEL, BIT_LEVEL, ID_LEVEL = 1, 7, 8


def colours(pixels: np.ndarray) -> bytes:
    """uint8 [h w 3] RGB or [h w] grey. Raises ValueError for anything else, and for a picture without pixels."""
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not (grey or pixels.shape[2:] == (3,)) or not pixels.size:
        raise ValueError(f"picture is {pixels.dtype} {list(pixels.shape)}; allowed is uint8 [h w 3] or [h w]")
    rows = pixels.reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as the filter is defined
    return _file(pixels.shape, 8, _GREY if grey else _RGB, zlib.compress(filtered.data, COLOUR_LEVEL))


def bits(mask: np.ndarray) -> bytes:
    """bool [h w] as 1-bit grey, white = True."""
    return _file(mask.shape, 1, _GREY, zlib.compress(_unfiltered(np.packbits(mask, axis=1)).data, BIT_LEVEL))


def ids(label_map: np.ndarray, palette: np.ndarray) -> bytes:
    """uint8 [h w] as indices of a palette uint8 [n 3]."""
    data = zlib.compress(_unfiltered(label_map).data, ID_LEVEL)
    return _file(label_map.shape, 8, _PALETTE, data, _chunk(b"PLTE", palette.tobytes()))


def read_colours(data: bytes) -> np.ndarray | None:
    """uint8 [h w 3] of what `colours` writes of RGB."""
    rows = _rows(data, 8, _RGB, _UP)
    if rows is None:
        return None
    pixels = rows.copy()
    for above, row in pairwise(pixels):  # seven times as fast as NumPy's accumulate
        np.add(above, row, out=row)
    return pixels.reshape(len(rows), -1, 3)


def read_bits(data: bytes, step_for: Callable[[tuple[int, int]], int] = lambda size: 1) -> np.ndarray | None:
    """uint8 [h w] 0/1 of what `bits` writes; of every square of `step_for((h, w))` pixels the top-left one."""
    rows = _rows(data, 1, _GREY, _UNFILTERED)
    if rows is None:
        return None
    width = int.from_bytes(data[16:20], "big")
    step = step_for((len(rows), width))
    return np.unpackbits(rows[::step], axis=1, count=width)[:, ::step]


def read_ids(data: bytes) -> np.ndarray | None:
    """uint8 [h w] of what `ids` writes, of memory of its own."""
    rows = _rows(data, 8, _PALETTE, _UNFILTERED)
    return None if rows is None else rows.copy()


def _rows(data: bytes, depth: int, colour: int, row_filter: int) -> np.ndarray | None:
    """uint8 [h stride] of a file with these chunks, checksums and row filters, and no others."""
    chunks = _chunks(data, (b"IHDR", b"PLTE", b"IDAT", b"IEND") if colour == _PALETTE else (b"IHDR", b"IDAT", b"IEND"))
    if chunks is None or len(chunks[0]) != _HEADER.size:
        return None
    width, height, *form = _HEADER.unpack(chunks[0])
    if form != [depth, colour, 0, 0, 0] or not 0 < width * height <= MAX_PIXELS:
        return None
    stride = 1 + -(-width * depth * (3 if colour == _RGB else 1) // 8)
    inflate = zlib.decompressobj()
    try:
        unpacked = inflate.decompress(chunks[-2], height * stride + 1)
    except zlib.error:
        return None
    if len(unpacked) != height * stride or not inflate.eof or inflate.unused_data:
        return None
    rows = np.frombuffer(unpacked, np.uint8).reshape(height, stride)
    return rows[:, 1:] if (rows[:, 0] == row_filter).all() else None


def _chunks(data: bytes, kinds: tuple[bytes, ...]) -> list[bytes] | None:
    """The contents of a file's chunks, where they are of these kinds and whole."""
    at, contents = len(_SIGNATURE), []
    if not data.startswith(_SIGNATURE):
        return None
    for kind in kinds:
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        whole = int.from_bytes(data[end : end + 4], "big") == zlib.crc32(data[at + 4 : end])
        if data[at + 4 : at + 8] != kind or not whole:
            return None
        contents.append(data[at + 8 : end])
        at = end + 4
    return contents if at == len(data) else None


def _unfiltered(rows: np.ndarray) -> np.ndarray:
    """Each row begins with its filter, none; row by row in memory, however the picture lay there."""
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (1, 0)), constant_values=_UNFILTERED))


def _file(shape: tuple[int, ...], depth: int, colour: int, data: bytes, before: bytes = b"") -> bytes:
    header = _HEADER.pack(shape[1], shape[0], depth, colour, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
