"""Several folders as one, for reading."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from schemas.folders.inputs import Entry, InputFolder

JOINED = "joined:"  # how the location of a JoinedFolder begins


class JoinedFolder:
    """Several folders as one: the files of the folder mounted at "persons" are "persons/…". For reading only."""

    def __init__(self, mounts: Mapping[str, InputFolder]) -> None:
        self.mounts = dict(sorted(mounts.items()))

    def __str__(self) -> str:
        return JOINED + json.dumps({name: str(folder) for name, folder in self.mounts.items()}, ensure_ascii=False)

    def is_folder(self, name: str = "") -> bool:
        if not name:
            return all(folder.is_folder() for folder in self.mounts.values())
        mount, rest = _split(name)
        return mount in self.mounts and self.mounts[mount].is_folder(rest)

    def files(self, name: str = "") -> dict[str, Entry]:
        mount, rest = _split(name)
        return self.mounts[mount].files(rest) if mount in self.mounts else {}

    def folders(self, name: str = "") -> list[str]:
        if not name:
            return list(self.mounts)
        mount, rest = _split(name)
        return self.mounts[mount].folders(rest) if mount in self.mounts else []

    def escapes(self, name: str) -> bool:
        mount, rest = _split(name)
        return mount not in self.mounts or self.mounts[mount].escapes(rest)

    def entry(self, name: str) -> Entry:
        folder, rest = self._mounted(name)
        return folder.entry(rest)

    def read(self, name: str) -> bytes:
        folder, rest = self._mounted(name)
        return folder.read(rest)

    def sha256(self, name: str) -> str:
        folder, rest = self._mounted(name)
        return folder.sha256(rest)

    def local(self, name: str) -> AbstractContextManager[Path]:
        folder, rest = self._mounted(name)
        return folder.local(rest)

    def _mounted(self, name: str) -> tuple[InputFolder, str]:
        mount, rest = _split(name)
        if mount not in self.mounts:
            raise FileNotFoundError(name)
        return self.mounts[mount], rest


def _split(name: str) -> tuple[str, str]:
    """ "persons/a.jpg" → ("persons", "a.jpg")."""
    mount, _, rest = name.partition("/")
    return mount, rest
