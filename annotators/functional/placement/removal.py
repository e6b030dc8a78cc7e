"""A scene without an object that leaves its place."""

import cv2
import numpy as np

from annotators.functional import masks

RIM = 1 / 64  # of the picture's longer side: how far around an object its place is filled, as masks are never exact
RADIUS = 5  # pixels around a missing one that tell its colour


def without(scene: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [h w 3]: the scene with its surroundings grown over a mask [h w] (non-zero = set) and a rim around it.

    Telea's method (2004), which suits plain surroundings; whatever is behind the object isn't known.
    """
    reach = 2 * round(RIM * max(mask.shape)) + 1
    gone = masks.dilate(masks.where_set(mask), reach)
    return cv2.inpaint(np.ascontiguousarray(scene), gone, RADIUS, cv2.INPAINT_TELEA)
