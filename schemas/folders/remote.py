"""A folder on any fsspec file system. A store's put is whole or absent by itself."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from schemas.folders import names
from schemas.folders.inputs import Entry


class RemoteFolder:
    """The same on an fsspec file system (`s3://`, `gs://`, `hf://`, `memory://` …)."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        store, self.root = fsspec.core.url_to_fs(self.url)
        self.store = _Store(store)

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

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="vton-") as folder:
            copy = Path(folder) / PurePosixPath(name).name
            self.store.get_file(self._path(name), str(copy))
            yield copy

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

    def sweep(self, name: str = "") -> None:
        for file in self.files(name):
            if names.is_temporary(file):
                self.remove(f"{name}/{file}" if name else file)

    def _path(self, name: str) -> str:
        return f"{self.root}/{names.inside(name)}" if name else self.root

    def _list(self, name: str) -> list[dict[str, Any]]:
        self.store.invalidate_cache(self._path(name))
        try:
            return self.store.ls(self._path(name), detail=True)
        except FileNotFoundError:
            return []


class _Store:
    """A file system whose failures are OSErrors, whatever its driver raises."""

    def __init__(self, system: Any) -> None:
        self.system = system

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def _call(self, name: str, *words: Any, **options: Any) -> Any:
        try:
            return getattr(self.system, name)(*words, **options)
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{self.system.protocol}: {type(error).__name__}: {error}") from error


def _base(info: dict[str, Any]) -> str:
    return PurePosixPath(info["name"]).name


def _entry(info: dict[str, Any]) -> Entry:
    token = info.get("ETag") or info.get("etag") or info.get("generation") or info.get("mtime") or info.get("created")
    return Entry(int(info["size"] or 0), str(token))
