"""Encodes a video with PyAV, in a process that never loads decord: the two don't get along in one."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.videos import numbered


def render(path: str, numbers: list[int], codec: str, seconds: list[float]) -> None:
    options = {"movflags": "faststart"} if path.endswith((".mp4", ".mov")) else {}
    pictures = [numbered(number) for number in numbers]
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = pictures[0].shape[:2] if pictures else (96, 176)
        stream.pix_fmt, stream.bit_rate, stream.gop_size = "yuv420p", 4_000_000, 12
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, second in zip(pictures, seconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(second * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    render(**json.loads(sys.argv[1]))
