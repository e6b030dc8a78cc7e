"""A disk that is full for some files, in every Python process with this folder on its path.

`$FULL_DISK_FOR` says for which: syncing a file whose name holds that text fails as on a full disk.
"""

import errno
import os

_sync = os.fsync


def _fails_when_full(descriptor: int) -> None:
    if os.environ["FULL_DISK_FOR"] in os.readlink(f"/proc/self/fd/{descriptor}"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _sync(descriptor)


if "FULL_DISK_FOR" in os.environ:
    os.fsync = _fails_when_full
