"""File names as lists and file systems write them: parsing a pair, comparing, and making names fit to print."""

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipelines.sources.tryon._text import delimiter
from schemas.messages import normal

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
RELEASED_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".jfif")  # of VITON-HD and Dress Code, first found first

# The person's file ends at its extension, so that names may hold spaces.
_ENDING = "|".join(map(re.escape, PICTURES))
_COLUMN = re.compile(rf"^(.+?(?:{_ENDING}))(?:(?:\s*[,;|]\s*|\s+)(.+))?$", re.IGNORECASE)


def split_pair(line: str) -> tuple[str, str | None]:
    """The person's and the garment's file name of a list's line; None: the line has no garment."""
    person, garment, _ = split_triple(line)
    return person, garment


def split_triple(line: str) -> tuple[str, str | None, str | None]:
    """File names of person and garment, and the third column: "a.jpg b.jpg 0", with commas, tabs, or quoted as in CSV.

    Names may hold spaces: a column ends at a picture's ending. Without one the first space parts two columns.
    """
    columns = _quoted(line) or (_tabbed(line) if "\t" in line else _spaced(line.strip()))
    person, garment, third = (*columns, None, None)[:3]
    return person or "", garment, third


def _tabbed(line: str) -> list[str]:
    """Columns between tabs; several file names in one of them, where a space stands for a tab, are columns each."""
    parts = [part.strip() for part in line.split("\t") if part.strip()]
    return [column for part in parts for column in (_spaced(part) if _COLUMN.match(part) else [part])]


def _spaced(text: str) -> list[str]:
    """Columns up to a picture's ending; what follows the second is cut at spaces."""
    first = _COLUMN.match(text)
    if not first:
        return text.split(None, 1)
    rest = first.group(2)
    if rest is None:
        return [first.group(1)]
    second = _COLUMN.match(rest)
    return [first.group(1), rest] if not second else [first.group(1), second.group(1), *(second.group(2) or "").split()]


def is_comment(line: str) -> bool:
    """True for a line that begins with # and names no picture there."""
    return line.lstrip().startswith("#") and not _COLUMN.match(line.strip())


def in_folder(name: str, folders: Sequence[str]) -> str:
    """A list's name without the folders that it may name: "image/a.jpg", "./a.jpg", "test\\image\\a.jpg" → "a.jpg".

    `folders` is the way from the root to the files. A name that leads anywhere else stays as it is.
    """
    *above, base = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")] or [""]
    if name.startswith(("/", "\\")) or not base:
        return name
    return base if above == list(folders)[len(folders) - len(above) :] else name


def _quoted(line: str) -> list[str]:
    """The columns of a line that begins with a quotation mark, as in CSV; [] for any other line."""
    if not line.lstrip().startswith('"'):
        return []
    try:
        mark, _ = delimiter(line, ",")
        first, *rest = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
    except csv.Error:
        return []
    return [first, *(word.strip() for word in rest)]


def stem_of(name: str) -> str:
    return PurePosixPath(normal(name)).stem


def leads_elsewhere(name: str) -> bool:
    """True for anything but a plain file name."""
    return "/" in name or "\\" in name or "\0" in name or name in (".", "..")


def digest(text: str) -> str:
    """8 hex digits that tell names apart which would share an id."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
