"""Whether a folder of results is gone on with, or holds results of something else."""

import json
from collections.abc import Mapping
from typing import Any

from schemas.cli.flags import UsageError

ANOTHER_FOLDER, OR_REPLACED = "another folder", "the same flags, another folder, or --overwrite"


def differing(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first key whose values aren't the same; None where all are.

    `earlier` is what JSON gave back, so what JSON makes of `now` counts; a key that one of them lacks counts as null.
    """
    plain: dict[str, Any] = json.loads(json.dumps(now))
    return next((key for key in dict.fromkeys([*plain, *earlier]) if plain.get(key) != earlier.get(key)), None)


def check(place: object, title: str, earlier: Mapping[str, Any], now: Mapping[str, Any], ways: str) -> None:
    """Raises UsageError naming the first setting in which a folder's results differ from those asked for.

    Of settings within a setting it names the one that differs. `title` is what the folder holds, for people; `ways`
    what is allowed instead.
    """
    path: list[str] = []
    was: Any = earlier
    asked: Any = now
    while isinstance(was, Mapping) and isinstance(asked, Mapping):
        key = differing(was, asked)
        if key is None:
            return
        path, was, asked = [*path, key], was.get(key), asked.get(key)
    told = f"{' '.join(path)} was {was!r}, is {asked!r}"
    raise UsageError(f"--output {place} holds another {title} ({told}); allowed is {ways}")
