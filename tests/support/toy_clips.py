"""A source of clips: a clip is one tall PNG of frames, each of which becomes a record; dark frames are declined."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pipelines.sources import Listed, Listing
from pipelines.sources.outcomes import Declined, Outcome, Planned, Reading, ReadSettings, Rejection
from pipelines.sources.records import Records
from schemas import codecs
from schemas.folders import InputFolder

DATASET = "toy"
GIVES = ("person_image", "garment_image")
EXPECTED = "PNG files, each a clip of frames one below the other"
HEIGHT, WIDTH = 64, 48


def write(folder: Path, name: str, frames: int, dark: tuple[int, ...] = ()) -> None:
    """A clip of random frames, those of `dark` black."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(sum(name.encode())).integers(40, 255, (frames, HEIGHT, WIDTH, 3), np.uint8)
    pixels[list(dark)] = 0
    (folder / f"{name}.png").write_bytes(codecs.encode_png(pixels.reshape(-1, WIDTH, 3)))


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET) -> Listing:
    files = root.files()
    clips = [Listed(f"toy/{PurePosixPath(name).stem}", "train", {}, {"clip": name}, name) for name in files]
    return Listing(Records(clips), [], files)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    path = item.references["clip"][0]
    data = root.read(path)
    try:
        frames = codecs.decode_image(data).reshape(-1, HEIGHT, WIDTH, 3)
    except codecs.CodecError as error:
        raise Rejection(item.record_id, "read", "unreadable", f"clip: {error}", path) from None
    for number, frame in enumerate(frames):
        if not frame.any():
            yield Declined("dark")
            continue
        reading = Reading(
            item, _columns(item, number, frame, settings), digests={path: hashlib.sha256(data).hexdigest()}
        )
        for column in GIVES:
            reading.came_from(column, "dataset", None, reading.digests[path], f"frame {number}")
        yield reading


def _columns(item: Planned, number: int, frame: np.ndarray, settings: ReadSettings) -> dict[str, object]:
    record_id = f"{item.record_id}-{number}"
    corner = {"x0": 0.0, "y0": 0.0, "scale_x": 1.0, "scale_y": 1.0}
    return {
        "record_id": record_id,
        "dataset": settings.dataset,
        "split": item.split,
        "category": "upper_body",
        "person_id": record_id,
        "garment_id": record_id,
        "paired": True,
        "height": HEIGHT,
        "width": WIDTH,
        "geometry": {"source_height": HEIGHT, "source_width": WIDTH, **corner},
        "person_image": frame,
        "garment_image": np.ascontiguousarray(frame[::-1]),
    }
