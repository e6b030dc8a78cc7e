"""Libraries that decode video, each behind the same few calls."""

import os
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

_EOF_RETRIES = "2000000"  # decord polls its own threads so often before it gives up: on a busy machine 10,240 is few
THREADS = 2


class Broken(Exception):
    """What the decoder says of a file, or of a frame."""


class Decoder(Protocol):
    """An opened video with at least one frame. The class is called with a path and raises Broken."""

    NAME: str
    MODULE: str

    def __len__(self) -> int: ...

    def read(self, position: int) -> np.ndarray:
        """uint8 [h w 3] RGB, upright. Raises Broken."""
        ...

    def second(self, position: int) -> float: ...


class Decord:
    """Goes on from the frame where it is, unless a key frame lies between: then it starts from that one.

    So a step beyond the distance of key frames skips most of the file, and a smaller one decodes each frame once.
    """

    NAME: str = "decord"
    MODULE: str = "decord"

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("DECORD_EOF_RETRY_MAX", _EOF_RETRIES)
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        try:
            self.reader: Any = decord.VideoReader(str(path), num_threads=THREADS)
            self.frames = len(self.reader)
        except (RuntimeError, decord.DECORDError) as error:
            raise Broken(_last_words(error)) from None
        if not self.frames:
            raise Broken("no frame")

    def __len__(self) -> int:
        return self.frames

    def read(self, position: int) -> np.ndarray:
        import decord

        try:
            return np.asarray(self.reader[position].asnumpy())
        except (RuntimeError, decord.DECORDError) as error:
            raise Broken(_last_words(error)) from None

    def second(self, position: int) -> float:
        return float(self.reader.get_frame_timestamp(position)[0])


class OpenCv:
    """Frames are counted once, as far as the file can be read; then read on from the last one, or from the start."""

    NAME: str = "opencv"
    MODULE: str = "cv2"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()
        self.seconds: list[float] = []
        while self.capture.grab():
            self.seconds.append(self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        if not self.seconds:
            raise Broken("no frame")
        self._open()

    def _open(self) -> None:
        self.capture, self.next = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG), 0

    def __len__(self) -> int:
        return len(self.seconds)

    def second(self, position: int) -> float:
        return self.seconds[position]

    def read(self, position: int) -> np.ndarray:
        if position < self.next - 1:
            self._open()
        while self.next <= position:
            if not self.capture.grab():
                raise Broken("the frame can't be decoded again")
            self.next += 1
        decoded, pixels = self.capture.retrieve()
        if not decoded:
            raise Broken("the frame can't be converted")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


DECODERS: dict[str, type[Decord] | type[OpenCv]] = {one.NAME: one for one in (Decord, OpenCv)}


def _last_words(error: Exception) -> str:
    """decord's message without paths and its stack."""
    if isinstance(error, RuntimeError) and "Error reading" in str(error):
        return "the file can't be opened"
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return line.rpartition(": ")[2].rpartition("]")[2].strip()
