"""Text files as editors and spreadsheets write them: their encodings, and what parts the columns of a table."""

import codecs
import csv
import io
import re

# By how they begin; the longer marks first, since UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DELIMITERS = (",", ";", "\t", "|")
_TOLD = re.compile(r'\A"?sep=(.)"?\r?\n', re.IGNORECASE)  # how Excel names it in a first line


def decode(data: bytes, errors: str = "strict") -> str:
    """UTF-8, or UTF-16 by its mark or by zeros in every other byte. Raises UnicodeDecodeError unless told not to."""
    known = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    return data.decode(known or _unmarked(data), errors=errors)


def _unmarked(data: bytes) -> str:
    """The encoding of a text that begins with ASCII."""
    if len(data) >= 4 and len(data) % 2 == 0 and 0 in (data[0], data[1]) and data[0] != data[1]:
        return "utf-16-be" if data[0] == 0 else "utf-16-le"
    return "utf-8"


def delimiter(text: str, usual: str) -> tuple[str, str]:
    """What parts a table's columns, and the table without a line that says it; `usual` where nothing tells.

    It is what a line "sep=;" names, else the one of DELIMITERS that gives the header the most columns, those first
    that give the next line as many.
    """
    told = _TOLD.match(text)
    if told:
        return told.group(1), text[told.end() :]
    ranks = {mark: _rank(text, mark) for mark in (usual, *DELIMITERS)}
    return max(ranks, key=lambda mark: ranks[mark]), text  # of equals the usual one


def _rank(text: str, mark: str) -> tuple[bool, int]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        header, first = next(lines, []), next(lines, [])
    except csv.Error:
        return False, 0
    return len(header) == len(first) > 1, len(header)
