"""A garment's outline, moved to where colours are half way between inside and outside. Regions are bool [h w]."""

import math

import cv2
import numpy as np

from annotators.functional import boxes
from annotators.functional.backdrop import gradients
from annotators.functional.backdrop.background import Background

BAND = 3  # pixels on either side in which the outline moves: a blurred edge, or a fringe that was left
WINDOW = 11  # pixels: how locally inside and outside are averaged
CONTRAST = 8  # Lab units between them below which half way is noise
SPECK = 9  # pixels: leftovers of JPEG blocks are narrower
FAINT = 4.0  # Lab units on average: and no darker; straps and threads are
NEAR, BESIDE = 1.0, 3.2  # pixels from the outline: between them lies what is compared across it
STRETCH = 9  # pixels of the outline over which that is averaged
SEEN = 2.0  # Lab units across the outline: less is a slope of light, or grain


def halfway(lab: np.ndarray, garment: np.ndarray) -> np.ndarray:
    """The garment, cut half way between the colours float32 [h w 3] inside of its outline and those outside."""
    box = _around(garment.view(np.uint8), BAND + WINDOW // 2 + 1)
    moved = garment.copy()
    if box is not None:
        boxes.crop(moved, box)[:] = _halfway(boxes.crop(lab, box), boxes.crop(garment, box))
    return moved


def _around(mask: np.ndarray, margin: int) -> boxes.Box | None:
    """The part of the frame in which windows of pixels near a mask lie; None for an empty one."""
    box = boxes.of_mask(mask)
    return box if box is None else boxes.clip(boxes.grow(box, margin), *mask.shape)


def _halfway(lab: np.ndarray, garment: np.ndarray) -> np.ndarray:
    kernel = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    inside = cv2.erode(garment.view(np.uint8), kernel).view(bool)  # the frame's edge is no outline
    outside = cv2.dilate(garment.view(np.uint8), kernel) == 0
    band = ~(inside | outside)
    inner, outer = _average(lab, inside, band), _average(lab, outside, band)
    across = inner - outer
    contrast = gradients.length(across)
    along = cv2.transform(cv2.multiply(lab[band][None] - outer, across), np.ones((1, 3), np.float32))
    known = np.isfinite(contrast) & (contrast > CONTRAST)
    moved = garment.copy()
    moved[band] = np.where(known, along > contrast * contrast / 2, garment[band][None])[0]
    return moved


def without_specks(garment: np.ndarray, background: Background) -> np.ndarray:
    """The garment without lone pixels, and without narrow parts that hardly differ from the background."""
    region = cv2.morphologyEx(garment.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SPECK, SPECK))
    wide = cv2.morphologyEx(region, cv2.MORPH_OPEN, disc).view(bool)
    return np.asarray(region.view(bool) & (wide | (background.average >= FAINT)))


def unseen(lab: np.ndarray, mask: np.ndarray) -> float:
    """Share of a mask's outline where the colours float32 [h w 3] on its two sides are alike; 1 without an outline.

    mask: uint8 [h w] 0/255. The frame's edge is no outline.
    """
    box = _around(mask, math.ceil(BESIDE) + STRETCH // 2 + 1)
    if box is None:
        return 1.0
    lab, mask = boxes.crop(lab, box), boxes.crop(mask, box)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth, away = (cv2.distanceTransform(one, cv2.DIST_L2, 5)[1:-1, 1:-1] for one in (padded, 255 - padded))
    rim = (depth > 0) & (depth <= NEAR)
    sides = [_average(lab, (far > NEAR) & (far <= BESIDE), rim, STRETCH) for far in (depth, away)]
    across = gradients.length(sides[0] - sides[1])
    across = across[np.isfinite(across)]
    return float(np.mean(across < SEEN)) if across.size else 1.0


def _average(lab: np.ndarray, region: np.ndarray, where: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """float32 [1 n 3]: mean colour of the region's pixels in the window around each pixel of bool [h w] `where`.

    NaN where it has none.
    """
    share = cv2.blur(region.astype(np.float32), (window, window))[where]
    total = cv2.blur(cv2.copyTo(lab, region.view(np.uint8)), (window, window))[where]
    share[share < 1e-4] = np.nan
    return np.asarray(total / share[:, None], np.float32)[None]
