"""Folders of files, local or on any fsspec store, with the few operations that a build needs.

Writes are whole or absent: locally a temporary file is synced and renamed; a store's put is atomic by itself.
"""

import json

from schemas.cli.flags import UsageError
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
    "opened",
]

Folder = LocalFolder | RemoteFolder


def open_folder(location: str) -> Folder:
    """A local path, or a URL whose scheme fsspec knows. Raises ValueError or ImportError for an unknown scheme."""
    return RemoteFolder(location) if "://" in location else LocalFolder(location)


def opened(location: str) -> Folder:
    """As `open_folder`; raises UsageError for an unknown scheme."""
    try:
        return open_folder(location)
    except (ValueError, ImportError) as error:
        raise UsageError(f"{location!r}: {error}") from None


def open_input(location: str) -> InputFolder:
    """As `open_folder`; also what `str()` of a JoinedFolder gave. Raises ValueError or ImportError."""
    if not location.startswith(JOINED):
        return open_folder(location)
    mounts = json.loads(location.removeprefix(JOINED))
    return JoinedFolder({name: open_folder(place) for name, place in mounts.items()})
