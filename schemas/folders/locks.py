"""A file that one process at a time may hold: a killed one holds nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether this process got the lock; if so it keeps it until the block ends, and the file goes with it.

    A record lock, since forked workers that outlive their killed parent don't inherit it.
    """
    descriptor = _locked(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)  # before it is free: who opened it meanwhile will see that it is gone
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        os.close(descriptor)
