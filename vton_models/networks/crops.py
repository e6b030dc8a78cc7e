"""The part of a user's photo that a network sees: as large as the original demos' crop, and where the mask is."""

import math

import cv2
import numpy as np

from annotators.functional import boxes
from annotators.functional.boxes import Box
from vton_models.networks import pictures
from vton_models.networks.pictures import Size
from vton_models.system import IN_VIEW, Record

_AROUND = 0.5  # of the region's longer side: where a person is looked for who isn't known
_RIM = 1 / 32  # of a region larger than the crop: what is seen around it


def of_record(record: Record, size: Size) -> Box:
    """Where a crop of the aspect of `size` lies in the person's photo, x0 y0 x1 y1; outside the photo it is padded.

    The whole of `in_view`, else of `agnostic_mask`, lies inside, and as much of `person_mask` as fits. Each may be
    absent; without any it is the middle.
    """
    height, width = record["person_image"].shape[:2]
    region = record.get(IN_VIEW) if record.get(IN_VIEW) is not None else record.get("agnostic_mask")
    person = record.get("person_mask")
    return around((height, width), size, *(None if mask is None else boxes.of_mask(mask) for mask in (region, person)))


def around(photo: Size, size: Size, region: Box | None, person: Box | None = None) -> Box:
    """The largest crop of the aspect of `size` in a photo, moved from the middle only as far as it must be.

    It holds the whole `region`, growing beyond the photo where it has to, and as much of the `person` as fits.
    """
    x0, y0, x1, y1 = pictures.centre(photo, size)
    if region is None:
        return x0, y0, x1, y1
    wish = person or boxes.grow(region, round(_AROUND * max(region[2] - region[0], region[3] - region[1])))
    wish = boxes.clip(boxes.union(region, wish), *photo)
    height, width = _large_enough(photo, size, (y1 - y0, x1 - x0), region)
    left = _place(width, photo[1], (wish[0], wish[2]), (region[0], region[2]))
    top = _place(height, photo[0], (wish[1], wish[3]), (region[1], region[3]))
    return left, top, left + width, top + height


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """The box's part of a photo [h w 3] or mask [h w]: beyond the border the photo's goes on, and nothing is set."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = boxes.clip(box, height, width)
    inside = np.ascontiguousarray(image[y0:y1, x0:x1])
    around = y0 - box[1], box[3] - y1, x0 - box[0], box[2] - x1
    if not any(around):
        return inside
    return cv2.copyMakeBorder(inside, *around, cv2.BORDER_CONSTANT if image.ndim == 2 else cv2.BORDER_REPLICATE)


def _large_enough(photo: Size, size: Size, crop: Size, region: Box) -> Size:
    """The crop's height and width, grown with their aspect where the region is larger than they are."""
    needed = region[3] - region[1], region[2] - region[0]
    if needed[0] <= crop[0] and needed[1] <= crop[1]:
        return crop
    seen = [min(side + 2 * math.ceil(_RIM * side), length) for side, length in zip(needed, photo, strict=True)]
    scale = max(side / wanted for side, wanted in zip(seen, size, strict=True))
    return max(seen[0], math.ceil(size[0] * scale)), max(seen[1], math.ceil(size[1] * scale))


def _place(side: int, length: int, wish: tuple[int, int], must: tuple[int, int]) -> int:
    """Where a crop's side begins along one axis: `must` lies inside for certain, `wish` as far as there is room."""
    start = (length - side) // 2
    if side >= length:
        return start
    fits = wish[1] - wish[0] <= side
    start = min(max(start, wish[1] - side), wish[0]) if fits else (wish[0] + wish[1] - side) // 2
    start = min(max(start, must[1] - side), must[0])
    return min(max(start, 0), length - side)
