"""File names as lists and file systems write them: parsing a pair, comparing, and making names fit to print."""

import csv
import re
import unicodedata
from pathlib import PurePosixPath

from pipelines.storage import Entry, InputFolder

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")

# The person's file ends at its extension, so that names may hold spaces.
_ENDING = "|".join(map(re.escape, PICTURES))
_PAIR = re.compile(rf"^\s*(.+?(?:{_ENDING}))(?:(?:\s*,\s*|\s+)(.+?))?\s*$", re.IGNORECASE)


def split_pair(line: str) -> tuple[str, str | None]:
    """The person's and the garment's file name of a list's line: "a.jpg b.jpg", also with a comma or quoted as in CSV.

    Names may hold spaces; without a picture's ending the first space parts them. None: the line has no garment.
    """
    if line.lstrip().startswith('"'):
        person, *garment = next(csv.reader([line], skipinitialspace=True))
        return person, garment[0].strip() if garment else None
    match = _PAIR.match(line)
    if match:
        return match.group(1), match.group(2)
    person, *garment = line.split(None, 1)
    return person, garment[0] if garment else None


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


def printable(text: str) -> str:
    """The text without control characters, at most 200 characters: it goes into ids, tables and pages."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in normal(text))[:200]


def contents(root: InputFolder) -> str:
    """The first names in a folder, to tell what was found instead of what was expected."""
    names = [f"{name}/" for name in root.folders()] + list(root.files())
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"


def is_unicode(name: str) -> bool:
    """False for a name of bytes that are no UTF-8: neither Parquet nor JSON can hold it."""
    return not any("\ud800" <= c <= "\udfff" for c in name)
