"""float16 arrays to bytes and back, as NumPy's .npy files: they say their own shape, and many programs read them."""

import io
import math

import numpy as np

from schemas.codecs import CodecError

_DTYPE = np.dtype("<f2")
_MAX_HEADER = 1024  # bytes; ours have some hundred


def encode(values: np.ndarray) -> bytes:
    """Any float array, rounded to float16. Raises CodecError for what isn't finite, or isn't after rounding."""
    with np.errstate(over="ignore"):
        rounded = np.ascontiguousarray(values, _DTYPE)
    if not np.isfinite(rounded).all():
        raise CodecError("not finite in float16")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, rounded, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    """float16, in memory of its own. Raises CodecError for anything that `encode` doesn't write."""
    buffer = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(buffer)
        if version != (1, 0):
            raise ValueError(version)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(buffer, _MAX_HEADER)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # the header is a literal of Python
        raise CodecError("not a .npy file") from None
    start = buffer.tell()
    if dtype != _DTYPE or by_columns or any(side < 0 for side in shape):
        raise CodecError(f"an array of {dtype}; allowed is float16 by rows")
    if len(data) - start != math.prod(shape) * _DTYPE.itemsize:
        raise CodecError(f"{len(data) - start} bytes for an array of {list(shape)}")
    values = np.frombuffer(data, _DTYPE, offset=start).reshape(shape).copy()
    if not np.isfinite(values).all():
        raise CodecError("NaN or infinity")
    return values
