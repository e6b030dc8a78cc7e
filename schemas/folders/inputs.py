"""What may be asked of a folder that is only read, wherever it lies."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """A file: its size in bytes, and a token that changes when it is written (ETag, or modification time in ns)."""

    size: int
    token: str
    link: bool = False


class InputFolder(Protocol):
    """What a build does with its input: it only reads. `str()` gives the location that `open_input` opens again."""

    def is_folder(self, name: str = "") -> bool: ...
    def files(self, name: str = "") -> dict[str, Entry]: ...
    def folders(self, name: str = "") -> list[str]: ...
    def escapes(self, name: str) -> bool: ...
    def entry(self, name: str) -> Entry: ...
    def read(self, name: str) -> bytes: ...
    def sha256(self, name: str) -> str: ...

    def local(self, name: str) -> AbstractContextManager[Path]:
        """The file on this machine, for libraries that open paths: itself, or a copy that goes with the block."""
        ...


def contents(root: InputFolder) -> str:
    """The first names in a folder, to tell what was found instead of what was expected."""
    names = [f"{name}/" for name in root.folders()] + list(root.files())
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"
