"""A garment's high-frequency map: its own colours where it has edges, black elsewhere (AnyDoor, arXiv 2307.09481)."""

import cv2
import numpy as np

from annotators.functional import masks

SIDE = 256  # the map is computed at this size, whatever the picture's
THRESHOLD = 50  # weaker edges are dropped


def high_frequency_map(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] RGB at the input's size, of a picture [h w 3] RGB and its object's mask [h w], non-zero = set.

    The released code's arithmetic (ali-vilab/AnyDoor, to the bit), not the paper's signed formula: half the absolute
    Sobel gradients, strongest channel, thresholded, times the picture. The mask is eroded first, so that the object's
    outline is no edge. AnyDoor's detail extractor takes the map of the object cropped to a square of 224; its network
    input is computed so, and this map of a whole photo is for looking and statistics. Raises ValueError when the sizes
    differ.
    """
    return of_coverage(image, (mask > 0).astype(np.float32))


def of_coverage(image: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """As `high_frequency_map`, of a mask with a soft rim: float [h w], 0 to 1, set above a half once it is resized."""
    if coverage.shape != image.shape[:2]:
        raise ValueError(f"mask of {coverage.shape} for a picture of {image.shape[:2]}")
    height, width = coverage.shape
    small = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE))
    inside = cv2.resize(coverage, (SIDE, SIDE)) > 0.5
    inside = masks.erode(inside.astype(np.uint8), 5, iterations=2)
    edges = _edges(small) * inside
    edges[edges < THRESHOLD] = 0
    detail = (edges.astype(np.float32) / 255)[..., None] * small
    return cv2.resize(detail.astype(np.uint8), (width, height))


def _edges(image: np.ndarray) -> np.ndarray:
    """uint8 [h w]: mean of the absolute horizontal and vertical Sobel gradients, of the channel where it is largest."""
    across = cv2.convertScaleAbs(cv2.Sobel(image, cv2.CV_16S, 1, 0, ksize=3))
    down = cv2.convertScaleAbs(cv2.Sobel(image, cv2.CV_16S, 0, 1, ksize=3))
    red, green, blue = cv2.split(cv2.addWeighted(across, 0.5, down, 0.5, 0))
    return cv2.max(cv2.max(red, green), blue)
