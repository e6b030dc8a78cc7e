"""Which files of a folder are its shards, by their names alone: `train-00000-of-00002.parquet`."""

import re
from collections import Counter
from collections.abc import Iterable

from schemas.cli.flags import UsageError
from schemas.folders import Folder

_NAME = re.compile(r"(?P<split>[A-Za-z0-9_.-]+?)-(?P<number>\d{5,})-of-(?P<count>\d{5,})\.(?:parquet|arrow)")


def is_shard(name: str) -> bool:
    """Whether this is a shard's name; no such name leads to another folder."""
    return _NAME.fullmatch(name) is not None


def split_of(name: str) -> str:
    return _parts(name)[0]


def shard_names(folder: Folder) -> list[str]:
    """Shards of a finished folder in order. Raises UsageError when there is none."""
    if not folder.is_folder():
        raise UsageError(f"{folder} is no folder; allowed is the output of a build")
    names = [name for name in folder.files() if is_shard(name)]
    if not names:
        raise UsageError(f"no shards in {folder}; expected files such as train-00000-of-00001.parquet")
    return names


def check_complete(folder: object, names: Iterable[str]) -> None:
    """Raises UsageError for a split of which these are not all the shards."""
    for (split, count), there in Counter(map(_parts, names)).items():
        if there != int(count):
            raise UsageError(f"{folder} has {there} of {int(count)} shards of split {split}; allowed is all of them")


def _parts(name: str) -> tuple[str, str]:
    matched = _NAME.fullmatch(name)
    if matched is None:
        raise ValueError(f"{name!r} is no shard's name; allowed are names such as train-00000-of-00001.parquet")
    return matched["split"], matched["count"]
