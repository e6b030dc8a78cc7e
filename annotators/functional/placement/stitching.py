"""A generated crop back into its scene."""

import cv2
import numpy as np

from annotators.functional.placement import outlines
from annotators.functional.placement.collage import Placement

FEATHER = 1 / 16  # of the box's longer side: how far inside its edge a result is mixed with the scene


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


def blend(result: np.ndarray, scene: np.ndarray, placement: Placement, region: np.ndarray | None = None) -> np.ndarray:
    """As `stitch_box`, but mixed with the scene towards the edge of the box, or of a `region` in it.

    `region` is a mask [h w] of the scene, non-zero = set. Where the scene itself ends, nothing is mixed.
    """
    x0, y0, x1, y1 = placement.box
    inside = np.zeros(scene.shape[:2], np.uint8)
    inside[y0:y1, x0:x1] = 1 if region is None else np.asarray(region[y0:y1, x0:x1] != 0, np.uint8)
    if inside.all():
        return stitch(result, scene, placement, 0)
    reach = max(1.0, FEATHER * max(x1 - x0, y1 - y0))
    share = np.minimum(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / np.float32(reach), 1)
    new = stitch(result, scene, placement, 0).astype(np.float32)
    mixed = np.rint(scene + (new - scene) * share[..., None]).astype(np.uint8)
    return np.where(share[..., None] > 0, mixed, scene)
