"""A finished build: which files are its shards."""

from schemas import shards
from schemas.cli.flags import UsageError
from schemas.folders import Folder


def shard_names(folder: Folder) -> list[str]:
    """Shards of a finished folder in order. Raises UsageError when there is none."""
    if not folder.is_folder():
        raise UsageError(f"{folder} is no folder; allowed is the output of a build")
    endings = tuple(f".{name}" for name in shards.FORMATS)
    names = [name for name in folder.files() if "-of-" in name and name.endswith(endings)]
    if not names:
        raise UsageError(f"no shards in {folder}; expected files such as train-00000-of-00001.parquet")
    return names
