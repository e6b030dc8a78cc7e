"""Video files as clips: frame-exact, upright, whatever decoder opens them.

decord comes first: it finds key frames without decoding and seeks to the frame asked for. What it can't open (a file
whose end is missing, an odd codec) is read by OpenCV, from the front as far as it goes. Which decoders a build has is
settled while planning; which one read a file stands in the provenance of its frames. PyAV isn't among them: decord
shows its own copies of codec libraries to the whole process, and PyAV then calls into those.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.sources.clips.pairs.frames import Frame, Unreadable
from pipelines.sources.clips.pairs.video.decoders import DECODERS, Broken, Decoder

__all__ = ["VideoFile", "available", "open_video"]


def available() -> tuple[str, ...]:
    """The decoders that are installed, in the order in which they are tried."""
    return tuple(name for name, decoder in DECODERS.items() if importlib.util.find_spec(decoder.MODULE))


class VideoFile:
    """The frames of a video file by position; `name` is its path below the input root."""

    def __init__(self, decoder: Decoder, name: str, digest: str) -> None:
        self.decoder, self.path, self.digest = decoder, name, digest

    def __len__(self) -> int:
        return len(self.decoder)

    def name(self, position: int) -> str:
        return f"{position:06d}"

    def number(self, position: int) -> int:
        return position

    def frame(self, position: int) -> Frame:
        """Frames of ascending positions are read fastest. Raises Unreadable."""
        notes = (f"frame {position}, decoded by {self.decoder.NAME}",)
        file = f"{self.name(position)}.jpg"
        return Frame(self.pixels(position), self.path, self.digest, file, notes=notes)

    def pixels(self, position: int) -> np.ndarray:
        """uint8 [h w 3] RGB, upright. Raises Unreadable."""
        try:
            return self.decoder.read(position)
        except Broken as error:
            raise Unreadable(self.path, f"frame {position}: {error}") from None

    def second(self, position: int) -> float:
        """When the frame is shown, from the start of the clip."""
        return self.decoder.second(position)


def open_video(path: Path, name: str, decoders: Sequence[str]) -> VideoFile:
    """By the first of the decoders that finds a frame in it. Raises Unreadable with all their reasons."""
    if not is_container(path):
        raise Unreadable(name, "no video file; allowed are MP4, MOV, WebM, Matroska, AVI, MPEG, Ogg and FLV")
    reasons = []
    for decoder in decoders:
        try:
            opened: Decoder = DECODERS[decoder](path)
        except Broken as error:
            reasons.append(f"{decoder}: {error}")
            continue
        with path.open("rb") as file:
            return VideoFile(opened, name, hashlib.file_digest(file, "sha256").hexdigest())
    raise Unreadable(name, "; ".join(reasons) or "no video decoder is installed")


def is_container(path: Path) -> bool:
    """Whether a file begins as one that holds video itself: playlists, which name other files, don't."""
    with path.open("rb") as file:
        start = file.read(377)
    boxes = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
    streams = (b"\x1aE\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
    transport = start[:1] == b"G" and start[188:189] == b"G"
    return (
        start[4:8] in boxes or start.startswith(streams) or transport or (start[:4], start[8:12]) == (b"RIFF", b"AVI ")
    )
