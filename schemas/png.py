"""Arrays to PNG files, by one filter for all rows of a kind of picture and the level that pays for it.

Pillow tries five filters on every row of colours, which takes longer than compressing them. The next row up is what
pictures resemble most; bits and ids compress best as they are, and readers unpack them without undoing filters.
"""

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
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


def _unfiltered(rows: np.ndarray) -> np.ndarray:
    """Each row begins with its filter, none."""
    return np.pad(rows, ((0, 0), (1, 0)), constant_values=_UNFILTERED)


def _file(shape: tuple[int, ...], depth: int, colour: int, data: bytes, before: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", shape[1], shape[0], depth, colour, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
