"""A generated crop back into its scene."""

import cv2
import numpy as np

from annotators.functional.placement import outlines
from annotators.functional.placement.collage import Placement


def stitch(result: np.ndarray, scene: np.ndarray, placement: Placement, margin: int) -> np.ndarray:
    """uint8 [h w 3]: the scene with the crop's inside replaced, but for a rim of `margin` pixels.

    `result` is uint8 or float [s s 3], 0 to 255, of the padded crop at the network's size. Its first row is dropped
    before it is resized, as upstream does.
    """
    x0, y0, x1, y1 = placement.crop
    height, width = y1 - y0, x1 - x0
    side = max(height, width)
    squared = cv2.resize(np.clip(result[1:], 0, 255), (side, side))
    (above, _), (left, _) = outlines.margins(height, width)
    rim = slice(margin, height - margin), slice(margin, width - margin)
    stitched = scene.copy()
    stitched[y0:y1, x0:x1][rim] = squared[above : above + height, left : left + width][rim].astype(np.uint8)
    return stitched


def stitch_box(result: np.ndarray, scene: np.ndarray, placement: Placement, margin: int) -> np.ndarray:
    """As `stitch`, but only the box's pixels are taken: the scene around it stays as it is."""
    x0, y0, x1, y1 = placement.box
    stitched = scene.copy()
    stitched[y0:y1, x0:x1] = stitch(result, scene, placement, margin)[y0:y1, x0:x1]
    return stitched
