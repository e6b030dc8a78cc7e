"""What lies on a store and libraries read from paths, as files of this machine: each is downloaded once.

A copy is whole or absent. It is taken as it is while the store's file and its own bytes are those that were noted when
it was downloaded; otherwise it is downloaded anew.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from schemas import json_shape
from schemas.cli.flags import UsageError
from schemas.folders import RemoteFolder, atomic, open_folder
from schemas.folders.inputs import Entry


@dataclass(frozen=True)
class _Note:
    """Of a downloaded file: what the store said of it, and the digest of what came."""

    size: int
    token: str
    sha256: str


def is_far(location: object) -> bool:
    """Whether this is the URL of something that isn't on this machine."""
    return "://" in str(location) and isinstance(open_folder(str(location)), RemoteFolder)


def check(flag: str, location: str) -> None:
    """Raises UsageError for a URL where nothing is, or which may not be read."""
    folder = open_folder(location)
    if not folder.is_folder() and not _is_file(location):
        raise UsageError(f"{flag} {location}: there is no such file or folder; allowed is one that is there")


def local(location: str | os.PathLike[str]) -> Path:
    """The path itself; of a URL that of a copy of its file or folder, which is brought up to date.

    Raises OSError for a URL where nothing is, Unreachable where a download fails.
    """
    where = os.fspath(location)
    if not is_far(where):
        return Path(where.removeprefix("file://"))
    place, _, name = where.rstrip("/").rpartition("/")
    if _is_file(where):
        return below(place, name)
    return below(where.rstrip("/"), "")


def below(url: str, name: str) -> Path:
    """A copy of a file or folder in the folder of that URL; whatever else is in the copy of the folder is deleted."""
    folder = open_folder(url)
    assert isinstance(folder, RemoteFolder), url
    root = _home() / hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    entries = dict(_tree(folder, name)) if folder.is_folder(name) else {name: folder.entry(name)}
    for file, entry in entries.items():
        _bring(folder, file, entry, root)
    _prune(root / name, {root / file for file in entries})
    return root / name


def _is_file(url: str) -> bool:
    place, _, name = url.rstrip("/").rpartition("/")
    return not place.endswith("/") and name in open_folder(place).files()


def _tree(folder: RemoteFolder, name: str) -> Iterator[tuple[str, Entry]]:
    """All files below, by their names in the folder."""
    for file, entry in folder.files(name).items():
        yield f"{name}/{file}" if name else file, entry
    for inner in folder.folders(name):
        yield from _tree(folder, f"{name}/{inner}" if name else inner)


def _bring(folder: RemoteFolder, name: str, entry: Entry, root: Path) -> None:
    path, note = root / name, root.with_name(f"{root.name}.notes") / f"{name}.json"
    noted = _noted(note)
    if noted and (noted.size, noted.token) == (entry.size, entry.token) and _sha256(path) == noted.sha256:
        return
    for parent in (path.parent, note.parent):
        parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_path(path) as temporary:
        folder.fetch(name, temporary)
    atomic.write_json(note, asdict(_Note(entry.size, entry.token, _sha256(path))))


def _noted(note: Path) -> _Note | None:
    try:
        return json_shape.record(_Note, json.loads(note.read_bytes()))
    except (OSError, ValueError):
        return None


def _sha256(path: Path) -> str:
    """ "" where nothing is."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return _digest(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _digest(path: str, size: int, modified: int) -> str:
    """Cached by path, size and time, since some files take seconds to read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prune(place: Path, kept: set[Path]) -> None:
    """Files of an earlier state of the folder: a loader would read them along with the others."""
    for path in place.rglob("*") if place.is_dir() else ():
        if path.is_file() and path not in kept:
            path.unlink(missing_ok=True)


def _home() -> Path:
    caches: Any = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "vton-pipelines" / "copies"
