"""LaDI-VTON, Dress Code, IDM-VTON on Dress Code, and Leffa for Dress Code."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.plain_recipes import absent, labelled, mask

TARGETS = {"upper_body": (4,), "lower_body": (6, 12, 13), "dresses": (7, 12, 13)}
FIXED = {"upper_body": (5, 6), "lower_body": (4, 14, 15), "dresses": ()}


def ladi_vitonhd(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    height = parse.shape[0]
    stroke = _stroke(parse, joints, 90 * height // 512)
    fixed = labelled(parse, 1, 2, 18, 19, 9, 12)
    changeable = np.logical_or(parse == 0, np.logical_and(parse > 0, ~fixed))
    fixed = fixed | labelled(parse, 1, 2, 4, 13) | (labelled(parse, 14, 15) & ~stroke)
    target = _dilated(labelled(parse, 5, 6, 7) | stroke, 5)
    keep = np.logical_or(changeable & ~target, fixed)
    return mask(~keep)


def ladi_dresscode(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    return _dresscode(parse, joints, category, 45, 0, 5)


def dresscode(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    return _dresscode(parse, joints, category, 30, 10, 20)


def leffa_dresscode(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    drawn = _dresscode(parse, joints, category, 30, 5, 10, neck=(18,))
    reached = drawn.copy()
    cv2.floodFill(reached, None, (0, 0), 128)
    return drawn if drawn[0, 0] else mask(reached != 128)


def _dresscode(
    parse: np.ndarray, joints: np.ndarray, category: str, width: int, grow_stroke: int, grow: int, neck: tuple = ()
) -> np.ndarray:
    target, head = labelled(parse, *TARGETS[category]), labelled(parse, 1, 2, 3, 11, *neck)
    fixed = labelled(parse, 1, 2, 3, 9, 10, 16, 17) | labelled(parse, *FIXED[category])
    if category != "lower_body":
        stroke = _stroke(parse, joints, width)
        if grow_stroke:
            stroke = _dilated(stroke, grow_stroke)
        fixed |= labelled(parse, 14, 15) & ~stroke
        kept_head = _above_shoulders(head, joints)
        target |= stroke | (head & ~kept_head)
        head = kept_head
    return mask(_dilated(target, grow) & ~(fixed | head))


def _stroke(parse: np.ndarray, joints: np.ndarray, width: int) -> np.ndarray:
    """Along both arms, whichever of their joints there are."""
    image = Image.new("L", parse.shape[::-1])
    points = [tuple(joints[i, :2].astype(np.uint16).tolist()) for i in (7, 6, 5, 2, 3, 4) if not absent(joints[i])]
    ImageDraw.Draw(image).line(points, "white", width, "curve")
    return np.array(image) > 0


def _above_shoulders(head: np.ndarray, joints: np.ndarray) -> np.ndarray:
    height, width = head.shape
    x, y = joints[[5, 2], 0], joints[[5, 2], 1]
    slope, start = np.linalg.lstsq(np.vstack([x, np.ones(2)]).T, y, rcond=None)[0]
    kept = head.copy()
    for column in range(width):
        kept[max(int(column * slope + start - 20 * (height / 512)), 0) :, column] = False
    return kept


def _dilated(chosen: np.ndarray, side: int) -> np.ndarray:
    return cv2.dilate(chosen.astype(np.uint8), np.ones((side, side), np.uint8), iterations=5) > 0
