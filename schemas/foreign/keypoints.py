"""Keypoint files: OpenPose's JSON in its versions, ComfyUI's frames, Dress Code's joints; in whatever unit they came.

Joints end in pixels of the photo. What a file says of its canvas, or its numbers of their unit, decides; whether the
joints lie on the person is for those to judge who know more than the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas import json_text, labels
from schemas.codecs import CodecError

Size = tuple[int, int]  # height, width
BODY = {75: None, 54: labels.coco18_to_body25, 51: labels.coco17_to_body25}  # numbers → conversion to BODY_25
DRESSCODE_FRAME = (512, 384)  # of the pictures that Dress Code's keypoints lie in
_BODY_NAMES = ("pose_keypoints_2d", "pose_keypoints")
_HANDS = {side: (f"hand_{side}_keypoints_2d", f"hand_{side}_keypoints") for side in ("left", "right")}
_FACE_NAMES = ("face_keypoints_2d", "face_keypoints")
_SMALLEST = 16  # pixels of a photo's side: below that, coordinates up to 1 may be pixels
_SHAPE = 0.03  # by how much a canvas may differ from its photo's aspect


@dataclass(frozen=True)
class Keypoints:
    """`columns`: "keypoints" float32 [25 3], where present "keypoints_face" [70 3] and "keypoints_hands" [42 3].

    `note` says in which unusual form they were, "" for the customary one.
    """

    columns: dict[str, np.ndarray]
    note: str = ""


def read(data: bytes, size: Size | None = None) -> Keypoints:
    """The person with the largest box around their joints.

    `size` (height, width) of the photo brings normalised joints, those of a named canvas and Dress Code's own form to
    its pixels. Raises CodecError when nobody is in the file, a number isn't one, or the form can't be told.
    """
    document, notes = _frame(_json(data))
    if "keypoints" in document and "people" not in document:
        points, note = _dresscode(document["keypoints"], size)
        return Keypoints({"keypoints": points}, note)
    people = [person for person in _people(document) if person is not None]
    if not people:
        raise CodecError("no person in the keypoints file")
    if len(people) > 1:
        notes.append(f"the largest of {len(people)} people")
    columns = max(people, key=lambda columns: _area(columns["keypoints"]))
    unit = _to_pixels(columns, _canvas(document), size)
    return Keypoints(columns, "; ".join(filter(None, (*notes, unit))))


def _frame(document: Any) -> tuple[dict[str, Any], list[str]]:
    """The object with the people: the file's own, or the only frame of a list."""
    notes = []
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
        notes.append("the only frame of a list")
    elif isinstance(document, list):
        raise CodecError(f"a list of {len(document)} frames; allowed is one")
    if not isinstance(document, dict):
        raise CodecError(f"not OpenPose JSON ({type(document).__name__})")
    return document, notes


def _people(document: Mapping[str, Any]) -> list[dict[str, np.ndarray] | None]:
    """Columns of each person; None for one without any joint. Raises CodecError."""
    people = document.get("people")
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise CodecError("not OpenPose JSON (no list of people)")
    return [_person(person) for person in people]


