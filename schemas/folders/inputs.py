"""What may be asked of a folder that is only read, wherever it lies."""

from dataclasses import dataclass
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
