"""Boxes around objects, as AnyDoor takes them: outline, expansion, square crop (upstream: datasets/data_utils.py)."""

import cv2
import numpy as np

from annotators.functional.boxes import Box
from annotators.functional.placement.draws import Draws

FEWEST = 10  # set pixels; an outline of fewer is the whole picture

BOX_RATIOS = (11, 12)  # tenths, the second left out: always 1.1
CROP_RATIOS = (13, 30)  # of training and the demo


def of_mask(mask: np.ndarray) -> Box:
    """First to last set column and row of a mask [h w], the last ones left out; of fewer than FEWEST pixels: all."""
    height, width = mask.shape
    if np.count_nonzero(mask) < FEWEST:
        return 0, 0, width, height
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def ratio(bounds: tuple[int, int], draws: Draws) -> float:
    """A ratio of tenths between the bounds, the upper one left out."""
    return draws.integers(*bounds) / 10


def expand(box: Box, by: float, height: int, width: int) -> Box:
    """`by` times the box with its last row and column, around its centre, cut off at the picture's edges."""
    x0, y0, x1, y1 = box
    half_width, half_height = by * (x1 - x0 + 1) / 2, by * (y1 - y0 + 1) / 2
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    return (
        max(0, int(centre_x - half_width)),
        max(0, int(centre_y - half_height)),
        min(width, int(centre_x + half_width)),
        min(height, int(centre_y + half_height)),
    )


def square(box: Box, height: int, width: int) -> Box:
    """The shorter side as long as the longer one, about the centre rounded down, cut off at the picture's edges.

    Not square to the pixel where the longer side is odd, and not at all where the picture ends.
    """
    x0, y0, x1, y1 = box
    half = max(x1 - x0, y1 - y0) // 2
    if y1 - y0 >= x1 - x0:
        centre = (x0 + x1) // 2
        x0, x1 = centre - half, centre + half
    else:
        centre = (y0 + y1) // 2
        y0, y1 = centre - half, centre + half
    return max(0, x0), max(0, y0), min(width, x1), min(height, y1)


def inside(box: Box, crop: Box) -> Box:
    """The box in the crop's own coordinates; the pixel by which a box can exceed an odd crop is cut off."""
    x0, y0, x1, y1 = crop
    left, top = max(box[0], x0), max(box[1], y0)
    return left - x0, top - y0, min(box[2], x1) - x0, min(box[3], y1) - y0


def margins(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """((above, below), (left, right)): what makes a picture square; the odd pixel comes below or right."""
    missing = abs(height - width)
    pad = (missing // 2, missing - missing // 2)
    return (pad, (0, 0)) if height < width else ((0, 0), pad)


def pad_to_square(picture: np.ndarray, value: int) -> np.ndarray:
    """A picture [h w] or [h w c] in the middle of a square of `value`; a square one as it is."""
    (above, below), (left, right) = margins(*picture.shape[:2])
    return np.pad(picture, ((above, below), (left, right), (0, 0))[: picture.ndim], constant_values=value)


def largest_share(mask: np.ndarray) -> float:
    """Area that the largest outer contour encloses, as a share of all contours' (0–1); 0 below FEWEST pixels."""
    if np.count_nonzero(mask) < FEWEST:
        return 0.0
    contours, _ = cv2.findContours(np.asarray(mask != 0, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    return max(areas) / sum(areas) if sum(areas) else 0.0
