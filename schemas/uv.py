"""DensePose surface coordinates as Dress Code stores them: an npz archive with one array, `uv`."""

import io
import zipfile

import numpy as np

from schemas.codecs import CodecError

MEMBER = "uv.npy"
_HEADER_BYTES = 10_240  # an npy header takes some 128 bytes


def decode_uv(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """uint8 [h w 2] U, V of `uv`, float [2 h w] in 0–1, ×255 and cut off as detectron2's users store them.

    No more is unpacked than an array of `size` (height, width) can take, and no pickle is ever read.
    Raises CodecError for another shape or type, NaN, and whatever isn't such an archive.
    """
    uv = _array(_member(data, 2 * size[0] * size[1] * 8 + _HEADER_BYTES), (2, *size))
    if not np.isfinite(uv).all():
        raise CodecError("uv holds NaN or infinity")
    return np.ascontiguousarray((uv.clip(0, 1).astype(np.float32) * 255).astype(np.uint8).transpose(1, 2, 0))


def _member(data: bytes, limit: int) -> bytes:
    """The first bytes of the array's file, at most `limit`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(MEMBER) as file:
            return file.read(limit)
    except KeyError:
        raise CodecError("no array 'uv' in the npz file") from None
    except Exception as error:  # zip, its compressions and struct raise many types on hostile bytes
        raise CodecError(f"unreadable npz file ({type(error).__name__})") from None


def _array(content: bytes, expected: tuple[int, int, int]) -> np.ndarray:
    """The floating-point array of an npy file; its header is checked before anything is allocated."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = reader(file)
    except Exception as error:  # NumPy evaluates the header's text and raises many types on hostile ones
        raise CodecError(f"unreadable array in the npz file ({type(error).__name__})") from None
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise CodecError(f"uv is {dtype}; allowed are float16, float32 and float64")
    if shape != expected:
        raise CodecError(f"uv is {list(shape)}; its part map asks for {list(expected)}")
    count = int(np.prod(expected))
    if len(content) < file.tell() + count * dtype.itemsize:
        raise CodecError("truncated array in the npz file")
    return np.frombuffer(content, dtype, count, file.tell()).reshape(shape, order="F" if fortran else "C")
