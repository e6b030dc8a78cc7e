"""The joints that VITON-HD's and HR-VITON's recipes draw from, with what is missing put in its place."""

import numpy as np

from annotators.functional import boxes
from schemas.labels import Body25

FRAME_WIDTH, FRAME_HEIGHT = 768, 1024  # the recipes' pixels
_FARTHEST = 8  # joints may lie outside the photo, but not by this many of its sides


def on_canvas(parse: np.ndarray, keypoints: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Height and width of the recipe's canvas, and the joints float64 [25 2] on it."""
    if parse.ndim != 2 or parse.dtype != np.uint8:
        raise ValueError(f"parse is {parse.dtype} {parse.shape}; allowed is uint8 [h w]")
    if keypoints.ndim != 2 or keypoints.shape[0] != len(Body25) or keypoints.shape[1] < 2:
        raise ValueError(f"keypoints of shape {keypoints.shape}; allowed is [25 3] (BODY_25)")
    points = np.array(keypoints[:, :2], np.float64)
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST * max(parse.shape):
        raise ValueError("a joint is not a number or lies far outside the photo")
    photo_height, photo_width = parse.shape
    height, width = boxes.fit(photo_height, photo_width, FRAME_HEIGHT, FRAME_WIDTH)
    if (height, width) != parse.shape:
        points *= (width / photo_width, height / photo_height)
    return height, width, points


def complete(points: np.ndarray) -> np.ndarray:
    """New joints: shoulders, neck and hips all present, the hips spread to the shoulders' distance.

    Raises ValueError when both shoulders are absent or lie on one point.
    """
    joints = points.copy()
    neck, right, left = Body25.NECK, Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER
    present = (joints != 0).any(axis=1)
    if not (present[right] or present[left]):
        raise ValueError("both shoulders are missing")
    if not (present[right] and present[left]):
        if not present[neck]:
            raise ValueError("one shoulder and the neck are missing")
        missing, other = (left, right) if present[right] else (right, left)
        joints[missing] = 2 * joints[neck] - joints[other]
    if not present[neck]:
        joints[neck] = (joints[right] + joints[left]) / 2
    span = float(np.linalg.norm(joints[left] - joints[right]))
    if span < 1:
        raise ValueError("the shoulders lie on one point")
    _spread_hips(joints, present, span)
    return joints


def _spread_hips(joints: np.ndarray, present: np.ndarray, span: float) -> None:
    """Hips, in place, `span` apart about their middle; where one is missing, in parallel to the shoulders."""
    right, left = Body25.RIGHT_HIP, Body25.LEFT_HIP
    distance = np.linalg.norm(joints[left] - joints[right])
    if present[right] and present[left] and distance > 0:
        middle = (joints[right] + joints[left]) / 2
        joints[right] = middle + (joints[right] - middle) / distance * span
        joints[left] = middle + (joints[left] - middle) / distance * span
        return
    middle = _hip_middle(joints, present, span)
    half = (joints[Body25.LEFT_SHOULDER] - joints[Body25.RIGHT_SHOULDER]) / 2
    joints[right], joints[left] = middle - half, middle + half


def _hip_middle(joints: np.ndarray, present: np.ndarray, span: float) -> np.ndarray:
    """The mid-hip; else under the neck, at the height of the one hip that is there or 1.5 shoulder widths down."""
    if present[Body25.MID_HIP]:
        return np.array(joints[Body25.MID_HIP])
    neck_x, neck_y = joints[Body25.NECK]
    for hip in (Body25.RIGHT_HIP, Body25.LEFT_HIP):
        if present[hip]:
            return np.array([neck_x, joints[hip][1]])
    return np.array([neck_x, neck_y + 1.5 * span])


def radius(joints: np.ndarray) -> int:
    """Half the stroke's unit, from the distance of the shoulders (HR-VITON)."""
    return int(np.linalg.norm(joints[Body25.LEFT_SHOULDER] - joints[Body25.RIGHT_SHOULDER]) / 16) + 1
