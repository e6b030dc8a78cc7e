"""Skeleton pictures in OpenPose's styles: BODY_25 as VITON-HD's `openpose_img`, COCO-18 as pytorch-openpose draws it.

Pictures are uint8 [h w 3] RGB on black; keypoints are [n 3] x px, y px, score 0–1. A joint at (0, 0) or with a score
of at most 0.05 is not drawn.
"""

from collections.abc import Sequence

import cv2
import numpy as np

ALPHA = 0.6
MIN_SCORE = 0.05

BODY_25_BONES = (
    (1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11), (8, 12), (12, 13),
    (13, 14), (1, 0), (0, 15), (15, 17), (0, 16), (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
)  # fmt: skip
BODY_25_COLOURS = np.array([
    (255, 0, 85), (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (255, 0, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (255, 0, 170),
    (170, 0, 255), (255, 0, 255), (85, 0, 255), (0, 0, 255), (0, 0, 255), (0, 0, 255), (0, 255, 255), (0, 255, 255),
    (0, 255, 255),
])  # fmt: skip

HAND_BONES = tuple((0 if k == 0 else 4 * finger + k, 4 * finger + k + 1) for finger in range(5) for k in range(4))
_FINGER_COLOURS = np.array([(255, 0, 0), (255, 255, 0), (0, 255, 127), (0, 127, 255), (255, 0, 255)])
_ALONG_FINGER = np.array([100, 150, 200, 255]) / 255  # from the wrist outwards; 60, 90, 120, 153 once blended
HAND_COLOURS = np.concatenate([
    [(100, 100, 100)], (_FINGER_COLOURS[:, None] * _ALONG_FINGER[:, None]).reshape(-1, 3).round(),
])  # fmt: skip
_HAND_THICKNESS = 0.4  # of the body's; OpenPose scales it with each hand's box

COCO_18_BONES = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COCO_18_COLOURS = np.array([
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
])  # fmt: skip
COCO_18_VARIANTS = ("dimmed", "blended")
_COCO_18_HEIGHT = 512  # of the drawing in which bones and joints have a half-width of 4 pixels
_COCO_18_RADIUS = 4


def body25(keypoints: np.ndarray, height: int, width: int, hands: np.ndarray | None = None) -> np.ndarray:
    """BODY_25 [25 3] (hands [42 3], left then right) in OpenPose's rendering, uint8 [height width 3].

    Bones, then joints, each laid over with 0.6 of its colour; a bone has the colour of its second joint. So a bone
    shows 153 = 0.6 · 255, and 214 where a disc covers it. The body part gave IoU 0.98 with VITON-HD's own files.
    """
    canvas = np.zeros((height, width, 3), np.float32)
    _openpose(canvas, keypoints, BODY_25_BONES, BODY_25_COLOURS, 1.0)
    for hand in () if hands is None else np.split(np.asarray(hands), 2):
        _openpose(canvas, hand, HAND_BONES, HAND_COLOURS, _HAND_THICKNESS)
    return cv2.convertScaleAbs(canvas)  # rounds half to even, as NumPy does


def coco18(keypoints: np.ndarray, height: int, width: int, variant: str = "dimmed") -> np.ndarray:
    """COCO-18 [18 3] in pytorch-openpose's drawing, uint8 [height width 3].

    `variant`: "blended" (the original: joints, then each bone laid over with 0.6) or "dimmed" (ControlNet, DWPose,
    OOTDiffusion: bones at full brightness, the picture times 0.6, then joints). Half-widths are 4 pixels at height
    512, in proportion otherwise. Raises ValueError for another variant.
    """
    if variant not in COCO_18_VARIANTS:
        raise ValueError(f"variant {variant!r}; allowed are {', '.join(COCO_18_VARIANTS)}")
    radius = max(1, round(_COCO_18_RADIUS * height / _COCO_18_HEIGHT))
    seen = _drawable(keypoints)
    canvas: np.ndarray = np.zeros((height, width, 3), np.uint8)
    if variant == "blended":
        _discs(canvas, keypoints, seen, radius)
    for bone, colour in zip(COCO_18_BONES, COCO_18_COLOURS, strict=False):
        if seen[list(bone)].all():
            drawn = canvas.copy() if variant == "blended" else canvas
            cv2.fillConvexPoly(drawn, _bone_polygon(keypoints[list(bone), :2], radius), colour.tolist())
            if variant == "blended":
                canvas = cv2.addWeighted(canvas, 1 - ALPHA, drawn, ALPHA, 0)
    if variant == "dimmed":
        canvas = (canvas * ALPHA).astype(np.uint8)
        _discs(canvas, keypoints, seen, radius)
    return canvas


def _drawable(keypoints: np.ndarray) -> np.ndarray:
    """bool [n]; points [n 2] without scores count when they are not at (0, 0)."""
    seen: np.ndarray = np.any(keypoints[:, :2], axis=1)
    return seen & (keypoints[:, 2] > MIN_SCORE) if keypoints.shape[1] > 2 else seen


def _discs(canvas: np.ndarray, keypoints: np.ndarray, seen: np.ndarray, radius: int) -> None:
    for joint in np.flatnonzero(seen):
        x, y = keypoints[joint, :2]
        cv2.circle(canvas, (int(x), int(y)), radius, COCO_18_COLOURS[joint].tolist(), thickness=-1)


def _bone_polygon(ends: np.ndarray, half_width: int) -> np.ndarray:
    """Outline [n 2] of the ellipse along a bone ([2 2]), at whole pixels and degrees as the original's."""
    (x0, y0), (x1, y1) = ends.astype(np.float64)
    angle = np.degrees(np.arctan2(y0 - y1, x0 - x1))
    middle, axes = (int((x0 + x1) / 2), int((y0 + y1) / 2)), (int(np.hypot(x0 - x1, y0 - y1) / 2), half_width)
    return np.asarray(cv2.ellipse2Poly(middle, axes, int(angle), 0, 360, 1))


def _openpose(
    canvas: np.ndarray, keypoints: np.ndarray, bones: Sequence[tuple[int, int]], colours: np.ndarray, thickness: float
) -> None:
    """Bones, then joints, onto a float canvas [h w 3] 0–255, in place."""
    height, width = canvas.shape[:2]
    radius, half_width = thickness * min(height, width) / 100, thickness * min(height, width) / 120
    seen = _drawable(keypoints)
    points = keypoints[:, :2].astype(np.float64)
    for start, end in bones:
        if seen[start] and seen[end]:
            along = points[end] - points[start]
            length = np.hypot(*along)
            direction = along / length if length else np.array([1.0, 0.0])
            middle = (points[start] + points[end]) / 2
            _blend_ellipse(canvas, middle, direction, (length / 2, half_width), colours[end])
    for joint in np.flatnonzero(seen):
        _blend_ellipse(canvas, points[joint], np.array([1.0, 0.0]), (radius, radius), colours[joint])


def _blend_ellipse(
    canvas: np.ndarray, center: np.ndarray, direction: np.ndarray, axes: tuple[float, float], colour: np.ndarray
) -> None:
    """Lays 0.6 of the colour over the pixels inside an ellipse; `direction` (unit, x y) is the first axis."""
    if min(axes) <= 0:
        return
    height, width = canvas.shape[:2]
    reach = np.hypot(axes[0] * direction, axes[1] * direction[::-1]) + 1  # half of the ellipse's own box, and a pixel
    x0, y0 = np.clip(np.floor(center - reach), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(center + reach) + 1, 0, (width, height)).astype(int)
    dx = np.arange(x0, x1) - center[0]
    dy = np.arange(y0, y1)[:, None] - center[1]
    first = (dx * direction[0] + dy * direction[1]) / axes[0]
    second = (dy * direction[0] - dx * direction[1]) / axes[1]
    part = canvas[y0:y1, x0:x1]
    inside = first**2 + second**2 <= 1
    part[inside] = ALPHA * colour + (1 - ALPHA) * part[inside]
