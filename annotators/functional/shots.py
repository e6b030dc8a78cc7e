"""Where a clip is cut from one camera to another."""

import cv2
import numpy as np

THUMBNAIL = (64, 36)  # width, height
PARTS = (3, 4)  # rows and columns of the picture whose colours are compared
BINS = 4  # of each colour channel
CUT = 0.5  # mean distance (0–1) of the parts' colours from which two frames belong to different shots


def colours(picture: np.ndarray) -> np.ndarray:
    """float32 [parts, bins³]: the colour histogram of each part of uint8 [h w 3], its sum 1."""
    small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.int32) * BINS // 256
    cells = small @ np.array([BINS * BINS, BINS, 1], np.int32)
    rows, columns = PARTS
    parts = [part for band in np.array_split(cells, rows) for part in np.array_split(band, columns, axis=1)]
    counts = np.stack([np.bincount(part.ravel(), minlength=BINS**3) / part.size for part in parts])
    return counts.astype(np.float32)


def distance(before: np.ndarray, after: np.ndarray) -> float:
    """Share (0–1) of the pixels whose colours the other frame lacks in the same part; of two results of `colours`."""
    return 1 - float(np.minimum(before, after).sum(axis=1).mean())


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two neighbouring frames, as `colours` describes them, belong to different shots."""
    return distance(before, after) > CUT
