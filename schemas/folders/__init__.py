"""Folders of files, local or on any fsspec store, with the few operations that a build needs.

Writes are whole or absent: locally a temporary file is synced and renamed; a store's put is atomic by itself.
"""

import json

from schemas.cli.flags import UsageError, one_line
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
    "open_folder",
    "open_input",
    "open_parent",
]

Folder = LocalFolder | RemoteFolder


def open_folder(location: str, closed: bool = False) -> Folder:
    """A local path, or a URL that fsspec knows; `closed` as LocalFolder is.

    Raises UsageError for another URL, and where its driver is absent.
    """
    if "://" not in location:
        return LocalFolder(location, closed)
    if location.startswith("://"):
        raise UsageError(f"{location!r} has no scheme; allowed are folders and URLs that fsspec knows")
    try:
        return RemoteFolder(location)
    except OSError:
        raise
    except Exception as error:  # drivers refuse a URL in whatever way they like
        raise UsageError(f"{location!r}: {one_line(error)}; allowed are folders and URLs that fsspec knows") from None


def open_parent(location: str) -> tuple[Folder, str]:
    """The folder of a file to write, and the file's name. Raises UsageError where no such file could be."""
    place, slash, name = location.rpartition("/")
    folder = open_folder(f"{place}/" if place.endswith(":/") else place or slash or ".")
    absent = isinstance(folder, LocalFolder) and not folder.is_folder()  # stores make folders on the way
    if name in ("", ".", "..") or absent or folder.is_folder(name):
        raise UsageError(f"{location!r}; allowed is a file in a folder that is there")
    return folder, name


def open_input(location: str) -> InputFolder:
    """As `open_folder`, closed against links; also what `str()` of a JoinedFolder gave. Raises UsageError."""
    if not location.startswith(JOINED):
        return open_folder(location, closed=True)
    mounts = json.loads(location.removeprefix(JOINED))
    return JoinedFolder({name: open_input(place) for name, place in mounts.items()})
