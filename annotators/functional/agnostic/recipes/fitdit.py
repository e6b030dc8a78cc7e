"""FitDiT's mask (Jiang 2024, arXiv:2411.10499; BoyuanJiang/FitDiT): a rectangle around garment and limbs.

Made for DWPose's whole-body joints, of which face, hands and feet are used where they are known; labels are ATR's.
Pads are pixels of 768 × 1024.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from annotators.functional import masks
from annotators.functional.agnostic import inputs, loaders
from annotators.functional.agnostic.recipe import Recipe, Record, Settings, check_choice, check_label_map
from schemas.labels import Atr, Body25, Category, Coco18

HEIGHT, WIDTH = 1024, 768

_LEFT_FOOT, _RIGHT_FOOT, _HEELS = (0, 1, 2), (3, 4, 5), (2, 5)  # rows of feet, in BODY_25's order
_JAW = (5, 11)  # of iBUG's 68 points: beside the chin
_FINGERS = (5, 9, 13)  # of 21 points of a hand: where index, middle and ring finger begin
_ALL_FINGERS = (*_FINGERS, 17)
_LEAST_CONTOUR = 100  # px enclosed
_LEAST_PIECE = 1000 / (HEIGHT * WIDTH)  # of the frame
_FEET_25 = tuple(range(Body25.LEFT_BIG_TOE, Body25.RIGHT_HEEL + 1))

Bounds = tuple[float, float, float, float]  # left, top, right, bottom
_NONE: Bounds = (np.inf, np.inf, -np.inf, -np.inf)


@dataclass(frozen=True)
class Extremities:
    """Joints beyond COCO-18, float [n 2] pixels of the parse with absent ones at (0, 0).

    feet: big toe, small toe, heel, left then right; hands: 21 of the left, 21 of the right; face: iBUG's 68 first.
    """

    feet: np.ndarray = field(default_factory=lambda: np.zeros((6, 2)))
    hands: np.ndarray = field(default_factory=lambda: np.zeros((42, 2)))
    face: np.ndarray = field(default_factory=lambda: np.zeros((68, 2)))


@dataclass(frozen=True)
class Pads:
    left: int
    top: int
    right: int
    bottom: int


def fitdit_mask(
    parse: np.ndarray, keypoints: np.ndarray, category: str, extremities: Extremities | None = None
) -> np.ndarray:
    """uint8 [h w] 0/255: a rectangle, less the head's labels and for legs bag or shoes.

    `parse` uint8 [h w] ATR ids (18 = neck allowed), `keypoints` float [18 2] COCO-18 in its pixels. Joints that are
    absent don't count; nothing is set without joints and garment. Raises ValueError for another category or shape.
    """
    check_choice("category", category, tuple(Category))
    check_label_map("parse", parse)
    if keypoints.shape not in ((len(Coco18), 2), (len(Coco18), 3)):
        raise ValueError(f"keypoints of shape {keypoints.shape}; allowed is [18 2] (COCO-18)")
    bounds, kept = _BOUNDS[Category(category)](parse, keypoints[:, :2], extremities or Extremities())
    mask = np.zeros_like(parse)
    if all(np.isfinite(bounds)):
        left, top, right, bottom = (max(int(bound), 0) for bound in bounds)
        window = np.s_[top:bottom, left:right]
        mask[window] = cv2.bitwise_not(masks.of_labels(parse[window], kept)) if parse[window].size else 0
    return mask


def _upper(parse: np.ndarray, body: np.ndarray, beyond: Extremities) -> tuple[Bounds, tuple[int, ...]]:
    roots = _roots(beyond.hands, _FINGERS)
    joints = _sides(
        left=(body[[2, 3, 4]], roots),
        right=(body[[5, 6, 7]], roots),
        top=(body[[2, 5]], roots),
        bottom=(body[[8, 11]], roots),
    )
    garment = _around(_outlines(masks.of_labels(parse, (Atr.UPPER_CLOTHES, Atr.DRESS)), _LEAST_CONTOUR))
    longer = joints[3] > garment[3]
    bounds, pads = _joined(joints, garment), Pads(25, 20, 25, 0 if longer else 10)
    return _up_to_jaw(bounds, pads, beyond.face), (Atr.HAT, Atr.SUNGLASSES, Atr.FACE)


def _lower(parse: np.ndarray, body: np.ndarray, beyond: Extremities) -> tuple[Bounds, tuple[int, ...]]:
    legs = (body[8:14], beyond.feet)
    joints = _sides(left=legs, right=legs, top=(body[[8, 11]],), bottom=(body[[10, 13]], beyond.feet[list(_HEELS)]))
    skirt_or_pants = _without_specks(masks.of_labels(parse, (Atr.SKIRT, Atr.PANTS, Atr.BELT)))
    garment = _around(_largest(_outlines(skirt_or_pants)))
    top = 5
    if garment == _NONE:
        dressed = masks.of_labels(parse, (Atr.SKIRT, Atr.PANTS, Atr.DRESS, Atr.BELT))
        left, _, right, _ = _around(_largest(_outlines(_without_specks(dressed))))
        garment, top = (left, np.inf, right, -np.inf), 50
    kept = (Atr.HAT, Atr.SUNGLASSES, Atr.FACE, Atr.BAG)
    return _padded(_joined(joints, garment), Pads(30, top, 30, 10)), kept


def _dresses(parse: np.ndarray, body: np.ndarray, beyond: Extremities) -> tuple[Bounds, tuple[int, ...]]:
    roots = _roots(beyond.hands, _ALL_FINGERS)
    joints = _sides(
        left=(body[[2, 3, 4, 8, 9, 10]], beyond.feet[list(_LEFT_FOOT)], roots),
        right=(body[[5, 6, 7, 11, 12, 13]], beyond.feet[list(_RIGHT_FOOT)], roots),
        top=(body[[2, 5]], roots),
        bottom=(body[[10, 13]], beyond.feet),
    )
    dressed = (Atr.UPPER_CLOTHES, Atr.SKIRT, Atr.PANTS, Atr.DRESS, Atr.LEFT_ARM, Atr.RIGHT_ARM)
    garment = _around(_largest(_outlines(masks.of_labels(parse, dressed))))
    kept = (Atr.HAT, Atr.SUNGLASSES, Atr.FACE, Atr.LEFT_SHOE, Atr.RIGHT_SHOE, Atr.BAG)
    return _up_to_jaw(_joined(joints, garment), Pads(50, 20, 50, 10), beyond.face), kept


_BOUNDS = {Category.UPPER_BODY: _upper, Category.LOWER_BODY: _lower, Category.DRESSES: _dresses}


def _roots(hands: np.ndarray, fingers: Sequence[int]) -> np.ndarray:
    """[n 2]: where these fingers of both hands begin."""
    return hands.reshape(2, 21, -1)[:, list(fingers), :2].reshape(-1, 2)


def _sides(
    left: Sequence[np.ndarray], top: Sequence[np.ndarray], right: Sequence[np.ndarray], bottom: Sequence[np.ndarray]
) -> Bounds:
    """The extreme coordinate on each side of the points [n 2] named for it, absent ones left out.

    A person seen from behind has right and left exchanged: the two are put in order.
    """
    points = [np.concatenate([group[:, :2] for group in groups]) for groups in (left, top, right, bottom)]
    lefts, tops, rights, bottoms = (group[group.any(axis=1)] for group in points)
    x0, x1 = lefts[:, 0].min(initial=np.inf), rights[:, 0].max(initial=-np.inf)
    if np.isfinite([x0, x1]).all():
        x0, x1 = min(x0, x1), max(x0, x1)
    return float(x0), float(tops[:, 1].min(initial=np.inf)), float(x1), float(bottoms[:, 1].max(initial=-np.inf))


def _outlines(mask: np.ndarray, least: float = 0) -> list[np.ndarray]:
    """Outer contours that enclose at least so many pixels."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [outline for outline in outlines if cv2.contourArea(outline) >= least]


