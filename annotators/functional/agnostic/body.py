"""What `hrviton` and `vitonhd` share: the body they draw, what they keep of it, and the parse they undress."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.functional.agnostic.painting import GARMENT
from annotators.functional.agnostic.shapes import Canvas
from schemas.labels import Body25, Cihp

_KEPT = (
    Cihp.SUNGLASSES, Cihp.FACE, Cihp.PANTS, Cihp.SKIRT,
    Cihp.LEFT_LEG, Cihp.RIGHT_LEG, Cihp.LEFT_SHOE, Cihp.RIGHT_SHOE,
)  # fmt: skip
_REPAINTED = masks.lookup(tuple(set(range(256)) - set(_KEPT)), value=1)
_UNDRESSED = np.arange(256, dtype=np.uint8)
_UNDRESSED[[*GARMENT, Cihp.NECK]] = Cihp.BACKGROUND

_LEFT_ARM = (Body25.LEFT_SHOULDER, Body25.LEFT_ELBOW, Body25.LEFT_WRIST)
_RIGHT_ARM = (Body25.RIGHT_SHOULDER, Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST)
ARMS = ((Cihp.LEFT_ARM, _LEFT_ARM), (Cihp.RIGHT_ARM, _RIGHT_ARM))


def draw_torso(body: Canvas, joints: np.ndarray, r: int) -> None:
    right, left = joints[Body25.RIGHT_HIP], joints[Body25.LEFT_HIP]
    right_shoulder, left_shoulder = joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER]
    for hip in (right, left):
        body.ellipse(hip, 3 * r, 6 * r)
    body.line(right_shoulder, right, 6 * r)
    body.line(left_shoulder, left, 6 * r)
    body.line(right, left, 12 * r)
    body.polygon((right_shoulder, left_shoulder, left, right))


def draw_arms(body: Canvas, joints: np.ndarray, r: int) -> None:
    for _, chain in ARMS:
        for start, end in pairwise(chain):
            if joints[start].any() and joints[end].any():
                body.line(joints[start], joints[end], 10 * r)
                body.ellipse(joints[end], 5 * r, 5 * r)


def erased(body: Canvas, parse: np.ndarray, strokes: Mapping[int, Canvas]) -> np.ndarray:
    """What the body's shapes cover, less the kept labels, and less each arm label outside its stroke."""
    mask = body.drawn(parse.shape)
    box = boxes.of_mask(mask)
    if box is None:
        raise ValueError("the body lies outside the photo")
    inside, labels = boxes.crop(mask, box), np.ascontiguousarray(boxes.crop(parse, box))
    inside &= cv2.LUT(labels, _REPAINTED)
    for label, stroke in strokes.items():
        skin = (labels == label).view(np.uint8)
        skin_box = boxes.of_mask(skin)
        if skin_box is not None:
            stroked = stroke.drawn(parse.shape, boxes.shift(skin_box, box[0], box[1]))
            boxes.crop(inside, skin_box)[boxes.crop(skin, skin_box) > stroked] = 0
    mask *= 255
    return mask


def arm_stroke(joints: np.ndarray, chain: Sequence[int], r: int, height: int, width: int) -> Canvas:
    """The arm without its hand: skin beyond this stroke is kept."""
    stroke = Canvas(height, width)
    last = chain[0]
    stroke.ellipse(joints[last], 5 * r, 6 * r)
    for start, end in pairwise(chain):
        if joints[start].any() and joints[end].any():
            stroke.line(joints[start], joints[end], 10 * r)
            if end != chain[-1]:
                stroke.ellipse(joints[end], 5 * r, 5 * r)
            last = end
    stroke.ellipse(joints[last], 4 * r, 4 * r)
    return stroke


def parse_agnostic(parse: np.ndarray, points: np.ndarray, r: int, height: int, width: int) -> np.ndarray:
    undressed = cv2.LUT(parse, _UNDRESSED)
    for (label, chain), (_, other) in zip(ARMS, reversed(ARMS), strict=True):
        sleeve = _sleeve(points, (other[0], *chain), r, height, width).drawn(parse.shape)
        undressed[(parse == label) & sleeve.view(bool)] = Cihp.BACKGROUND
    return undressed


def _sleeve(points: np.ndarray, chain: Sequence[int], r: int, height: int, width: int) -> Canvas:
    """Stroke from the other shoulder along the arm; an absent joint is bridged."""
    sleeve = Canvas(height, width)
    previous = chain[0]
    for joint in chain[1:]:
        if points[previous].any() and points[joint].any():
            sleeve.line(points[previous], points[joint], 10 * r)
            radius = 4 * r if joint == chain[-1] else 15 * r
            sleeve.ellipse(points[joint], radius, radius)
            previous = joint
    return sleeve


def check_photo(person_image: np.ndarray, parse: np.ndarray) -> None:
    if person_image.ndim != 3 or person_image.shape[2] != 3 or person_image.dtype != np.uint8:
        raise ValueError(f"photo is {person_image.dtype} {person_image.shape}; allowed is uint8 [h w 3]")
    if person_image.shape[:2] != parse.shape:
        raise ValueError(f"parse of {parse.shape} for a photo of {person_image.shape[:2]}")
