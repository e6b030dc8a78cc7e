"""Messages for tables and screens: one line, nothing of the machine that they arose on."""

import re

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


_PATH = re.compile(r"(?:[A-Za-z]:)?(?:/[^\s/'\"]+)+/([^\s/'\"]+)")


def clean(message: str) -> str:
    """One line of at most 300 characters without addresses and without the folders of absolute paths."""
    text = _PATH.sub(r"\1", _ADDRESS.sub("0x", message))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
