"""Colours of an object against those around it."""

import cv2
import numpy as np

BINS = 12  # of each channel
LARGEST = 4.0  # of the odds' logarithm


def histogram(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """float [BINS³] of the colours uint8 [h w 3] under a mask, spread over neighbouring cells, its sum 1."""
    counts = np.bincount(_cells(picture)[mask > 0], minlength=BINS**3).reshape(BINS, BINS, BINS).astype(np.float64)
    for axis in range(3):
        counts = (np.roll(counts, 1, axis) + 2 * counts + np.roll(counts, -1, axis)) / 4
    return counts.ravel() / max(1.0, counts.sum())


def odds(picture: np.ndarray, own: np.ndarray, around: np.ndarray) -> np.ndarray:
    """float32 [h w]: log of how much likelier each pixel's colour is in the histogram `own` than under `around`."""
    behind = histogram(picture, around) if around.any() else np.full(BINS**3, BINS**-3.0)
    ratio = np.log((own + 1e-5) / (behind + 1e-5)).clip(-LARGEST, LARGEST).astype(np.float32)
    return cv2.GaussianBlur(ratio[_cells(picture)], (3, 3), 0)


def _cells(picture: np.ndarray) -> np.ndarray:
    """int [h w]: the histogram's cell of each colour."""
    return (picture.astype(np.int32) * BINS // 256) @ np.array([BINS * BINS, BINS, 1], np.int32)