def _largest(outlines: list[np.ndarray]) -> list[np.ndarray]:
    return [max(outlines, key=cv2.contourArea)] if outlines else []


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask without pieces below 1,000 px of 768 × 1024."""
    _, ids, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < _LEAST_PIECE * mask.size
    return np.where(small[ids], np.uint8(0), mask)


def _around(outlines: list[np.ndarray]) -> Bounds:
    bounds = _NONE
    for x, y, width, height in map(cv2.boundingRect, outlines):
        bounds = _joined(bounds, (x, y, x + width, y + height))
    return bounds


def _joined(a: Bounds, b: Bounds) -> Bounds:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _padded(bounds: Bounds, pads: Pads) -> Bounds:
    left, top, right, bottom = bounds
    return left - pads.left, top - pads.top, right + pads.right, bottom + pads.bottom


def _up_to_jaw(bounds: Bounds, pads: Pads, face: np.ndarray) -> Bounds:
    """Padded; where the jaw lies higher, the rectangle begins there without a pad."""
    jaw = face[list(_JAW), :2]
    height = float(jaw[:, 1].mean()) if jaw.any(axis=1).all() else np.inf
    left, top, right, bottom = _padded(bounds, pads)
    return left, height if height < bounds[1] else top, right, bottom


def _extremities(record: Record) -> Extremities:
    joints = {"feet": inputs.body25(record, HEIGHT, WIDTH)[list(_FEET_25)]}
    for name in ("hands", "face"):
        if record.get(f"keypoints_{name}") is not None:
            joints[name] = inputs.body25(record, HEIGHT, WIDTH, f"keypoints_{name}")
    return Extremities(**joints)


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    parse, joints = inputs.atr_with_neck(record, HEIGHT, WIDTH), inputs.coco18(record, HEIGHT, WIDTH)
    return loaders.column(fitdit_mask(parse, joints, category, _extremities(record)), record["parse"].shape)


RECIPE = Recipe(_draw, may_read=("parse_atr", "parse_lip", "keypoints_face", "keypoints_hands"))
