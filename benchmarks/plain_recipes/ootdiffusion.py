"""OOTDiffusion, both forms, and Leffa for VITON-HD."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.plain_recipes import absent, labelled, mask

TARGETS = {"upper_body": (4, 7), "lower_body": (5, 6, 12, 13), "dresses": (4, 5, 6, 7)}
FIXED = {"upper_body": (5, 6), "lower_body": (4, 14, 15), "dresses": ()}


def ootdiffusion(
    parse: np.ndarray, joints: np.ndarray, category: str, width: int = 60, grow: int = 5, shrink: bool = False
) -> np.ndarray:
    head = labelled(parse, 1, 3, 11)
    fixed = labelled(parse, 1, 3, 9, 10, 16) | labelled(parse, *FIXED[category])
    target = _dilated(labelled(parse, *TARGETS[category]), grow, 5)
    if category != "lower_body":
        strokes = np.zeros(parse.shape, bool)
        for label, chain in ((14, (5, 6, 7)), (15, (2, 3, 4))):
            skin = parse == label
            stroke = skin if absent(joints[chain[2]]) else _stroke(joints, chain, width, reverse=label == 14)
            fixed |= skin & ~stroke
            strokes |= stroke
        target |= (_dilated(parse == 18, 5, 1) & ~head) | _dilated(strokes, 5, 4)
    if shrink:
        fixed = cv2.erode(fixed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return _refined(mask(target & ~(fixed | head)))


def dc(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    return ootdiffusion(parse, joints, category, width=45)


def leffa(parse: np.ndarray, joints: np.ndarray, category: str) -> np.ndarray:
    return ootdiffusion(parse, joints, category, grow=10, shrink=True)


def _stroke(joints: np.ndarray, chain: tuple[int, int, int], width: int, reverse: bool) -> np.ndarray:
    image = Image.new("L", (384, 512))
    draw = ImageDraw.Draw(image)
    shoulder, elbow, wrist = (joints[i, :2] for i in chain)
    wrist = elbow + 1.2 * (wrist - elbow)
    points = [tuple(point.astype(np.int64).tolist()) for point in (shoulder, elbow, wrist)]
    draw.line(points[::-1] if reverse else points, "white", width, "curve")
    (x, y), r = points[0], width // 2
    draw.arc((x - r, y - r, x + r, y + r), 0, 360, "white", r)
    return np.array(image) > 0


def _refined(drawn: np.ndarray) -> np.ndarray:
    """Border off, holes filled, the contour of the largest area."""
    drawn[0] = drawn[-1] = 0
    drawn[:, 0] = drawn[:, -1] = 0
    reached = drawn.copy()
    cv2.floodFill(reached, None, (0, 0), 128)
    drawn[reached == 0] = 255
    contours, _ = cv2.findContours(drawn, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
    refined = np.zeros_like(drawn)
    if contours:
        areas = [abs(cv2.contourArea(contour, True)) for contour in contours]
        cv2.drawContours(refined, contours, int(np.argmax(areas)), 255, -1)
    return refined


def _dilated(chosen: np.ndarray, side: int, times: int) -> np.ndarray:
    return cv2.dilate(chosen.astype(np.uint8), np.ones((side, side), np.uint8), iterations=times) > 0
