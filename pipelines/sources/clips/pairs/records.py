"""One object in two pictures → a record on its way."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from annotators.functional import boxes, frequency, geometry, masks, quality
from annotators.functional.boxes import Box
from pipelines.sources.clips.pairs.frames import Frame
from pipelines.sources.clips.pairs.objects import ObjectMask
from pipelines.sources.outcomes import Planned, Reading, ReadSettings
from schemas import codecs
from schemas.kinds.object_pair import OBJECT_PAIR
from schemas.messages import printable

GIVES = (*OBJECT_PAIR.base, "high_frequency_map", "height", "width", "quality")


@dataclass(frozen=True, eq=False)
class Half:
    """A picture of the object, its mask at the picture's size, and the frame's name and number in the clip.

    `box` is where an object is yet to come; without an outline of it (`outlined`), the mask is the filled box.
    """

    frame: Frame
    mask: ObjectMask
    name: str
    number: int
    box: Box | None = None
    outlined: bool = True


def pair(
    item: Planned, settings: ReadSettings, object_id: str, dynamics: str, reference: Half, target: Half | None
) -> Reading:
    """The record of an object; without a target it is a still, whose target is its reference."""
    video_id = str(item.values["video_id"])
    frames = reference.name if target is None else f"{reference.name}+{target.name}"
    words = (settings.dataset, item.split, video_id, object_id, frames)
    columns: dict[str, Any] = {
        "record_id": "/".join(printable(word) for word in words),
        "dataset": settings.dataset,
        "split": item.split,
        "video_id": video_id,
        "object_id": object_id,
        "reference_frame": reference.number,
        "target_frame": None if target is None else target.number,
        "dynamics": dynamics,
        "caption": item.values.get("caption"),
    }
    reading = Reading(item, columns)
    _store("reference", reference, reading, settings)
    if target is not None:
        _store("target", target, reading, settings)
    columns["height"], columns["width"] = columns["reference_image"].shape[:2]
    columns["quality"] = _quality(columns)
    if "high_frequency_map" not in settings.skip:
        columns["high_frequency_map"] = frequency.high_frequency_map(
            columns["reference_image"], columns["reference_mask"]
        )
        reading.came_from("high_frequency_map", "annotator", "high_frequency", None, "")
    return reading


def _store(role: str, half: Half, reading: Reading, settings: ReadSettings) -> None:
    half = _fitted(half, settings)
    mask = half.mask
    frame, cell = _encoded(half.frame)
    reading.columns[f"{role}_image"], reading.kept[f"{role}_image"] = frame.pixels, cell
    reading.digests[frame.path] = frame.digest
    reading.came_from(f"{role}_image", "dataset", None, frame.digest, "; ".join(frame.notes))
    if half.box is not None:
        reading.columns[f"{role}_box"] = np.asarray(half.box, np.float32)
        reading.came_from(f"{role}_box", "dataset", None, mask.digest, "; ".join(mask.notes))
    if mask.path is not None and mask.digest is not None:
        reading.digests[mask.path] = mask.digest
    if half.outlined:
        reading.columns[f"{role}_mask"] = mask.pixels
        origin = "annotator" if mask.annotator else "dataset"
        reading.came_from(f"{role}_mask", origin, mask.annotator, mask.digest, "; ".join(mask.notes))


def _fitted(half: Half, settings: ReadSettings) -> Half:
    """All of it at `--size`, where one is asked for."""
    frame, mask = half.frame, half.mask
    height, width = frame.pixels.shape[:2]
    if settings.size is None or settings.size == (height, width):
        return half
    moved = geometry.fit((height, width), settings.size, settings.fit)
    note = f"resized from {height}x{width}"
    return replace(
        half,
        frame=replace(frame, pixels=geometry.photo(frame.pixels, moved), data=None, notes=(*frame.notes, note)),
        mask=replace(mask, pixels=geometry.mask(mask.pixels, moved), notes=(*mask.notes, note)),
        box=None if half.box is None else _moved(half.box, moved),
    )


def _moved(box: Box, moved: geometry.Geometry) -> Box:
    """A box in the stored picture, in whole pixels, what lies outside of it cut off."""
    corners = np.rint(moved.to_stored(np.asarray(box, np.float64).reshape(2, 2))).astype(int).ravel().tolist()
    return boxes.clip((corners[0], corners[1], corners[2], corners[3]), moved.height, moved.width)


def _encoded(frame: Frame) -> tuple[Frame, dict[str, Any]]:
    """The frame as the shard holds it, and its cell: the file's own bytes, or written anew."""
    path = PurePosixPath(frame.file)
    if frame.data is not None:
        return frame, {"bytes": frame.data, "path": path.name}
    if frame.lossy:
        data = codecs.encode_jpeg(frame.pixels)
        note = f"written as JPEG quality {codecs.JPEG_QUALITY}"
        stored = replace(frame, pixels=codecs.decode_image(data), notes=(*frame.notes, note))
        return stored, {"bytes": data, "path": path.with_suffix(".jpg").name}
    stored = replace(frame, notes=(*frame.notes, "written as PNG"))
    return stored, {"bytes": codecs.encode_png(frame.pixels), "path": path.with_suffix(".png").name}


def _quality(columns: dict[str, Any]) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for role in ("reference", "target"):
        picture: np.ndarray | None = columns.get(f"{role}_image")
        if picture is None:
            measured |= {f"{role}_{name}": None for name in ("sharpness", "exposure", "area", "hash")}
            continue
        looks = quality.looks(picture)
        measured[f"{role}_sharpness"] = looks.sharpness
        measured[f"{role}_exposure"] = looks.exposure
        mask: np.ndarray | None = columns.get(f"{role}_mask")
        measured[f"{role}_area"] = None if mask is None else masks.share(mask)
        measured[f"{role}_hash"] = looks.perceptual_hash
    return measured
