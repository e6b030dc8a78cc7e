"""An object in two pictures, as a record of either kind tells it: where it is taken from, and where it goes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.functional import boxes, garment_mask
from annotators.functional.boxes import Box
from annotators.functional.placement import outlines
from schemas.kinds.object_pair import STILL
from vton_models.system import Record

PLACE, SHAPE = "place", "shape"  # of users' tasks: the very box x0 y0 x1 y1, and the mask that tells the shape


@dataclass(frozen=True, eq=False)
class Pair:
    """Pictures uint8 [h w 3] and masks [h w] (non-zero = set), all there; `box` is where the object goes."""

    reference: np.ndarray
    reference_mask: np.ndarray
    scene: np.ndarray
    scene_mask: np.ndarray
    box: Box
    dynamics: str
    is_tryon: bool


def of_record(record: Record) -> Pair:
    """A still's target is its reference, a try-on record's the person in the garment. Raises ValueError.

    The box is the user's own, else AnyDoor's: 1.1 times the outline of the target's mask, or of its box.
    """
    is_tryon = record.get("dynamics") is None
    reference, reference_mask = record.get("reference_image"), record.get("reference_mask")
    scene, mask = record.get("target_image"), record.get("target_mask")
    if is_tryon and mask is None and record.get("parse") is not None:
        mask = garment_mask.worn(record["parse"], record.get("category"))
    if scene is None and record.get("dynamics") == STILL:
        scene, mask = reference, reference_mask
    place = record.get(PLACE) if record.get(PLACE) is not None else record.get("target_box")
    if mask is None and scene is not None and place is not None:
        mask = filled(place, scene.shape[:2])
    if reference is None or reference_mask is None or scene is None or mask is None:
        raise ValueError("a picture, or the mask of the object in it, is absent")
    check("reference", reference, reference_mask)
    check("target", scene, mask)
    if record.get(PLACE) is not None:
        box: Box = record[PLACE]
    else:
        box = outlines.expand(outlines.of_mask(mask), outlines.BOX_RATIOS[0] / 10, *mask.shape)
    dynamics = "high_quality" if is_tryon else record["dynamics"]
    return Pair(reference, reference_mask, scene, mask, box, dynamics, is_tryon)


def check(name: str, picture: np.ndarray, mask: np.ndarray) -> None:
    """Raises ValueError for a mask of another size than its picture, and for an empty one."""
    (height, width), (mask_height, mask_width) = picture.shape[:2], mask.shape
    if (height, width) != (mask_height, mask_width):
        raise ValueError(f"{name}_mask is {mask_height}x{mask_width}, its picture {height}x{width}")
    if not mask.any():
        raise ValueError(f"{name}_mask sets no pixel")


def filled(box: Any, size: tuple[int, int]) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of a box x0 y0 x1 y1."""
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    mask = np.zeros(size, np.uint8)
    boxes.crop(mask, boxes.clip((x0, y0, x1, y1), *size))[:] = 255
    return mask
