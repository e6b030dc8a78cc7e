"""A folder of this machine."""

import contextlib
import hashlib
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from schemas.cli.flags import UsageError
from schemas.folders import atomic, names
from schemas.folders.inputs import Entry


class LocalFolder:
    """A folder of this machine; names are relative, with forward slashes."""

    def __init__(self, root: str) -> None:
        # Not by pathlib, which raises RuntimeError for links in a circle and for the home of nobody.
        self.root = Path(os.path.realpath(os.path.expanduser(root)))

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
                with contextlib.suppress(FileNotFoundError):  # a dangling link, or gone since
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        found[entry.name] = Entry(status.st_size, str(status.st_mtime_ns), entry.is_symlink())
        return dict(sorted(found.items()))

    def folders(self, name: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._path(name)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
        return []

    def escapes(self, name: str) -> bool:
        """True when a name leads out of the folder, by `..` or through a symbolic link."""
        return not Path(os.path.realpath(self.root / name)).is_relative_to(self.root)

    def entry(self, name: str) -> Entry:
        status = os.stat(self._path(name))
        return Entry(status.st_size, str(status.st_mtime_ns))

    def read(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def sha256(self, name: str) -> str:
        with self._path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

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

    def _path(self, name: str) -> Path:
        return self.root / names.inside(name)
