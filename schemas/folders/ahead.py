"""Files of a store, on their way before they are asked for: a disk answers at once, a store after a while."""

import os
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path

from schemas.folders.inputs import Entry, InputFolder
from schemas.folders.joined import JoinedFolder
from schemas.folders.local import LocalFolder

FILES, BYTES = 64, 64_000_000  # on their way at once, whichever is less; one file at least
_THREADS = 32


def read_ahead(folder: InputFolder, order: Iterable[tuple[str, int]]) -> InputFolder:
    """The folder for a unit's readers, who will read files in about this order, (name, size) of each."""
    return folder if _is_here(folder) else ReadAhead(folder, order)


def tokens(folder: InputFolder, names: Iterable[str]) -> list[str]:
    """Of files, those of a store asked for together; "" for a file that is missing."""

    def token(name: str) -> str:
        try:
            return folder.entry(name).token
        except OSError:
            return ""

    return list(map(token, names) if _is_here(folder) else _pool(os.getpid()).map(token, names))


class ReadAhead:
    """A folder of a store whose next files are being read by threads; several may ask for them."""

    def __init__(self, folder: InputFolder, order: Iterable[tuple[str, int]]) -> None:
        self.folder = folder
        sizes = dict(order)
        self._expected, self._left = set(sizes), deque(sizes.items())
        self._coming: dict[str, tuple[Future[bytes], int]] = {}
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return str(self.folder)

    def read(self, name: str) -> bytes:
        """A file that is asked for out of order costs those that came before it their place."""
        with self._lock:
            coming = self._next(name) if name in self._expected else None
        return coming.result() if coming else self.folder.read(name)

    def _next(self, name: str) -> Future[bytes]:
        self._fill()
        while name not in self._coming:
            self._take(next(iter(self._coming))).cancel()
            self._fill()
        coming = self._take(name)
        self._fill()
        return coming

    def _take(self, name: str) -> Future[bytes]:
        self._expected.discard(name)
        return self._coming.pop(name)[0]

    def _fill(self) -> None:
        room = BYTES - sum(size for _, size in self._coming.values())
        while self._left and (not self._coming or (len(self._coming) < FILES and self._left[0][1] <= room)):
            name, size = self._left.popleft()
            self._coming[name] = _pool(os.getpid()).submit(self.folder.read, name), size
            room -= size

    def is_folder(self, name: str = "") -> bool:
        return self.folder.is_folder(name)

    def files(self, name: str = "") -> dict[str, Entry]:
        return self.folder.files(name)

    def folders(self, name: str = "") -> list[str]:
        return self.folder.folders(name)

    def escapes(self, name: str) -> bool:
        return self.folder.escapes(name)

    def entry(self, name: str) -> Entry:
        return self.folder.entry(name)

    def sha256(self, name: str) -> str:
        return self.folder.sha256(name)

    def local(self, name: str) -> AbstractContextManager[Path]:
        return self.folder.local(name)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """One for all units of a process; a forked one has none of its parent's threads."""
    return ThreadPoolExecutor(_THREADS)


def _is_here(folder: InputFolder) -> bool:
    if isinstance(folder, JoinedFolder):
        return all(map(_is_here, folder.mounts.values()))
    return isinstance(folder, LocalFolder)
