"""Credentials stay out of everything that is written or printed: locations, messages, manifests, logs."""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from schemas.cli import credentials
from schemas.cli.flags import UsageError

_SHORTEST = 6  # characters: what is shorter would be replaced inside plain words
_SECRET = re.compile(rf"(?:^|[_-])(?:{credentials.NAMES}|key)", re.IGNORECASE)  # of variables and storage options


def check(location: str) -> None:
    """Raises UsageError for a URL that holds a password or a signature: whoever reads shards could read it too."""
    if credentials.in_url(location):
        raise UsageError(credentials.refusal(location))


def redacted(text: str) -> str:
    """The text without passwords and signatures of URLs, and without secrets of this process's settings."""
    text = credentials.hidden(text)
    for secret in sorted({*_settings()}, key=len, reverse=True):
        text = text.replace(secret, credentials.HIDDEN)
    return text


def _settings() -> Iterator[str]:
    """Secrets of the environment and of fsspec's configuration, as they are and as a URL writes them."""
    from fsspec.config import conf

    for value in (*_values(os.environ), *_values(conf)):
        if len(value) >= _SHORTEST:
            yield from (value, quote(value, safe=""))


def _values(settings: Mapping[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _values(value)
        elif isinstance(value, str) and _SECRET.search(name):
            yield value
