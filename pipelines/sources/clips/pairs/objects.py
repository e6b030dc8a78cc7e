"""The masks of one object through a clip: given by files, or carried on by a tracker."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from annotators.functional import masks
from pipelines.sources.clips.pairs.frames import Unreadable, read_bytes
from schemas import codecs
from schemas.folders import InputFolder

OFF_BY = 1  # pixels by which a mask may miss its picture's height or width


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """uint8 [h w] 0/255; `path` and `digest` are of its file, `annotator` the tracker where it has none."""

    pixels: np.ndarray
    path: str | None = None
    digest: str | None = None
    annotator: str | None = None
    notes: tuple[str, ...] = ()

    def for_picture(self, height: int, width: int) -> "ObjectMask":
        """At the picture's size, resized nearest where it is off by one. Raises Unreadable where by more."""
        rows, columns = self.pixels.shape
        if (rows, columns) == (height, width):
            return self
        if max(abs(rows - height), abs(columns - width)) > OFF_BY:
            raise Unreadable(self.path or "", f"a mask of {rows}x{columns} for a picture of {height}x{width}")
        pixels = masks.resize(self.pixels, height, width)
        note = f"resized from {rows}x{columns}"
        return ObjectMask(pixels, self.path, self.digest, self.annotator, (*self.notes, note))


@dataclass(frozen=True)
class ObjectMasks:
    """Which object, at which positions of its clip it has a mask, and how to get one. `mask` raises Unreadable."""

    object_id: str
    positions: tuple[int, ...]
    mask: Callable[[int], ObjectMask] = field(compare=False)


class IndexMasks:
    """Pictures whose values are object ids, 0 the background; `decode` tells them of a file's bytes."""

    def __init__(
        self, root: InputFolder, files: Mapping[int, str], decode: Callable[[bytes], np.ndarray], ignored: int = 255
    ) -> None:
        self.root, self.files, self.decode, self.ignored = root, dict(files), decode, ignored
        self._read = lru_cache(maxsize=4)(self._decode)

    def ids(self, position: int) -> list[int]:
        """Ids of the objects that are seen. Raises Unreadable."""
        pixels, _ = self._read(position)
        return [int(value) for value in np.unique(pixels) if value and value != self.ignored]

    def mask(self, position: int, object_id: int) -> ObjectMask:
        pixels, digest = self._read(position)
        return ObjectMask(masks.as_mask(pixels == object_id), self.files[position], digest)

    def _decode(self, position: int) -> tuple[np.ndarray, str]:
        path = self.files[position]
        data = read_bytes(self.root, path)
        try:
            return self.decode(data), hashlib.sha256(data).hexdigest()
        except codecs.CodecError as error:
            raise Unreadable(path, str(error)) from None


def index_picture(data: bytes) -> np.ndarray:
    """Ids uint8 [h w] of a palette or grey picture. Raises codecs.CodecError for one in colours."""
    image = codecs.open_picture(data)
    if image.mode not in ("P", "L", "1"):
        raise codecs.CodecError(f"a picture of mode {image.mode}; allowed is a palette or grey picture of object ids")
    try:
        return np.asarray(image, np.uint8)
    except Exception as error:
        raise codecs.CodecError(f"damaged picture ({type(error).__name__})") from None


def colour_picture(data: bytes) -> np.ndarray:
    """Ids int32 [h w] of a picture in colours: red + 256 green + 65,536 blue. Raises codecs.CodecError."""
    pixels = codecs.decode_image(data).astype(np.int32)
    return pixels @ np.array([1, 256, 65536], np.int32)
