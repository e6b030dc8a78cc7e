"""Folders of files, local or on any fsspec store, with the few operations that a build needs.

Writes are whole or absent: locally a temporary file is synced and renamed; a store's put is atomic by itself.
"""

import json
from typing import BinaryIO

from schemas.cli.flags import UsageError, one_line
from schemas.folders import secrets, stores
from schemas.folders.inputs import Entry, InputFolder
from schemas.folders.joined import JOINED, JoinedFolder
from schemas.folders.local import LocalFolder
from schemas.folders.remote import RemoteFolder

__all__ = [
    "Entry",
    "Folder",
    "InputFolder",
    "JoinedFolder",
    "LocalFolder",
    "RemoteFolder",
    "open_file",
    "open_folder",
    "open_input",
    "open_parent",
]

_FILE = "file://"
Folder = LocalFolder | RemoteFolder


def open_folder(location: str, closed: bool = False) -> Folder:
    """A local path, or a URL that fsspec knows; `closed` as LocalFolder is.

    Raises UsageError for another URL, for one that holds a password, and where its driver is absent.
    """
    if location.startswith(_FILE):
        location = location.removeprefix(_FILE)
    if "://" not in location:
        return LocalFolder(location, closed)
    if location.startswith("://"):
        raise UsageError(f"{location!r} has no scheme; allowed are folders and URLs that fsspec knows")
    secrets.check(location)
    try:
        return RemoteFolder(location)
    except OSError:
        raise
    except ImportError as error:
        raise UsageError(stores.missing_driver(location, error)) from None
    except Exception as error:  # drivers refuse a URL in whatever way they like
        reason = secrets.redacted(one_line(error))
        raise UsageError(f"{location!r}: {reason}; allowed are folders and URLs that fsspec knows") from None


def open_file(location: str) -> BinaryIO:
    """A file to read, by its path or URL."""
    place, _, name = location.rpartition("/")
    return open_folder(place or ("/" if location.startswith("/") else ".")).open(name)


def open_parent(location: str) -> tuple[Folder, str]:
    """The folder of a file to write, and the file's name. Raises UsageError where no such file could be."""
    place, slash, name = location.rpartition("/")
    folder = open_folder(f"{place}/" if place.endswith(":/") else place or slash or ".")
    if (
        name in ("", ".", "..")
        or (isinstance(folder, LocalFolder) and not folder.is_folder())
        or folder.is_folder(name)
    ):
        raise UsageError(f"{location!r}; allowed is a file in a folder that is there")
    if isinstance(folder, RemoteFolder):
        _check_writable(folder, name)
    return folder, name


def _check_writable(folder: RemoteFolder, name: str) -> None:
    """Stores make folders on the way, but no buckets. Raises UsageError."""
    try:
        folder.make()
    except OSError as error:
        raise UsageError(f"{folder}/{name} can't be written: {error.strerror}; allowed is a file in a folder") from None


def open_input(location: str) -> InputFolder:
    """As `open_folder`, closed against links; also what `str()` of a JoinedFolder gave. Raises UsageError."""
    if not location.startswith(JOINED):
        return open_folder(location, closed=True)
    mounts = json.loads(location.removeprefix(JOINED))
    return JoinedFolder({name: open_input(place) for name, place in mounts.items()})
