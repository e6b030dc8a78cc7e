"""Sampling a video against reading every frame of it with OpenCV, in one process; and the memory that a long one takes.

    python benchmarks/video.py [--clips FOLDER] [--minutes 10]
    python benchmarks/video.py --unit [--minutes 60]     of a build whose one unit holds it and eight short videos

Prints a line of JSON for each video: frames, key frames, seconds of both ways (best of three, taken in turn), ratio.
Long videos repeat a rendered minute.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import build
import cv2
import numpy as np
import psutil

from pipelines.sources.clips.pairs.video import available, open_video

STEP = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="a folder of further videos, such as ../shared/data/video/raw")
    parser.add_argument("--minutes", type=int, default=10, help="length of the video whose memory is measured")
    parser.add_argument("--unit", action="store_true", help="measure the build of a unit, and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.unit:
            print(json.dumps(unit(Path(folder), arguments.minutes)))
            return
        paths = [_render(Path(folder) / "rendered.mp4", 900)]
        paths += sorted(arguments.clips.glob("*.mp4")) if arguments.clips else []
        for path in paths:
            print(json.dumps(compare(path)), flush=True)
        print(json.dumps(memory(_long(Path(folder) / "long.mp4", arguments.minutes))), flush=True)


def compare(path: Path) -> dict[str, object]:
    """Seconds for one frame in thirty, by us and by reading every frame."""
    ways: dict[str, Callable[[Path], list[np.ndarray]]] = {"every": _every_frame, "sampled": _sampled}
    best = dict.fromkeys(ways, float("inf"))
    pictures = {}
    for _ in range(3):
        for name, way in ways.items():
            started = time.perf_counter()
            pictures[name] = way(path)
            best[name] = min(best[name], time.perf_counter() - started)
    same = all(np.array_equal(a, b) for a, b in zip(pictures["every"], pictures["sampled"], strict=True))
    seconds = {name: round(spent, 3) for name, spent in best.items()}
    return {"video": path.name, "seconds": seconds, "ratio": round(best["every"] / best["sampled"], 2), "same": same}


def memory(path: Path) -> dict[str, object]:
    """MiB that sampling a video adds to the process."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    video = open_video(path, path.name, available())
    for position in range(0, len(video), STEP):
        video.pixels(position)
        most = max(most, process.memory_info().rss)
    return {"video": path.name, "frames": len(video), "mebibytes": round((most - before) / 2**20)}


def unit(folder: Path, minutes: int) -> dict[str, object]:
    """Peak of the processes of a build: the long video and eight of ten seconds in one unit, tracked classically."""
    (folder / "in").mkdir()
    _long(folder / "in/long.mp4", minutes)
    _render(folder / "in/short0.mp4", 300)
    for number in range(1, 8):
        os.link(folder / "in/short0.mp4", folder / f"in/short{number}.mp4")
    words = [
        "--layout",
        "raw",
        "--tracker",
        "classical",
        "--input",
        str(folder / "in"),
        "--output",
        str(folder / "out"),
    ]
    started, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.build_object_pairs", *words],
        cwd=build.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        peak = max(peak, build.tree_memory(psutil.Process(process.pid)))
        time.sleep(0.2)
    said = json.loads(process.communicate()[0])
    seconds = round(time.perf_counter() - started)
    told = {name: said[name] for name in ("records", "rejects", "shards")}
    return {"minutes": minutes, "mebibytes": round(peak), "seconds": seconds, **told}


def _every_frame(path: Path) -> list[np.ndarray]:
    capture, kept, position = cv2.VideoCapture(str(path)), [], 0
    while True:
        read, picture = capture.read()
        if not read:
            return kept
        if position % STEP == 0:
            kept.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        position += 1


def _sampled(path: Path) -> list[np.ndarray]:
    video = open_video(path, path.name, available())
    return [video.pixels(position) for position in range(0, len(video), STEP)]


def _render(path: Path, frames: int) -> Path:
    """720p MPEG-4 with a key frame every 12 frames, as OpenCV writes it: a texture that moves, and a disc."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (1280, 720))
    texture = cv2.resize(np.random.default_rng(0).integers(0, 255, (36, 64, 3), np.uint8), (1280, 720))
    for number in range(frames):
        picture = np.roll(texture, number * 3, 1)
        cv2.circle(picture, (number * 5 % 1280, 300), 150, (0, 0, 255), -1)
        writer.write(picture)
    writer.release()
    return path


def _long(path: Path, minutes: int) -> Path:
    """So many times the packets of a rendered minute."""
    import av

    minute = _render(path.with_name("minute.mp4"), 60 * 30)
    with av.open(str(path), "w") as written:
        stream = None
        for number in range(minutes):
            with av.open(str(minute)) as read:
                stream = stream or written.add_stream_from_template(read.streams.video[0])
                for packet in read.demux(video=0):
                    if packet.dts is not None and packet.pts is not None:
                        shift = round(number * 60 / packet.time_base)
                        packet.dts, packet.pts, packet.stream = packet.dts + shift, packet.pts + shift, stream
                        written.mux(packet)
    minute.unlink()
    return path


if __name__ == "__main__":
    main()
