"""A result put back into its photo: nothing changes outside the mask, and inside it begins softly."""

import cv2
import numpy as np

from annotators.functional import boxes
from vton_models.networks import pictures

FEATHER = 1 / 128  # of the visible part's longer side: how far inside the mask the result is mixed with the photo


def into_photo(photo: np.ndarray, mask: np.ndarray, result: np.ndarray, box: boxes.Box) -> np.ndarray:
    """`photo` uint8 [h w 3] with `result`, of any size, drawn over its `box` where `mask` [h w] is set.

    The box may reach beyond the photo. Pixels outside the mask or the box stay as they are, bit for bit.
    """
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = inside = boxes.clip(box, height, width)
    share = feathered(mask, inside)[y0:y1, x0:x1, None]
    whole = pictures.stretch(result, (box[3] - box[1], box[2] - box[0]))
    shown = boxes.crop(whole, boxes.shift(inside, -box[0], -box[1]))
    under = photo[y0:y1, x0:x1]
    pasted = photo.copy()
    mixed = np.rint(under + (shown.astype(np.float32) - under) * share).astype(np.uint8)
    pasted[y0:y1, x0:x1] = np.where(share > 0, mixed, under)
    return pasted


def feathered(mask: np.ndarray, box: boxes.Box) -> np.ndarray:
    """float32 [h w]: 0 outside mask and box, rising to 1 inside with the distance from their edge.

    The photo's own border is no edge: what is repainted up to it is repainted fully.
    """
    x0, y0, x1, y1 = box
    visible = np.zeros_like(mask)
    visible[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    if visible.all():  # no edge to measure from
        return np.ones(mask.shape, np.float32)
    reach = max(1.0, FEATHER * max(y1 - y0, x1 - x0))
    distance = cv2.distanceTransform(visible, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(distance / np.float32(reach), np.float32(1))