def _person(person: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    name = next((name for name in _BODY_NAMES if name in person), None)
    if name is None:
        raise CodecError(f"not OpenPose JSON (no {_BODY_NAMES[0]})")
    if not person[name]:
        return None
    body = _finite_floats(person[name], name)
    if body.size not in BODY:
        raise CodecError(f"{body.size} pose numbers; allowed are {', '.join(map(str, BODY))}")
    convert = BODY[body.size]
    joints = body.reshape(-1, 3)
    columns = {"keypoints": convert(joints) if convert else joints}
    if not columns["keypoints"][:, :2].any():
        return None
    face = _first(person, _FACE_NAMES)
    if face:
        columns["keypoints_face"] = _points(face, "face_keypoints_2d", 70)
    hands = [_first(person, names) for names in _HANDS.values()]
    if any(hands):
        sides = [_points(hand, "hand_keypoints_2d", 21) if hand else np.zeros((21, 3), np.float32) for hand in hands]
        columns["keypoints_hands"] = np.concatenate(sides)
    return columns


def _first(person: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((person[name] for name in names if person.get(name)), None)


def _canvas(document: Mapping[str, Any]) -> Size | None:
    """(height, width) of the picture that the joints lie in, where the file names it."""
    sides = document.get("canvas_height"), document.get("canvas_width")
    numbers = [side for side in sides if isinstance(side, int | float) and not isinstance(side, bool) and side >= 1]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else None


def _to_pixels(columns: dict[str, np.ndarray], canvas: Size | None, size: Size | None) -> str:
    """Brings the joints, in place, to pixels of the photo; returns a note on their unit. Raises CodecError."""
    if size is None:
        return ""
    low, high = _range(columns["keypoints"])
    if high <= 1 and min(size) > _SMALLEST:
        if low < -1:
            raise CodecError(f"coordinates from {low:g} to {high:g} are in no known unit")
        _move(columns, (1.0, 1.0) if low < 0 else (0.0, 0.0), (2.0, 2.0) if low < 0 else (1.0, 1.0), size)
        return f"normalised coordinates, {'-1 to 1' if low < 0 else '0 to 1'}, brought to pixels"
    if canvas is None or canvas == size:
        return ""
    if abs(canvas[0] * size[1] / (canvas[1] * size[0]) - 1) > _SHAPE:
        raise CodecError(f"joints of a {canvas[0]}x{canvas[1]} canvas; its photo has {size[0]}x{size[1]}")
    _move(columns, (0.0, 0.0), (canvas[1], canvas[0]), size)
    return f"scaled from a canvas of {canvas[0]}x{canvas[1]}"


def _range(points: np.ndarray) -> tuple[float, float]:
    there = points[points[:, :2].any(axis=1), :2]
    return float(there.min()), float(there.max())


def _move(columns: dict[str, np.ndarray], shift: tuple[float, float], extent: tuple[float, float], size: Size) -> None:
    """(x, y) → (x + shift) / extent · size; absent joints stay at 0, 0, 0."""
    to_pixels = np.array([size[1] / extent[0], size[0] / extent[1]])
    for name, points in columns.items():
        there = points[:, :2].any(axis=1)
        moved = points.copy()
        moved[there, :2] = (points[there, :2] + shift) * to_pixels
        columns[name] = moved.astype(np.float32)


def _area(points: np.ndarray) -> float:
    """Of the box around the joints that are there."""
    there = points[points[:, :2].any(axis=1), :2]
    return float(np.prod(there.max(axis=0) - there.min(axis=0)))


def _json(data: bytes) -> Any:
    try:
        return json_text.parse(data)
    except ValueError as error:
        raise CodecError(f"not OpenPose JSON ({type(error).__name__})") from None


def _dresscode(joints: object, size: Size | None) -> tuple[np.ndarray, str]:
    """float32 [25 3] from COCO-18 joints in pixels of 384×512, or of the photo where they don't fit into that frame.

    Absent ones have x, y ≤ 1, or a negative one.
    """
    well_formed = isinstance(joints, list) and all(isinstance(j, list) and len(j) in (3, 4) for j in joints)
    if not isinstance(joints, list) or not well_formed or len(joints) != len(labels.Coco18):
        raise CodecError(f"keypoints are no {len(labels.Coco18)} joints of x, y, score, index")
    if size is None:
        raise CodecError("keypoints in a 384x512 frame, and no photo whose size they could be brought to")
    points = _finite_floats([value for joint in joints for value in joint[:3]], "keypoints").reshape(-1, 3)
    x, y = points[:, 0], points[:, 1]
    absent = ((x <= 1) & (y <= 1)) | (x < 0) | (y < 0)
    if absent.all():
        raise CodecError("no joint of the person is present")
    frame, note = DRESSCODE_FRAME, ""
    outside = (x > frame[1]) | (y > frame[0])
    if outside[~absent].any() and size != frame:
        frame, note = size, f"joints outside the {DRESSCODE_FRAME[1]}x{DRESSCODE_FRAME[0]} frame: read as photo pixels"
    points[:, :2] *= np.array([size[1] / frame[1], size[0] / frame[0]], np.float32)
    points[:, 2] = np.maximum(points[:, 2], 0)
    points[absent] = 0
    return labels.coco18_to_body25(points), note


def _points(flat: object, name: str, count: int) -> np.ndarray:
    numbers = _finite_floats(flat, name)
    if numbers.size != 3 * count:
        raise CodecError(f"{numbers.size} numbers in {name}; allowed is {3 * count}")
    return numbers.reshape(count, 3)


def _finite_floats(flat: object, name: str) -> np.ndarray:
    """float32 [n]; JSON strings, nulls, NaN and infinities are refused."""
    is_numbers = isinstance(flat, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in flat)
    if not is_numbers:
        raise CodecError(f"{name} holds something that is not a number")
    try:
        values = np.array(flat, np.float64).astype(np.float32)
    except OverflowError:
        raise CodecError(f"{name} holds a number out of range") from None
    if not np.isfinite(values).all():
        raise CodecError(f"{name} holds NaN or infinity")
    return values
