"""File names as lists and file systems write them: parsing a pair, comparing, and making names fit to print."""

import csv
import hashlib
import re
import unicodedata
from pathlib import PurePosixPath

from schemas.folders import Entry, InputFolder

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")

# The person's file ends at its extension, so that names may hold spaces.
_ENDING = "|".join(map(re.escape, PICTURES))
_PAIR = re.compile(rf"^\s*(.+?(?:{_ENDING}))(?:(?:\s*,\s*|\s+)(.+?))?\s*$", re.IGNORECASE)
_THIRD = re.compile(rf"^(.+?(?:{_ENDING}))(?:\s*,\s*|\s+)(\S+)$", re.IGNORECASE)


def split_pair(line: str) -> tuple[str, str | None]:
    """The person's and the garment's file name of a list's line: "a.jpg b.jpg", also with a comma or quoted as in CSV.

    Names may hold spaces; without a picture's ending the first space parts them. None: the line has no garment.
    """
    quoted = _quoted(line)
    if quoted:
        return quoted[0], quoted[1] if len(quoted) > 1 else None
    match = _PAIR.match(line)
    if match:
        return match.group(1), match.group(2)
    person, *garment = line.split(None, 1)
    return person, garment[0] if garment else None


def split_triple(line: str) -> tuple[str, str | None, str | None]:
    """As `split_pair`, and the third column, a single word without spaces, where there is one."""
    quoted = _quoted(line)
    if quoted:
        person, garment, third = (*quoted, None, None)[:3]
        return person or "", garment, third
    person, rest = split_pair(line)
    match = _THIRD.match(rest or "")
    return (person, match.group(1), match.group(2)) if match else (person, rest, None)


def _quoted(line: str) -> list[str]:
    """The columns of a line that begins with a quotation mark, as in CSV; [] for any other line."""
    if not line.lstrip().startswith('"'):
        return []
    try:
        first, *rest = next(csv.reader([line], skipinitialspace=True))
    except csv.Error:
        return []
    return [first, *(word.strip() for word in rest)]


def normal(name: str) -> str:
    """Composed Unicode: a list and a file system may spell an accent differently."""
    return unicodedata.normalize("NFC", name)


def by_normal(files: dict[str, Entry]) -> dict[str, tuple[str, Entry]]:
    """A listing by composed Unicode name."""
    return {normal(name): (name, entry) for name, entry in files.items()}


def stem_of(name: str) -> str:
    return PurePosixPath(normal(name)).stem


def leads_elsewhere(name: str) -> bool:
    """True for anything but a plain file name."""
    return "/" in name or "\\" in name or "\0" in name or name in (".", "..")


def printable(text: str, longest: int = 200) -> str:
    """The text without control characters, cut to `longest`: it goes into ids, tables and pages."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in normal(text))[:longest]


def contents(root: InputFolder) -> str:
    """The first names in a folder, to tell what was found instead of what was expected."""
    names = [f"{name}/" for name in root.folders()] + list(root.files())
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"


def is_unicode(name: str) -> bool:
    """False for a name of bytes that are no UTF-8: neither Parquet nor JSON can hold it."""
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)


def digest(text: str) -> str:
    """8 hex digits that tell names apart which would share an id."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
