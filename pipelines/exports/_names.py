"""File names of persons and garments: plain on every system, one name for one id."""

import hashlib
import re
from dataclasses import dataclass, field

from pipelines.exports import Claim
from schemas.cli.flags import UsageError

LONGEST = 150  # bytes of UTF-8: file systems allow 255, endings and temporary names are added
_FORBIDDEN = set('/\\:*?"<>|')
# Windows' devices, which are no file names there whatever their ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_JPG = re.compile(r"\.jpg", re.IGNORECASE)


def plain(name: str) -> str:
    """The name as one file name's stem that every file system takes and every pair list can hold.

    Spaces would part a line in two, and readers replace `.jpg` wherever it stands, so neither stays.
    """
    cleaned = "".join("_" if c in _FORBIDDEN or c.isspace() or not c.isprintable() else c for c in name)
    cleaned = _JPG.sub("_jpg", cleaned)
    cleaned = re.sub(r"^\.|\.$", "_", cleaned) or "_"
    if _RESERVED.fullmatch(cleaned):
        cleaned += "_"
    if len(cleaned.encode()) > LONGEST:
        cleaned = cleaned.encode()[: LONGEST - 13].decode(errors="ignore") + "-" + _digest(name)
    return cleaned


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@dataclass
class Names:
    """Who is called what in each folder, and which record, counted in order, named a file first."""

    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    first: dict[tuple[str, str], int] = field(default_factory=dict)
    shared: set[tuple[str, str]] = field(default_factory=set)
    changed: set[tuple[str, str]] = field(default_factory=set)

    def take(self, folder: str, identity: str, name: str, record: int) -> str:
        """The name for an id. Raises UsageError where another id has it, also but for upper and lower case."""
        key = (folder, name.casefold())
        other = self.owners.setdefault(key, identity)
        if other != identity:
            raise UsageError(f"{folder} {other!r} and {identity!r} would share their file names")
        if self.first.setdefault(key, record) != record:
            self.shared.add(key)
        if name != identity:
            self.changed.add((folder, identity))
        return name

    def claim(self, folder: str, name: str, record: int) -> Claim | None:
        """None for a name that one record alone has."""
        key = (folder, name.casefold())
        return Claim(self.first[key], record) if key in self.shared else None
