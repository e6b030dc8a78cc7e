"""A photo that was set into a margin of one colour: white bars around a grey background."""

import cv2
import numpy as np

from annotators.functional.backdrop import background, flood

COMMON = 0.4  # of the frame's pixels at least have the margin's colour
FILLED = 0.9  # of each side of the inner photo differs from it; of a garment's bounding box, hardly a side does
CONTENT = 0.02  # of a row or column
BLUR = 3  # pixels that compression blurs the margin's edge
SMALLEST = 32  # pixels

Box = tuple[int, int, int, int]  # x0 y0 x1 y1


def inner(lab: np.ndarray) -> Box | None:
    """The box of the photo within the margin, by its colours [h w 3] in 8-bit Lab; None when there is no margin."""
    height, width = lab.shape[:2]
    colour, share = background.commonest(lab[flood.frame(height, width)])
    if share < COMMON:
        return None
    content = cv2.inRange(lab, colour, colour) == 0
    counts = (cv2.reduce(content.view(np.uint8), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (1, 0))
    rows, columns = (
        np.flatnonzero(count / length > CONTENT) for count, length in zip(counts, (width, height), strict=True)
    )
    if not len(rows) or not len(columns):
        return None
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if min(x1 - x0, y1 - y0) < SMALLEST or (x1 - x0, y1 - y0) == (width, height):
        return None
    part = content[y0 + BLUR : y1 - BLUR, x0 + BLUR : x1 - BLUR]
    if min(side.mean() for side in (part[0], part[-1], part[:, 0], part[:, -1])) < FILLED:
        return None
    return x0 + 2, y0 + 2, x1 - 2, y1 - 2
