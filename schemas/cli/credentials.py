"""Passwords and signatures in URLs: refused on command lines, which every process of a machine can read, and hidden."""

import re

HIDDEN = "***"
NAMES = r"secret|token|password|passwd|credential|signature|access_?key|account_?key|api_?key|sas|connection_string"
_USER = re.compile(r"(?<=://)[^/@\s'\"]*:[^/@\s'\"]*@")
_QUERY = re.compile(rf"([?&](?:[\w.-]*(?:{NAMES})[\w.-]*|sig|se|sp|sv|policy|expires)=)[^&#\s'\"]+", re.IGNORECASE)


def in_url(text: str) -> bool:
    """Whether a URL of the text holds a user's password, or a signature that opens it for everybody."""
    return "://" in text and bool(_USER.search(text) or _QUERY.search(text))


def hidden(text: str) -> str:
    """The text with those replaced."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def refusal(text: str) -> str:
    """What a user is told of such a URL."""
    return (
        f"{hidden(text)!r} holds credentials, which a manifest or a log would show; allowed are URLs without them, and"
        " the driver's environment variables or fsspec's configuration (~/.config/fsspec, FSSPEC_…)"
    )
