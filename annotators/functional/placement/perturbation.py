"""A mask that a person would draw by hand, made from an exact one: AnyDoor's shape control is trained on these."""

import cv2
import numpy as np

from annotators.functional.placement.draws import Draws

OVERLAPS = (0.3, 0.99)  # between which the intersection over union to be reached is drawn
ROUNDS, STEPS = 250, 4


def perturb(mask: np.ndarray, draws: Draws) -> np.ndarray:
    """Mask uint8 [h w] 0/255: the mask [h w] (non-zero = set) and more, at random; its largest part alone.

    Random rectangles are dilated or eroded, now and then after one pixel was set or unset, until the drawn overlap
    with the original is passed. At most two pixels of height or width: as it is.
    """
    lowest = draws.uniform(*OVERLAPS)
    exact = np.asarray(mask != 0, np.uint8)
    drawn = exact.copy()
    if min(mask.shape) <= 2:
        return exact * np.uint8(255)
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            _change_a_rectangle(drawn, draws)
            drawn = np.asarray((drawn != 0) | (exact != 0), np.uint8)
        if (np.count_nonzero(exact) + 1e-6) / (np.count_nonzero(drawn) + 1e-6) < lowest:
            break
    return _largest(drawn)


def _change_a_rectangle(drawn: np.ndarray, draws: Draws) -> None:
    height, width = drawn.shape
    x0, y0 = draws.integers(0, width), draws.integers(0, height)
    x1, y1 = draws.integers(x0 + 1, width + 1), draws.integers(y0 + 1, height + 1)
    if draws.random() < 0.1:
        drawn[(y0 + y1) // 2, (x0 + x1) // 2] = 255 * draws.integers(0, 2)
    change = cv2.dilate if draws.random() < 0.5 else cv2.erode
    drawn[y0:y1, x0:x1] = change(drawn[y0:y1, x0:x1], _element(draws))


def _element(draws: Draws) -> np.ndarray:
    size = draws.integers(3, 10)
    half = size // 2
    shape, extent = {
        1: (cv2.MORPH_RECT, (size, size)),
        2: (cv2.MORPH_ELLIPSE, (size, size)),
        3: (cv2.MORPH_ELLIPSE, (size, half)),
        4: (cv2.MORPH_ELLIPSE, (half, size)),
    }[draws.integers(1, 5)]
    return cv2.getStructuringElement(shape, extent)


def _largest(mask: np.ndarray) -> np.ndarray:
    _, ids, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.where(ids == 1 + int(areas.argmax()), np.uint8(255), np.uint8(0)) if areas.size else mask * np.uint8(0)
