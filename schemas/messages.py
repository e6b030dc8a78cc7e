"""Messages for tables and screens: one line, nothing of the machine that they arose on."""

import re
import unicodedata

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


_PATH = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:/?)?(?:/[^\s/'\"]+)+/([^\s/'\"]+)")


def clean(message: str) -> str:
    """One line of at most 300 characters without addresses and without the folders of absolute paths."""
    text = _PATH.sub(r"\1", _ADDRESS.sub("0x", message))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 record", "2 records"; `many` where an s isn't enough."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int, thing: str, one: str, many: str) -> str:
    """ "1 of 7 records lacks", "2 of 7 records lack", "1 of 1 record lacks": the verb agrees with the part."""
    return f"{part} of {counted(whole, thing)} {one if part == 1 else many}"


def normal(name: str) -> str:
    """Composed Unicode: a list and a file system may spell an accent differently."""
    return unicodedata.normalize("NFC", name)


def printable(text: str, longest: int = 200) -> str:
    """The text without control characters, cut to `longest`: it goes into ids, tables and pages."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in normal(text))[:longest]
