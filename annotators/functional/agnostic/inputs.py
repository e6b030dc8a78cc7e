"""What a recipe takes, from what a record has: label maps of other vocabularies, joints on the recipe's frame.

Where a record has no `parse_lip` or `parse_atr`, they are derived from `parse` (CIHP): LIP is CIHP without the neck,
ATR loses gloves and socks and calls the neck face, as ATR's parsers do, or 18, as OOTDiffusion's does.
"""

import numpy as np
from PIL import Image

from annotators.functional import densepose, masks, parsing
from annotators.functional.agnostic.recipe import Record
from schemas import labels
from schemas.labels import Atr, Category

_FILTER = 5  # window that clears the rims which JPEG leaves around parts, at 768 × 1024
_SKIRT_AS_PANTS = np.arange(max(Atr) + 1, dtype=np.uint8)
_SKIRT_AS_PANTS[Atr.SKIRT] = Atr.PANTS
_CIHP_TO_ATR = np.where(labels.CIHP_TO_ATR == Atr.NECK, np.uint8(Atr.FACE), labels.CIHP_TO_ATR)
_FARTHEST = 8  # joints may lie outside the photo, but not by this many of its sides


def cihp(record: Record, height: int, width: int) -> np.ndarray:
    """uint8 [height width] CIHP ids, resized nearest."""
    return masks.resize(record["parse"], height, width)


def lip(record: Record) -> np.ndarray:
    """uint8 [h w] LIP ids at the photo's size."""
    shipped = record.get("parse_lip")
    return shipped if shipped is not None else masks.relabel(record["parse"], labels.CIHP_TO_LIP)


def atr(record: Record) -> np.ndarray:
    """uint8 [h w] ATR ids at the photo's size; face means the head with its neck."""
    shipped = record.get("parse_atr")
    return shipped if shipped is not None else masks.relabel(record["parse"], _CIHP_TO_ATR)


def atr_with_neck(record: Record, height: int, width: int) -> np.ndarray:
    """uint8 [height width] ATR ids and 18 = neck, as OOTDiffusion's parser gives them; resized nearest."""
    shipped = record.get("parse_atr")
    if shipped is None:
        return masks.relabel(masks.resize(record["parse"], height, width), labels.CIHP_TO_ATR)
    filled = parsing.fill_small_holes(masks.resize(shipped, height, width))
    return parsing.mark_neck(filled, masks.resize(lip(record), height, width))


def dresscode(record: Record, height: int, width: int, category: str) -> np.ndarray:
    """uint8 [height width] ids as in Dress Code's label maps, resized nearest, for its loaders.

    In lower_body a skirt is called pants: the loaders know no other garment there and would leave it in sight.
    """
    label_map = masks.resize(atr(record), height, width)
    return masks.relabel(label_map, _SKIRT_AS_PANTS) if category == Category.LOWER_BODY else label_map


def body25(record: Record, height: int, width: int, column: str = "keypoints") -> np.ndarray:
    """float64 [n 2]: the joints of a column, in pixels of a frame that the photo is stretched to; absent at (0, 0).

    Raises ValueError for a joint that is no number or lies far outside the photo.
    """
    photo_height, photo_width = record["parse"].shape
    points = np.array(record[column][:, :2], np.float64)
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST * max(photo_height, photo_width):
        raise ValueError("a joint is not a number or lies far outside the photo")
    return points * (width / photo_width, height / photo_height)


def coco18(record: Record, height: int, width: int) -> np.ndarray:
    """float64 [18 2]: as `body25`, in COCO-18's order."""
    return labels.body25_to_coco18(body25(record, height, width))


def densepose_parts(record: Record) -> np.ndarray:
    """uint8 [h w]: channel I of `densepose`, else the picture's parts without JPEG's rims."""
    maps = record.get("densepose")
    if maps is not None:
        return np.ascontiguousarray(maps[..., 0])
    return densepose.decode(record["densepose_image"], _FILTER)


def smoothly(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [height width] 0/255: a mask resized by Pillow's bicubic filter, set where at least half is."""
    if mask.shape == (height, width):
        return mask.copy()
    soft = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
    return masks.as_mask(soft >= 128)
