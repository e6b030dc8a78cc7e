"""Repositories of the hub, as command lines name them: hf://datasets/OWNER/NAME and hf://OWNER/NAME."""

import re
from dataclasses import dataclass

from schemas.cli.flags import UsageError
from schemas.messages import printable

SCHEME = "hf://"
DATASET, MODEL = "dataset", "model"
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?", re.ASCII)
_ROOMS = ("datasets", "models", "spaces", "buckets")  # first words of an address that name no owner


@dataclass(frozen=True)
class Repository:
    """A repository by its id OWNER/NAME; `kind` is "dataset" or "model"."""

    id: str
    kind: str

    def __str__(self) -> str:
        return f"{SCHEME}{'datasets/' if self.kind == DATASET else ''}{self.id}"


def parse(location: str, kind: str) -> Repository:
    """Raises UsageError for what names no repository of this kind."""
    words = location.removeprefix(SCHEME).rstrip("/").split("/")
    if len(words) == 3 and words[0] == f"{kind}s":
        words = words[1:]
    if not location.startswith(SCHEME) or len(words) != 2 or words[0] in _ROOMS or not all(map(_is_name, words)):
        room = "datasets/" if kind == DATASET else ""
        raise UsageError(f"{printable(location)!r} names no {kind} of the hub; allowed is {SCHEME}{room}OWNER/NAME")
    return Repository("/".join(words), kind)


def _is_name(word: str) -> bool:
    """As the hub has it: letters, digits, - _ . and no two of - or . in a row."""
    return bool(_NAME.fullmatch(word)) and "--" not in word and ".." not in word and not word.endswith(".git")
