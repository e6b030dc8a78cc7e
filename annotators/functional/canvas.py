"""Garments as try-on networks know them from VITON-HD: cut out, centred on grey 246, at 85 % of the frame's height.

Own garments fail on white 255 and work on 246 (sangyun884/HR-VITON#44).
"""

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.functional import geometry as shapes

GREY = 246  # VITON-HD's background as its JPEGs decode
HEIGHT_SHARE = 0.85  # of the frame; VITON-HD's garments take 80–90 %
WIDTH_SHARE = 0.9  # at most, which is what limits wide ones
NEARLY_GREY = 16  # levels from GREY: whites of all kinds
TONED_WITHIN = 48  # levels from the background's colour
RIFT = 9 / 1024  # of the photo's longer side: how wide a narrow one is
MOST_RIFTS = 0.006  # of the mask's area
MASKED_AT = 1024  # pixels of the longer side: what the mask's thresholds are made for


def reduce(photo: np.ndarray) -> np.ndarray:
    """A photo uint8 [h w 3] whose longer side is at most MASKED_AT."""
    height, width = photo.shape[:2]
    if max(height, width) <= MASKED_AT:
        return photo
    height, width = boxes.fit(height, width, MASKED_AT, MASKED_AT)
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)


def enlarge(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask uint8 [h w] 0/255 at another size, with smooth edges."""
    return shapes.mask(mask, shapes.fit(mask.shape[:2], (height, width), "stretch"))


def is_torn(mask: np.ndarray) -> bool:
    """True for a mask with narrow rifts, as white cloth on grey gives: cut out by it, the garment would have holes.

    Rifts take up to 0.4 % of a sound mask (28 garments of VITON-HD and Dress Code), 0.9 % of a torn one.
    """
    size = round(RIFT * max(mask.shape)) | 1
    padded = np.pad(mask, size)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    return masks.area(closed) > (1 + MOST_RIFTS) * masks.area(mask)


def geometry(mask: np.ndarray, size: tuple[int, int]) -> shapes.Geometry:
    """Where a garment of this mask [h w] lands on a canvas of `size` (height, width): in the middle, aspect kept.

    Raises ValueError for an empty mask.
    """
    box = boxes.of_mask(mask)
    if box is None:
        raise ValueError("an empty mask has no place on a canvas")
    (x0, y0, x1, y1), (height, width) = box, size
    scale = min(HEIGHT_SHARE * height / (y1 - y0), WIDTH_SHARE * width / (x1 - x0))
    left, top = (x0 + x1 - width / scale) / 2, (y0 + y1 - height / scale) / 2
    return shapes.Geometry(mask.shape[0], mask.shape[1], left, top, scale, scale, height, width)


def place(photo: np.ndarray, mask: np.ndarray, where: shapes.Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Photo uint8 [h w 3] and mask [h w] on the canvas: GREY outside the mask, inside it the garment's own colours.

    Only colours close to a white background move to GREY along with it: holes that the mask of white cloth on white
    has would show as stains otherwise. The mask's outermost pixels are mixed with GREY, so that the cut isn't jagged.
    """
    moved, placed = shapes.photo(photo, where, fill=GREY), shapes.mask(mask, where)
    canvas = np.full_like(moved, GREY)
    box = boxes.of_mask(placed)
    if box is not None:
        weight = boxes.crop(cv2.bitwise_and(cv2.blur(placed, (3, 3)), placed), box)
        pixels, background = boxes.crop(moved, box), _background(photo, mask)
        part = boxes.crop(canvas, box)
        cv2.copyTo(pixels, weight, part)
        changed = cv2.bitwise_and(cv2.bitwise_or(_like(pixels, background), cv2.inRange(weight, 1, 254)), weight) > 0
        garment = _toned(pixels[changed][None], background)[0]
        part[changed] = np.rint(GREY + (garment - GREY) * (weight[changed][:, None].astype(np.float32) / 255))
    return canvas, placed


def _background(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Median colour float [3] outside the mask; GREY where the mask leaves nothing."""
    step = max(1, max(mask.shape) // 256)
    outside = photo[::step, ::step][mask[::step, ::step] == 0]
    return np.median(outside, axis=0) if len(outside) else np.full(3, float(GREY))


def _like(pixels: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Mask uint8 [h w] of the colours uint8 [h w 3] that `_toned` may change."""
    return cv2.inRange(pixels, *(np.clip(background + side * TONED_WITHIN, 0, 255) for side in (-1, 1)))


def _toned(pixels: np.ndarray, background: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] → float32, a nearly grey background's colour moved to GREY, and colours like it moved in part."""
    shift = np.float32(GREY) - background.astype(np.float32)
    if np.abs(shift).max() > NEARLY_GREY or not shift.any():
        return pixels.astype(np.float32)
    levels = np.arange(256, dtype=np.float32)[:, None]
    distances = cv2.split(cv2.LUT(pixels, np.abs(levels - background.astype(np.float32))[None]))
    near = np.clip(1 - cv2.max(cv2.max(distances[0], distances[1]), distances[2]) / TONED_WITHIN, 0, 1)
    return np.clip(pixels + shift * near[..., None], 0, 255)


def edges(mask: np.ndarray) -> tuple[str, ...]:
    """The sides of the photo that its garment reaches: it may go on beyond them."""
    sides = {"top": mask[0], "bottom": mask[-1], "left": mask[:, 0], "right": mask[:, -1]}
    return tuple(name for name, pixels in sides.items() if pixels.any())
