"""A file that lies elsewhere, read range by range."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO


class Ranges(io.RawIOBase):
    """A readable file of `size` bytes; `read_range` gives those from a start to before an end.

    It holds no connection, so an open one may go over a fork.
    """

    def __init__(self, read_range: Callable[[int, int], bytes], size: int) -> None:
        self._read_range, self._size, self._position = read_range, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        data = self._read_range(self._position, end)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def is_far(file: BinaryIO) -> bool:
    """Whether each read of the file is a request, so that few large ones are wanted."""
    return isinstance(getattr(file, "raw", None), Ranges)
