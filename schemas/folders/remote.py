"""A folder on any fsspec file system. A store's put is whole or absent by itself; elsewhere a file is renamed."""

import contextlib
import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from schemas.cli.failures import NotAdmitted, Unreachable
from schemas.cli.flags import UsageError
from schemas.folders import names
from schemas.folders.inputs import Entry
from schemas.folders.ranges import Ranges
from schemas.folders.stores import Store

_DESCRIPTORS = "/proc/self/fd"
_CHUNK = 8 << 20  # bytes of one request where a file is read from end to end
# What changes when an object is written, the surest first: content, generation, time.
_TOKENS: tuple[str, ...] = ("ETag", "etag", "generation", "blob_id", "md5")
_TOKENS += ("LastModified", "last_modified", "modified", "created", "mtime")


class RemoteFolder:
    """The same on an fsspec file system (`s3://`, `gs://`, `hf://`, `memory://` …)."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.store = Store(self.url)

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[type["RemoteFolder"], tuple[str]]:
        return RemoteFolder, (self.url,)

    def make(self, name: str = "") -> None:
        """On an object store nothing but a look whether the bucket is there, which nobody makes by the way.

        Raises FileNotFoundError where it isn't, PermissionError for a user without credentials.
        """
        if not self.store.is_atomic:
            self._call("makedirs", name, exist_ok=True)
            return
        bucket = self.store.root.split("/")[0]
        try:
            self.store.call("info", "", bucket)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, f"there is no bucket {bucket}", self.url) from None
        except NotAdmitted as error:
            raise PermissionError(errno.EACCES, str(error), self.url) from None
        except OSError:  # who may write may still not be allowed to look at the bucket
            pass

    def is_folder(self, name: str = "") -> bool:
        """Raises UsageError where that isn't to be told to this user."""
        try:
            return self._call("info", name)["type"] == "directory" or bool(self._call("isdir", name))
        except FileNotFoundError:
            return False
        except (PermissionError, NotAdmitted) as error:
            where, reason = f"{self.url}/{name}" if name else self.url, getattr(error, "strerror", None) or error
            raise UsageError(f"{where} can't be read: {reason}; allowed is what you may read") from None

    def files(self, name: str = "") -> dict[str, Entry]:
        listed = {base: _entry(info) for base, info in self._list(name) if info["type"] == "file"}
        return dict(sorted(listed.items()))

    def folders(self, name: str = "") -> list[str]:
        return sorted(base for base, info in self._list(name) if info["type"] == "directory")

    def escapes(self, name: str) -> bool:
        return ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute()

    def entry(self, name: str) -> Entry:
        return _entry(self._call("info", name))

    def read(self, name: str) -> bytes:
        return self._call("cat_file", name)

    def sha256(self, name: str) -> str:
        with self._opened(name, _CHUNK) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="vton-") as folder:
            copy = Path(folder) / PurePosixPath(name).name
            self.fetch(name, copy)
            yield copy

    def fetch(self, name: str, target: Path) -> None:
        """Downloads a file. Raises Unreachable also for one that came in part."""
        size = self.entry(name).size
        self._call("get_file", name, str(target))
        if target.stat().st_size != size:
            target.unlink()
            raise Unreachable(f"{self.url}/{name}: not all of its {size} bytes came")

    def open(self, name: str) -> BinaryIO:
        """For who asks for what is needed: a read is a request for these bytes and no more."""
        return self._opened(name, io.DEFAULT_BUFFER_SIZE)

    def write(self, name: str, data: bytes) -> None:
        if self.store.is_atomic:
            self._call("pipe_file", name, data)
        else:
            with self.create(name) as file:
                file.write(data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A file to write, finished on this machine and put as a whole; nothing is put when the block raises.

        Never through the driver's own file, which puts what it has when an exception leaves its block.
        """
        names.inside(name)
        with _scratch() as (file, path):
            yield file
            file.flush()
            self._put(path, name)

    def rename(self, old: str, new: str) -> None:
        """Not by the `mv` of fsspec, for which `*`, `?` and `[` of a name are patterns."""
        if self.store.has("mv"):
            self._call("mv", old, self._path(new))
        else:
            self._call("cp_file", old, self._path(new))
            self.remove(old)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._call("rm_file", name)

    def sweep(self, name: str = "") -> None:
        for file in self.files(name):
            if names.is_temporary(file):
                self.remove(f"{name}/{file}" if name else file)

    def _put(self, source: str, name: str) -> None:
        """A file of this machine, whole or not at all."""
        if self.store.is_atomic:
            self.store.call("put_file", name, source, self._path(name))
            return
        folder, _, base = name.rpartition("/")
        temporary = f"{folder}/{names.temporary(base)}" if folder else names.temporary(base)
        try:
            self.store.call("put_file", temporary, source, self._path(temporary))
            self.rename(temporary, name)
        except BaseException:
            self.remove(temporary)
            raise

    def _opened(self, name: str, buffer: int) -> io.BufferedReader:
        read = partial(self._read_range, name)
        return io.BufferedReader(Ranges(read, self.entry(name).size), buffer)

    def _read_range(self, name: str, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`. Raises Unreachable for fewer."""
        data: bytes = self._call("cat_file", name, start=start, end=end)
        if len(data) != end - start:
            raise Unreachable(f"{self.url}/{name}: {len(data)} of {end - start} bytes came")
        return data

    def _path(self, name: str) -> str:
        return f"{self.store.root}/{names.inside(name)}" if name else self.store.root

    def _call(self, operation: str, name: str, *words: Any, **options: Any) -> Any:
        return self.store.call(operation, name, self._path(name), *words, **options)

    def _list(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names directly in the folder, with what the store says of them; not the folder's own marker."""
        path = self._path(name)
        self.store.system.invalidate_cache(path)
        try:
            listed = self._call("ls", name, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        for info in listed:
            base = PurePosixPath(info["name"]).name
            if base and info["name"].strip("/") != path.strip("/"):
                yield base, info


@contextlib.contextmanager
def _scratch() -> Iterator[tuple[BinaryIO, str]]:
    """A file of this machine and a path to it; without a name of its own on Linux, so that it goes with its process."""
    if os.path.isdir(_DESCRIPTORS):
        with tempfile.TemporaryFile() as file:
            yield cast(BinaryIO, file), f"{_DESCRIPTORS}/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(prefix="vton-") as named:
            yield cast(BinaryIO, named), named.name


def _entry(info: dict[str, Any]) -> Entry:
    token = next((info[key] for key in _TOKENS if info.get(key) is not None), "")
    # A listing and a question after one file may write the same time in two ways.
    return Entry(int(info["size"] or 0), str(token.timestamp() if isinstance(token, datetime) else token))
