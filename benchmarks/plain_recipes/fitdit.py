"""FitDiT's rectangle for upper garments, without joints of hands and face."""

import cv2
import numpy as np

from benchmarks.plain_recipes import labelled, mask


def upper(parse: np.ndarray, joints: np.ndarray) -> np.ndarray:
    found = [joints[i, :2] if joints[i, :2].any() else None for i in range(18)]
    left = min(found[i][0] for i in (2, 3, 4) if found[i] is not None)
    right = max(found[i][0] for i in (5, 6, 7) if found[i] is not None)
    top = min(found[i][1] for i in (2, 5) if found[i] is not None)
    bottom = max(found[i][1] for i in (8, 11) if found[i] is not None)
    garment = mask(labelled(parse, 4, 7))
    lowest = -1
    for contour in cv2.findContours(garment, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        if cv2.contourArea(contour) >= 100:
            x, y, width, height = cv2.boundingRect(contour)
            left, top, right = min(left, x), min(top, y), max(right, x + width)
            lowest = max(lowest, y + height)
    pad = 0 if bottom > lowest else 10
    box = (left - 25, top - 20, right + 25, max(bottom, lowest) + pad)
    x0, y0, x1, y1 = (max(int(value), 0) for value in box)
    drawn = np.zeros(parse.shape, bool)
    drawn[y0:y1, x0:x1] = True
    return mask(drawn & ~labelled(parse, 1, 3, 11))
