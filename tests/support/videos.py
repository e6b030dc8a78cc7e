"""Rendered videos whose frames tell their number."""

import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

BITS, BLOCK = 10, 16


def numbered(number: int, height: int = 96, width: int = 176) -> np.ndarray:
    """uint8 [h w 3]: the number as black and white blocks along the top; a red left half below, a blue right half."""
    picture = np.full((height, width, 3), (40, 60, 200), np.uint8)
    picture[:, : width // 2] = (200, 60, 40)
    for bit in range(BITS):
        picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    """What `numbered` wrote into a decoded frame."""
    middle = BLOCK // 2
    return sum(int(picture[middle, bit * BLOCK + middle].mean() > 128) << bit for bit in range(BITS))


def write(path: Path, numbers: Sequence[int], codec: str = "mpeg4", seconds: Sequence[float] | None = None) -> Path:
    """A video of these `numbered` pictures, a key frame every twelve; the ending decides the container.

    `seconds` says from when on each is shown; 30 a second without it. In a process of its own: see `render_videos`.
    """
    shown = [index / 30 for index in range(len(numbers))] if seconds is None else list(seconds)
    order = json.dumps({"path": str(path), "numbers": list(numbers), "codec": codec, "seconds": shown})
    subprocess.run([sys.executable, str(Path(__file__).with_name("render_videos.py")), order], check=True)
    return path


def turn(path: Path, target: Path) -> Path:
    """The same MP4 with the note of a phone held upright: to be shown turned by 90° clockwise."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    start = header + 4 + (24 if data[header + 4] == 0 else 36) + 16
    width = struct.unpack(">I", data[start + 36 : start + 40])[0]
    data[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, width, 0, 1 << 30)
    target.write_bytes(data)
    return target
