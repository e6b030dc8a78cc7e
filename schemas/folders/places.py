"""Folders that a flag names, checked before any work."""

import os
from pathlib import Path

from schemas.cli.flags import UsageError
from schemas.folders import copies, open_folder


def readable(flag: str, location: str) -> None:
    """As `existing`, also for the URL of a folder of a store."""
    if not copies.is_far(location):
        existing(flag, location)
    elif not open_folder(location).is_folder():
        raise UsageError(f"{flag} {location}: there is no such folder; allowed is one that is there")


def existing(flag: str, location: str) -> Path:
    """A folder to read. Raises UsageError for one that isn't there, OSError for a name that none can have."""
    path = Path(location).expanduser() if location == "~" or location.startswith("~/") else Path(location)
    if not _is_there(path):
        raise UsageError(f"{flag} {location}: the folder {os.path.abspath(path)} doesn't exist")
    if not os.path.isdir(path):
        raise UsageError(f"{flag} {location} is no folder; allowed is a folder of this machine")
    return path


def writable(flag: str, location: str) -> Path:
    """A folder that is there or can be made.

    Raises UsageError for a URL, and where something else is in the way; OSError for a name that none can have.
    """
    if "://" in location:
        raise UsageError(f"{flag} {location}; allowed is a local folder")
    path = Path(location)
    nearest = next((place for place in (path, *path.parents) if _is_there(place)), path)
    if _is_there(nearest) and not os.path.isdir(nearest):
        raise UsageError(f"{flag} {location}: {nearest} is no folder; allowed is a folder, or the name of a new one")
    return path


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
