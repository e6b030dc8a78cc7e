"""A folder of this machine."""

import contextlib
import errno
import hashlib
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from schemas.cli.flags import UsageError
from schemas.folders import atomic, names, regular
from schemas.folders.inputs import Entry


class LocalFolder:
    """A folder of this machine; names are relative, with forward slashes.

    A `closed` one reads nothing through links that lead out of it: what a data set brings along isn't trusted.
    """

    def __init__(self, root: str, closed: bool = False) -> None:
        # Not by pathlib, which raises RuntimeError for links in a circle and for the home of nobody.
        self.root = Path(os.path.realpath(os.path.expanduser(root)))
        self.closed = closed

    def __str__(self) -> str:
        return str(self.root)

    def make(self, name: str = "") -> None:
        self._own(name).mkdir(parents=True, exist_ok=True)

    def is_folder(self, name: str = "") -> bool:
        return self._path(name).is_dir()

    def files(self, name: str = "") -> dict[str, Entry]:
        """Names of the files directly in a folder, sorted; empty when the folder isn't there."""
        found = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._path(name)) as entries:
            for entry in entries:
                status = _status(entry)
                if status is None and entry.is_symlink():
                    found[entry.name] = Entry(0, "", link=True)  # leads nowhere: whoever reads it is told
                elif status is not None and stat.S_ISREG(status.st_mode):
                    found[entry.name] = Entry(status.st_size, str(status.st_mtime_ns), entry.is_symlink())
        return dict(sorted(found.items()))

    def folders(self, name: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._path(name)) as entries:
            statuses = ((entry.name, _status(entry)) for entry in entries)
            return sorted(name for name, status in statuses if status and stat.S_ISDIR(status.st_mode))
        return []

    def escapes(self, name: str) -> bool:
        """True when a name leads out of the folder, by `..` or through a symbolic link."""
        return not Path(os.path.realpath(self.root / name)).is_relative_to(self.root)

    def entry(self, name: str) -> Entry:
        status = os.stat(self._readable(name))
        return Entry(status.st_size, str(status.st_mtime_ns))

    def read(self, name: str) -> bytes:
        return regular.read(self._readable(name))

    def sha256(self, name: str) -> str:
        with regular.opened(self._readable(name)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def local(self, name: str) -> AbstractContextManager[Path]:
        path = self._readable(name)
        regular.opened(path).close()
        return contextlib.nullcontext(path)

    def open(self, name: str) -> BinaryIO:
        return regular.opened(self._readable(name))

    def write(self, name: str, data: bytes) -> None:
        atomic.write(self._within(name), data)

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write; its name appears only when the block ends without an exception."""
        return atomic.new_file(self._within(name))

    def rename(self, old: str, new: str) -> None:
        self._within(old).replace(self._within(new))

    def remove(self, name: str) -> None:
        self._within(name).unlink(missing_ok=True)

    def sweep(self, name: str = "") -> None:
        """Removes what killed processes left unfinished directly in a folder."""
        atomic.sweep(self._own(name))

    def _within(self, name: str) -> Path:
        """The path of a file to write or delete, in a folder of this one; a file that is a link is one itself."""
        folder, _, base = name.rpartition("/")
        return self._own(folder) / base if folder else self._path(name)

    def _own(self, name: str) -> Path:
        """The path of a folder to change something in. Raises UsageError where a link leads out of this one."""
        path = self._path(name)
        if name and self.escapes(name):
            raise UsageError(f"{self.root}: {name} is a link that leads out; nothing is written or deleted there")
        return path

    def _readable(self, name: str) -> Path:
        """Raises PermissionError for what a closed folder doesn't read."""
        path = self._path(name)
        if self.closed and self.escapes(name):
            raise PermissionError(errno.EACCES, f"{name} leads out of the folder")
        return path

    def _path(self, name: str) -> Path:
        return self.root / names.inside(name)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Of what a name leads to; None where it leads nowhere: a dangling link, a loop of links, or it is gone since."""
    try:
        return entry.stat()
    except OSError:
        return None
