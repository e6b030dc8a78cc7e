"""OOTDiffusion's mask (Xu 2024, arXiv:2403.01779; levihsu/OOTDiffusion, `get_mask_location`), IDM-VTON's demo's too.

Labels are ATR's with 18 = neck. The garment and the arms' strokes are dilated, what the category protects is taken out,
and the largest piece is kept, its outline simplified.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.functional.agnostic import inputs
from annotators.functional.agnostic.recipe import MODEL_TYPES, Recipe, Record, Settings, check_choice, check_label_map
from annotators.functional.agnostic.shapes import Point, arm, reached
from schemas.labels import Atr, Category, Coco18

HEIGHT, WIDTH = 512, 384

_HEAD = (Atr.HAT, Atr.SUNGLASSES, Atr.FACE)
_ALWAYS = (Atr.HAT, Atr.SUNGLASSES, Atr.LEFT_SHOE, Atr.RIGHT_SHOE, Atr.BAG)
_TARGET = {
    Category.UPPER_BODY: (Atr.UPPER_CLOTHES, Atr.DRESS),
    Category.LOWER_BODY: (Atr.SKIRT, Atr.PANTS, Atr.LEFT_LEG, Atr.RIGHT_LEG),
    Category.DRESSES: (Atr.UPPER_CLOTHES, Atr.SKIRT, Atr.PANTS, Atr.DRESS),
}
_PROTECTED = {
    Category.UPPER_BODY: (*_ALWAYS, Atr.SKIRT, Atr.PANTS),
    Category.LOWER_BODY: (*_ALWAYS, Atr.UPPER_CLOTHES, Atr.LEFT_ARM, Atr.RIGHT_ARM),
    Category.DRESSES: _ALWAYS,
}
_TARGET_BIT, _PROTECTED_BIT, _HEAD_BIT, _NECK_BIT, _LEFT_ARM_BIT, _RIGHT_ARM_BIT = (1 << bit for bit in range(6))
_ARM_BITS = (_LEFT_ARM_BIT, _RIGHT_ARM_BIT)
_HAND_BITS = _LEFT_ARM_BIT | _RIGHT_ARM_BIT  # what is left of the arms' labels beside their strokes

_ARMS = (
    (Coco18.LEFT_SHOULDER, Coco18.LEFT_ELBOW, Coco18.LEFT_WRIST),
    (Coco18.RIGHT_SHOULDER, Coco18.RIGHT_ELBOW, Coco18.RIGHT_WRIST),
)
_ARM_SQUARE = 5  # side of the square that dilates the arms, four times
_BEYOND_WRIST = 1.2  # of the forearm: how far the stroke goes


@dataclass(frozen=True)
class Form:
    """Values in which forms of the recipe differ; pixels of 384 × 512."""

    arm_width: int
    garment_square: int = 5  # side of the square that dilates the garment, five times
    protected_square: int = 1  # side of the square that erodes what is protected, without the head


FORMS = {"hd": Form(60), "dc": Form(45)}


def ootdiffusion_mask(parse: np.ndarray, keypoints: np.ndarray, category: str, model_type: str) -> np.ndarray:
    """uint8 [512 384] 0/255: what OOTDiffusion repaints of a person.

    `parse` uint8 [512 384] (other sizes are resized nearest), `keypoints` float [18 2] COCO-18 in pixels of 384 × 512,
    `model_type` "hd" (trained on VITON-HD) or "dc" (Dress Code, thinner arms). An arm that lacks a joint counts by its
    label; upstream does so for the wrist, and draws from the picture's corner for others. Raises ValueError for
    another category, model type or shape.
    """
    check_choice("model_type", model_type, MODEL_TYPES)
    return draw(parse, keypoints, category, FORMS[model_type])


def draw(parse: np.ndarray, keypoints: np.ndarray, category: str, form: Form) -> np.ndarray:
    """`ootdiffusion_mask` with other values."""
    check_choice("category", category, tuple(Category))
    check_label_map("parse", parse)
    if keypoints.shape not in ((len(Coco18), 2), (len(Coco18), 3)):
        raise ValueError(f"keypoints of shape {keypoints.shape}; allowed is [18 2] (COCO-18)")
    parse, chosen = masks.resize(parse, HEIGHT, WIDTH), Category(category)
    lines = [] if chosen is Category.LOWER_BODY else [_line(keypoints[list(chain), :2]) for chain in _ARMS]
    mask = np.zeros_like(parse)
    points = [point for line in lines for point in line]
    box = reached(parse, points, form.arm_width, 5 * max(form.garment_square, _ARM_SQUARE))
    if box is not None:
        shifted = [[(x - box[0], y - box[1]) for x, y in line] for line in lines]
        region = _region(boxes.crop(parse, box), shifted, chosen, form)
        np.copyto(boxes.crop(mask, box), region)
    return _largest_piece(mask)


def _region(parse: np.ndarray, lines: list[list[Point]], category: Category, form: Form) -> np.ndarray:
    """uint8 [h w], not 0 where the part of the frame that may be repainted is; of each arm its line, or none."""
    target, protected = _TARGET[category], _PROTECTED[category]
    layers = masks.layers(parse, target, protected, _HEAD, (Atr.NECK,), (Atr.LEFT_ARM,), (Atr.RIGHT_ARM,))
    repainted = masks.dilate(layers & _TARGET_BIT, form.garment_square, 5)
    not_head, protected_bits = masks.where_unset(layers & _HEAD_BIT), _PROTECTED_BIT
    if lines:
        repainted |= masks.dilate(layers & _NECK_BIT, 5) & not_head
        repainted |= masks.dilate(_strokes(layers, lines, form.arm_width), _ARM_SQUARE, 4)
        protected_bits |= _HAND_BITS
    kept = layers & protected_bits
    if form.protected_square > 1:
        kept = masks.erode(kept, form.protected_square)
    return repainted & masks.where_unset(kept) & not_head


def _strokes(layers: np.ndarray, lines: list[list[Point]], width: int) -> np.ndarray:
    """uint8 [h w], not 0 where the arms are repainted; in `layers`, in place, their bits are left to the hands."""
    strokes = np.zeros_like(layers)
    for bit, line in zip(_ARM_BITS, lines, strict=True):
        if not line:
            strokes |= layers & bit
            layers &= np.uint8(255 - bit)
            continue
        stroke, box = arm(line, width, bit == _LEFT_ARM_BIT, layers.shape)
        boxes.crop(strokes, box)[:] |= stroke
        boxes.crop(layers, box)[:] &= ~(stroke & np.uint8(bit))
    return strokes


def _line(joints: np.ndarray) -> list[Point]:
    """Whole pixels of shoulder, elbow and beyond the wrist [3 2]; none where one of them is absent."""
    if (joints <= 1).all(axis=1).any():
        return []
    shoulder, elbow, wrist = joints
    return [(int(x), int(y)) for x, y in (shoulder, elbow, elbow + _BEYOND_WRIST * (wrist - elbow))]


def _largest_piece(repainted: np.ndarray) -> np.ndarray:
    """uint8 0/255: the piece whose outline encloses most, filled; the outline is cut short (Teh and Chin 1989).

    Takes away the pixels on the frame's edge, in place.
    """
    repainted[[0, -1]] = 0
    repainted[:, [0, -1]] = 0
    outlines, _ = cv2.findContours(repainted, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
    mask = np.zeros_like(repainted)
    if outlines:
        cv2.drawContours(mask, [max(outlines, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return mask


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    parse, joints = inputs.atr_with_neck(record, HEIGHT, WIDTH), inputs.coco18(record, HEIGHT, WIDTH)
    mask = ootdiffusion_mask(parse, joints, category, settings.model_type)
    return {"agnostic_mask": masks.resize(mask, *record["parse"].shape)}


RECIPE = Recipe(_draw, may_read=("parse_atr", "parse_lip"))
