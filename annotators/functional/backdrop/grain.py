"""Grain of a background, paper's or a sensor's, taken off before edges are looked for."""

import cv2
import numpy as np

BORDER = 12  # pixels of frame that grain is measured on
DETAIL = 5  # pixels: what differs from the average of this square is grain, on a background
VISIBLE = 0.7  # Lab units: less disturbs no edge
REACH, SPREAD = 9, 4.0  # pixels of the filter
STEP = 4.0  # times the grain: a larger difference is an edge


def without(lab: np.ndarray) -> np.ndarray:
    """Colours float32 [h w 3] in Lab, with the grain that the frame shows smoothed away, and edges above it kept."""
    strength = _strength(np.ascontiguousarray(lab[..., 0]))
    return cv2.bilateralFilter(lab, REACH, STEP * strength, SPREAD) if strength > VISIBLE else lab


def _strength(light: np.ndarray) -> float:
    """Deviation of lightness float32 [h w] from its neighbourhood along the frame; a garment there counts little."""
    detail = np.abs(light - cv2.blur(light, (DETAIL, DETAIL)))
    edge = np.ones(light.shape, bool)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    return 1.4826 * float(np.median(detail[edge]))
