"""Objects of a raw clip that a file beside it tells, in one of its frames: by masks, boxes or points."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np

from annotators.functional import boxes, masks
from annotators.tracking import seeding
from pipelines.sources.clips.pairs import rle
from pipelines.sources.clips.pairs.frames import Unreadable, read_bytes
from pipelines.sources.clips.pairs.objects import ObjectMask, index_picture
from schemas import codecs, json_text
from schemas.folders import InputFolder

LISTS = {"boxes": "box", "points": "points", "masks": "mask"}
EXPECTED = '{"boxes": [[x0, y0, x1, y1]], "points": [[[x, y], [x, y, 0]]], "masks": [run lengths], "frame": 0}'
Point = tuple[float, float, bool]  # x, y, whether it is on the object


class Cutter(Protocol):
    """What cuts an object out of uint8 [h w 3] RGB; its mask is uint8 [h w] 0/255."""

    def __call__(self, picture: np.ndarray, box: boxes.Box | None, points: Sequence[Point]) -> np.ndarray: ...


@dataclass(frozen=True)
class Told:
    """The position of a frame, and the objects told in it: an index picture uint8 [h w], or outlines by object."""

    path: str
    frame: int
    ids: np.ndarray | None
    outlines: Mapping[str, Mapping[str, Any]]

    def masks(self, picture: np.ndarray, cut: Cutter) -> tuple[dict[str, ObjectMask], list[str]]:
        """Object → its mask in that frame's picture uint8 [h w 3] RGB; and what is wrong with the others."""
        if self.ids is not None:
            numbers = [number for number in np.unique(self.ids).tolist() if number]
            return {str(number): ObjectMask(masks.as_mask(self.ids == number), self.path) for number in numbers}, []
        found, faults = {}, []
        for object_id, outline in self.outlines.items():
            try:
                mask = _mask(outline, self.path, picture, cut)
                if not mask.pixels.any():
                    raise ValueError("nothing is there")
                found[object_id] = mask
            except ValueError as error:
                faults.append(f"object {object_id}: {error}")
        return found, faults


def read(root: InputFolder, path: str) -> Told:
    """Raises Unreadable for a file that tells no objects."""
    data = read_bytes(root, path)
    try:
        if PurePosixPath(path).suffix.lower() != ".json":
            return Told(path, 0, index_picture(data), {})
        document: Any = json_text.whole(json_text.parse(data))
        rows = {name: document.get(name, []) for name in LISTS} if isinstance(document, Mapping) else {}
        frame = document.get("frame", 0) if rows else 0
        if not any(rows.values()) or not all(isinstance(row, list) for row in rows.values()) or type(frame) is not int:
            raise ValueError(f"no objects; expected {EXPECTED}")
    except (codecs.CodecError, ValueError) as error:
        raise Unreadable(path, str(error) or type(error).__name__) from None
    listed = [{kind: value} for name, kind in LISTS.items() for value in rows[name]]
    return Told(path, frame, None, {str(number): outline for number, outline in enumerate(listed, start=1)})


def by_contrast(picture: np.ndarray, box: boxes.Box | None, points: Sequence[Point]) -> np.ndarray:
    """The Cutter without a model."""
    return seeding.in_box(picture, box) if box else seeding.at_points(picture, points)


def _mask(outline: Mapping[str, Any], path: str, picture: np.ndarray, cut: Cutter) -> ObjectMask:
    """Raises ValueError."""
    ((kind, value),) = outline.items()
    height, width = picture.shape[:2]
    if kind == "mask":
        try:
            return ObjectMask(rle.decode(value), path).for_picture(height, width)
        except Unreadable as error:
            raise ValueError(str(error)) from None
    if kind == "box":
        x0, y0, x1, y1 = (round(side) for side in _numbers(value, 4))
        box = boxes.clip((x0, y0, x1, y1), height, width)
        if box[2] - box[0] < 2 or box[3] - box[1] < 2:
            raise ValueError(f"box {value} holds nothing of a picture of {height}x{width}")
        return ObjectMask(cut(picture, box, ()), annotator="seeding:box")
    several = isinstance(value, list) and not any(type(part) in (int, float) for part in value)
    points = [_point(each, height, width) for each in (value if several else [value])]
    if not any(on for _, _, on in points):
        raise ValueError("no point on it")
    return ObjectMask(cut(picture, None, points), annotator="seeding:points")


def _point(value: Any, height: int, width: int) -> Point:
    x, y, on = _numbers([*value, 1] if isinstance(value, list) and len(value) == 2 else value, 3)
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"point {value} lies outside a picture of {height}x{width}")
    return x, y, bool(on)


def _numbers(value: Any, count: int) -> list[float]:
    fits = isinstance(value, list) and len(value) == count
    if not fits or not all(type(number) in (int, float) and math.isfinite(number) for number in value):
        raise ValueError(f"{value!r} is not {count} numbers"[:200])
    return [float(number) for number in value]
