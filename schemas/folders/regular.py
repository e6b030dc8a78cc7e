"""Files that come from outside: opened only where they are files, read whole only where they are of bearable size."""

import errno
import io
import os
import stat
from pathlib import Path

LARGEST = 600_000_000  # bytes: above the largest picture that is decoded, at 16 bits a channel


def opened(path: Path) -> io.BufferedReader:
    """The file to read. Raises OSError for what is no file: opening a pipe would wait for somebody to write."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(number, os.strerror(number) if number == errno.EISDIR else "Not a file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read(path: Path) -> bytes:
    """All bytes of the file. Raises OSError for what is no file, and for more than LARGEST bytes."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST:
            raise OSError(errno.EFBIG, f"the file has {size} bytes; at most {LARGEST} are read", str(path))
        return file.read()
