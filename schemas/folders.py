"""Folders of files, local or on any fsspec store, with the few operations that a build needs.

Writes are whole or absent: locally a temporary file is synced and renamed; a store's put is atomic by itself.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

TEMPORARY = ".tmp-"  # how the names of unfinished files begin
_JOINED = "joined:"  # how the location of a JoinedFolder begins


@dataclass(frozen=True)
class Entry:
    """A file: its size in bytes, and a token that changes when it is written (ETag, or modification time in ns)."""

    size: int
    token: str
    link: bool = False


class LocalFolder:
    """A folder of this machine; names are relative, with forward slashes."""

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser().resolve()

    def __str__(self) -> str:
        return str(self.root)

    def make(self, name: str = "") -> None:
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def is_folder(self, name: str = "") -> bool:
        return (self.root / name).is_dir()

    def files(self, name: str = "") -> dict[str, Entry]:
        """Names of the files directly in a folder, sorted; empty when the folder isn't there."""
        found = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / name) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # a dangling link, or gone since
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        found[entry.name] = Entry(status.st_size, str(status.st_mtime_ns), entry.is_symlink())
        return dict(sorted(found.items()))

    def folders(self, name: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / name) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
        return []

    def escapes(self, name: str) -> bool:
        """True when a name leads out of the folder, by `..` or through a symbolic link."""
        return not (self.root / name).resolve().is_relative_to(self.root)

    def entry(self, name: str) -> Entry:
        status = os.stat(self.root / name)
        return Entry(status.st_size, str(status.st_mtime_ns))

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def sha256(self, name: str) -> str:
        with (self.root / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def open(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        with self.create(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A file to write; its name appears only when the block ends without an exception."""
        path = self.root / name
        # The process in the name keeps two workers on one unit apart, the thread two in one process.
        temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}-{_thread_id()}")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def rename(self, old: str, new: str) -> None:
        (self.root / old).replace(self.root / new)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)


class RemoteFolder:
    """The same on an fsspec file system (`s3://`, `gs://`, `hf://`, `memory://` …)."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        self.store, self.root = fsspec.core.url_to_fs(self.url)

    def __str__(self) -> str:
        return self.url

    def make(self, name: str = "") -> None:
        self.store.makedirs(self._path(name), exist_ok=True)

    def is_folder(self, name: str = "") -> bool:
        return self.store.isdir(self._path(name))

    def files(self, name: str = "") -> dict[str, Entry]:
        listed = {_base(info): _entry(info) for info in self._list(name) if info["type"] == "file"}
        return dict(sorted(listed.items()))

    def folders(self, name: str = "") -> list[str]:
        return sorted(_base(info) for info in self._list(name) if info["type"] == "directory")

    def escapes(self, name: str) -> bool:
        return ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute()

    def entry(self, name: str) -> Entry:
        return _entry(self.store.info(self._path(name)))

    def read(self, name: str) -> bytes:
        return self.store.cat_file(self._path(name))

    def sha256(self, name: str) -> str:
        with self.store.open(self._path(name), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def open(self, name: str) -> BinaryIO:
        return self.store.open(self._path(name), "rb")

    def write(self, name: str, data: bytes) -> None:
        self.store.pipe_file(self._path(name), data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A file to write, put as a whole at the end; nothing is put when the block raises."""
        import tempfile

        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with self.store.open(self._path(name), "wb") as target:
                while chunk := file.read(8 << 20):
                    target.write(chunk)

    def rename(self, old: str, new: str) -> None:
        self.store.mv(self._path(old), self._path(new))

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.store.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _list(self, name: str) -> list[dict[str, Any]]:
        self.store.invalidate_cache(self._path(name))
        try:
            return self.store.ls(self._path(name), detail=True)
        except FileNotFoundError:
            return []


Folder = LocalFolder | RemoteFolder


class InputFolder(Protocol):
    """What a build does with its input: it only reads. `str()` gives the location that `open_input` opens again."""

    def is_folder(self, name: str = "") -> bool: ...
    def files(self, name: str = "") -> dict[str, Entry]: ...
    def folders(self, name: str = "") -> list[str]: ...
    def escapes(self, name: str) -> bool: ...
    def entry(self, name: str) -> Entry: ...
    def read(self, name: str) -> bytes: ...
    def sha256(self, name: str) -> str: ...


class JoinedFolder:
    """Several folders as one: the files of the folder mounted at "persons" are "persons/…". For reading only."""

    def __init__(self, mounts: dict[str, Folder]) -> None:
        self.mounts = dict(sorted(mounts.items()))

    def __str__(self) -> str:
        return _JOINED + json.dumps({name: str(folder) for name, folder in self.mounts.items()}, ensure_ascii=False)

    def is_folder(self, name: str = "") -> bool:
        if not name:
            return all(folder.is_folder() for folder in self.mounts.values())
        mount, rest = _split(name)
        return mount in self.mounts and self.mounts[mount].is_folder(rest)

    def files(self, name: str = "") -> dict[str, Entry]:
        mount, rest = _split(name)
        return self.mounts[mount].files(rest) if mount in self.mounts else {}

    def folders(self, name: str = "") -> list[str]:
        if not name:
            return list(self.mounts)
        mount, rest = _split(name)
        return self.mounts[mount].folders(rest) if mount in self.mounts else []

    def escapes(self, name: str) -> bool:
        mount, rest = _split(name)
        return mount not in self.mounts or self.mounts[mount].escapes(rest)

    def entry(self, name: str) -> Entry:
        folder, rest = self._mounted(name)
        return folder.entry(rest)

    def read(self, name: str) -> bytes:
        folder, rest = self._mounted(name)
        return folder.read(rest)

    def sha256(self, name: str) -> str:
        folder, rest = self._mounted(name)
        return folder.sha256(rest)

    def _mounted(self, name: str) -> tuple[Folder, str]:
        mount, rest = _split(name)
        if mount not in self.mounts:
            raise FileNotFoundError(name)
        return self.mounts[mount], rest


def open_folder(location: str) -> Folder:
    """A local path, or a URL whose scheme fsspec knows. Raises ValueError or ImportError for an unknown scheme."""
    return RemoteFolder(location) if "://" in location else LocalFolder(location)


def open_input(location: str) -> InputFolder:
    """As `open_folder`; also what `str()` of a JoinedFolder gave. Raises ValueError or ImportError."""
    if not location.startswith(_JOINED):
        return open_folder(location)
    mounts = json.loads(location.removeprefix(_JOINED))
    return JoinedFolder({name: open_folder(place) for name, place in mounts.items()})


def _split(name: str) -> tuple[str, str]:
    """ "persons/a.jpg" → ("persons", "a.jpg")."""
    mount, _, rest = name.partition("/")
    return mount, rest


def _base(info: dict[str, Any]) -> str:
    return PurePosixPath(info["name"]).name


def _entry(info: dict[str, Any]) -> Entry:
    token = info.get("ETag") or info.get("etag") or info.get("generation") or info.get("mtime") or info.get("created")
    return Entry(int(info["size"] or 0), str(token))


def _thread_id() -> int:
    import threading

    return threading.get_ident()
