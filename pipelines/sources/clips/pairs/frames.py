"""The pictures of a clip, by position, each decoded when it is asked for."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schemas import codecs
from schemas.folders import InputFolder

KEPT = 4  # decoded frames that stay: pairs of one object share some


class Unreadable(Exception):
    """A file of a clip that can't be used: its path below the root, and why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a clip: uint8 [h w 3] RGB, the file that it lies in and that file's digest.

    `data` is the file's own bytes, where a shard may hold them; else the picture is written anew, as JPEG if it was
    `lossy` already. `file` is the name that the shard's cell gets; `notes` say what was converted.
    """

    pixels: np.ndarray
    path: str
    digest: str
    file: str
    data: bytes | None = None
    lossy: bool = True
    notes: tuple[str, ...] = ()


class Clip(Protocol):
    """Pictures in the order of time."""

    def __len__(self) -> int: ...

    def name(self, position: int) -> str:
        """What tells a frame apart in record ids."""
        ...

    def number(self, position: int) -> int:
        """The frame's own number: of its file name where that is one, else its position."""
        ...

    def frame(self, position: int) -> Frame:
        """Raises Unreadable."""
        ...


class FrameFolder:
    """A clip of picture files: frame name → path below the root, in the order of time."""

    def __init__(self, root: InputFolder, files: Mapping[str, str]) -> None:
        self.root, self.files = root, dict(files)
        self.names = tuple(self.files)
        self.numbered = all(name.isascii() and name.isdigit() for name in self.names)
        self._kept: OrderedDict[int, Frame] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def name(self, position: int) -> str:
        return self.names[position]

    def number(self, position: int) -> int:
        return int(self.names[position]) if self.numbered else position

    def frame(self, position: int) -> Frame:
        if position not in self._kept:
            self._kept[position] = read_frame(self.root, self.files[self.names[position]])
        self._kept.move_to_end(position)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[position]


def read_bytes(root: InputFolder, path: str) -> bytes:
    """Raises Unreadable."""
    try:
        return root.read(path)
    except OSError as error:
        raise Unreadable(path, error.strerror or type(error).__name__) from None


def read_frame(root: InputFolder, path: str) -> Frame:
    """The picture of a file, upright. Raises Unreadable."""
    data = read_bytes(root, path)
    try:
        photo = codecs.decode_photo(data)
    except codecs.CodecError as error:
        raise Unreadable(path, str(error)) from None
    digest = hashlib.sha256(data).hexdigest()
    name = path.rpartition("/")[2]
    kept = data if photo.bytes_can_stay else None
    return Frame(photo.pixels, path, digest, name, kept, photo.format == "JPEG", photo.notes)
