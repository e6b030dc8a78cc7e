"""Outlines as COCO lists them, [x0, y0, x1, y1, …] in pixels: a pixel is set where its centre lies inside."""

from collections.abc import Sequence

import numpy as np

from annotators.functional import masks


def mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """uint8 [h w] 0/255: what any of the polygons encloses. Raises ValueError for what is no polygon."""
    inside = np.zeros((height, width), bool)
    for polygon in polygons:
        inside |= _inside(_points(polygon), height, width)
    return masks.as_mask(inside)


def _points(polygon: Sequence[float]) -> np.ndarray:
    numbers = np.asarray(polygon, np.float64)
    if numbers.ndim != 1 or numbers.size < 6 or numbers.size % 2 or not np.isfinite(numbers).all():
        raise ValueError("an outline that isn't x, y of three points or more")
    return numbers.reshape(-1, 2)


def _inside(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """bool [h w], by the rule of even and odd: each edge turns all pixel centres below it."""
    turns = np.zeros((height + 1, width), np.int32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if x0 > x1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        first, last = (int(np.clip(np.ceil(x - 0.5), 0, width)) for x in (x0, x1))
        if first >= last:
            continue  # it passes no column's centre
        columns = np.arange(first, last)
        crossings = y0 + (columns + 0.5 - x0) * (y1 - y0) / (x1 - x0)
        rows = np.clip(np.ceil(crossings - 0.5), 0, height).astype(int)
        turns[rows, columns] += 1
    return np.asarray(np.cumsum(turns, axis=0)[:height] % 2 == 1)
