"""The masks that data loaders of LaDI-VTON, Dress Code, IDM-VTON and Leffa draw: one algorithm, different values.

A stroke runs along both arms; the garment, the stroke and, for Dress Code's labels, the neck below the shoulders are
dilated together, and what is protected is taken out to the pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.functional import boxes, masks
from annotators.functional.agnostic.recipe import check_label_map
from annotators.functional.agnostic.shapes import Canvas, Point, reached
from schemas.labels import Category, Coco18, DressCode

DRESSCODE_HEIGHT = 512  # Dress Code's files give joints in pixels of 384 × 512
_ABOVE_SHOULDERS = 20  # pixels of 384 × 512: where the neck begins

_FAR = 64  # pixels, from which on dilating by bits pays

_FROM_LEFT_WRIST = (
    Coco18.LEFT_WRIST, Coco18.LEFT_ELBOW, Coco18.LEFT_SHOULDER,
    Coco18.RIGHT_SHOULDER, Coco18.RIGHT_ELBOW, Coco18.RIGHT_WRIST,
)  # fmt: skip
_TARGET_BIT, _PROTECTED_BIT, _HEAD_BIT, _ARMS_BIT = 1, 2, 4, 8


@dataclass(frozen=True)
class Regions:
    """Label ids: the garment, what is kept, what is kept of the head, and, where a stroke is drawn, the arms."""

    target: tuple[int, ...]
    protected: tuple[int, ...]
    head: tuple[int, ...]
    arms: tuple[int, ...] = ()
    cuts_neck: bool = False  # the head's pixels below the shoulders are garment


@dataclass(frozen=True)
class Values:
    """Sizes in pixels of the parse: the stroke's width, and the squares that dilate it and all of the mask, 5 times."""

    stroke_width: int
    stroke_square: int = 1
    square: int = 5


_HEAD = (DressCode.HAT, DressCode.HAIR, DressCode.SUNGLASSES, DressCode.FACE)
_ALWAYS = (
    DressCode.HAT, DressCode.HAIR, DressCode.SUNGLASSES, DressCode.LEFT_SHOE, DressCode.RIGHT_SHOE,
    DressCode.BAG, DressCode.SCARF,
)  # fmt: skip
_ARMS = (DressCode.LEFT_ARM, DressCode.RIGHT_ARM)
_LEGS = (DressCode.LEFT_LEG, DressCode.RIGHT_LEG)

# Dress Code's labels, as its reference loader and LaDI-VTON's group them.
DRESSCODE = {
    Category.UPPER_BODY: Regions(
        (DressCode.UPPER_CLOTHES,), (*_ALWAYS, DressCode.SKIRT, DressCode.PANTS), _HEAD, _ARMS, cuts_neck=True
    ),
    Category.LOWER_BODY: Regions((DressCode.PANTS, *_LEGS), (*_ALWAYS, DressCode.UPPER_CLOTHES, *_ARMS), _HEAD),
    Category.DRESSES: Regions((DressCode.DRESS, *_LEGS), _ALWAYS, _HEAD, _ARMS, cuts_neck=True),
}


def draw(parse: np.ndarray, keypoints: np.ndarray, regions: Regions, values: Values) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of a label map [h w]; joints [18+ 2+] COCO-18 (or BODY_25) in its pixels.

    Absent joints (x and y at most 1) are left out of the stroke. Raises ValueError when the neck is to be cut and
    neither shoulder is there, and for arrays of other shapes.
    """
    check_label_map("parse", parse)
    if keypoints.ndim != 2 or keypoints.shape[0] <= max(_FROM_LEFT_WRIST) or keypoints.shape[1] < 2:
        raise ValueError(f"keypoints of shape {keypoints.shape}; allowed is [18 2] (COCO-18)")
    line = _stroke_points(keypoints) if regions.arms else []
    neck_from = _shoulder_line(keypoints, parse.shape) if regions.cuts_neck else None
    mask = np.zeros_like(parse)
    box = reached(parse, line, values.stroke_width + 5 * values.stroke_square, 5 * values.square)
    if box is not None:
        x0, y0, x1, _ = box
        shifted = [(x - x0, y - y0) for x, y in line]
        rows = None if neck_from is None else neck_from[x0:x1] - y0
        np.copyto(boxes.crop(mask, box), _mask(boxes.crop(parse, box), shifted, rows, regions, values))
    return mask


def _mask(
    parse: np.ndarray, line: list[Point], neck_from: np.ndarray | None, regions: Regions, values: Values
) -> np.ndarray:
    """uint8 [h w] 0/255 of the part of the frame that may be repainted."""
    layers = masks.layers(parse, regions.target, regions.protected, regions.head, regions.arms)
    repainted, protected, head = layers & _TARGET_BIT, layers & _PROTECTED_BIT, layers & _HEAD_BIT
    if neck_from is not None:
        neck = _below(head, neck_from)
        repainted |= neck
        head ^= neck
    protected |= head
    if line:
        stroke = _stroke(line, parse.shape, values)
        repainted |= stroke
        protected |= layers & _ARMS_BIT & ~stroke
    return _dilated(repainted, values.square) & masks.where_unset(protected)


def _stroke_points(keypoints: np.ndarray) -> list[Point]:
    """Whole pixels from wrist to wrist, without absent joints."""
    joints = keypoints[list(_FROM_LEFT_WRIST), :2]
    return [(int(x), int(y)) for x, y in joints[_present(joints)]]


def _stroke(line: list[Point], shape: tuple[int, ...], values: Values) -> np.ndarray:
    """uint8 [h w] 0/255."""
    canvas = Canvas(*shape)
    canvas.curve(line, values.stroke_width)
    return _dilated(canvas.drawn(shape), values.stroke_square)


def _shoulder_line(keypoints: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """int [w]: the row at which the neck begins, for each column; level where one shoulder is absent."""
    shoulders = keypoints[[Coco18.LEFT_SHOULDER, Coco18.RIGHT_SHOULDER], :2].astype(np.float64)
    shoulders = shoulders[_present(shoulders)]
    if not len(shoulders):
        raise ValueError("both shoulders are missing")
    if len(shoulders) == 1:
        slope, start = 0.0, shoulders[0, 1]
    else:
        unknowns = np.stack([shoulders[:, 0], np.ones(2)], axis=1)
        slope, start = np.linalg.lstsq(unknowns, shoulders[:, 1], rcond=None)[0]
    height, width = shape
    rows = np.arange(width) * slope + start - _ABOVE_SHOULDERS * (height / DRESSCODE_HEIGHT)
    return np.clip(rows, 0, height).astype(int)


def _below(region: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The region uint8 [h w] at and below the row of each column, 0 above."""
    below = np.zeros_like(region)
    box = boxes.of_mask(region)
    if box is not None:
        x0, y0, x1, y1 = box
        lower = np.arange(y0, y1)[:, None] >= rows[x0:x1]
        np.multiply(boxes.crop(region, box), lower, out=boxes.crop(below, box))
    return below


def _dilated(repainted: np.ndarray, square: int) -> np.ndarray:
    """uint8 0/255: what isn't 0, dilated five times."""
    dilate = masks.dilate_far if 5 * square > _FAR else masks.dilate
    return dilate(masks.where_set(repainted), square, 5)


def _present(joints: np.ndarray) -> np.ndarray:
    """bool [n]."""
    return np.asarray((joints > 1).any(axis=1))


def column(mask: np.ndarray, shape: Sequence[int]) -> dict[str, np.ndarray]:
    """What a recipe returns for a mask, at the photo's (height, width)."""
    return {"agnostic_mask": masks.resize(mask, shape[0], shape[1])}
