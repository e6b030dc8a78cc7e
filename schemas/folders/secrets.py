"""Credentials stay out of everything that is written or printed: locations, messages, manifests, logs."""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from schemas.cli.flags import UsageError

HIDDEN = "***"
_SHORTEST = 6  # characters: what is shorter would be replaced inside plain words
_NAMES = r"secret|token|password|passwd|credential|signature|access_?key|account_?key|api_?key|sas|connection_string"
_SECRET = re.compile(rf"(?:^|[_-])(?:{_NAMES}|key)", re.IGNORECASE)  # of variables and of storage options
_USER = re.compile(r"(?<=://)[^/@\s'\"]*:[^/@\s'\"]*@")
_QUERY = re.compile(rf"([?&](?:[\w.-]*(?:{_NAMES})[\w.-]*|sig|se|sp|sv|policy|expires)=)[^&#\s'\"]+", re.IGNORECASE)


def check(location: str) -> None:
    """Raises UsageError for a URL that holds a password or a signature: whoever reads shards could read it too."""
    if "://" in location and (_USER.search(location) or _QUERY.search(location)):
        raise UsageError(
            f"{redacted(location)!r} holds credentials, which a manifest or a log would show; allowed are URLs without"
            " them, and the driver's environment variables or fsspec's configuration (~/.config/fsspec, FSSPEC_…)"
        )


def redacted(text: str) -> str:
    """The text without passwords and signatures of URLs, and without secrets of this process's settings."""
    text = _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))
    for secret in sorted({*_settings()}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _settings() -> Iterator[str]:
    """Secrets of the environment and of fsspec's configuration, as they are and as a URL writes them."""
    from fsspec.config import conf

    for value in (*_values(os.environ), *_values(conf)):
        if len(value) >= _SHORTEST:
            yield from (value, unquote(value))


def _values(settings: Mapping[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _values(value)
        elif isinstance(value, str) and _SECRET.search(name):
            yield value
