"""Edges of a photo: how steep its colours are, and where that steepness is a thin ridge rather than a slope."""

from collections.abc import Iterator

import cv2
import numpy as np

SIGMA = 0.7  # pixels; sharper edges than that are aliasing
RIDGE_WIDTH = 9  # pixels; the edge of cloth is two to five wide, a shadow's slope is wider
RIDGE_SHARE = 0.5  # of the steepness stands out from what is around it
CREST_SHARE = 0.4  # of the steepest pixel near by: the foot of an edge isn't the edge
FAINTEST = 0.7  # Lab units a pixel: white cloth on white has one and more, an 8-bit shade's steps less
BLOCK_REACH = 17  # pixels: an edge disturbs the whole of its own JPEG block, 8 pixels to either side
COLOUR_REACH = 33  # pixels: blocks of colour at half its size are 16 wide
STRIP = 1 << 15  # pixels that are worked on at once
COLOUR_SHARE = 0.33  # of what is left within a block is left within a block of colour


def steepness(lab: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """float32 [h w]: length of the gradient of colours float32 [h w 3], in Lab units a pixel."""
    height, width = lab.shape[:2]
    beside = round(4 * sigma) + 2  # rows that the blur and the gradient see above and below
    steep = np.empty((height, width), np.float32)
    for top, bottom in _strips(height, width):
        start = max(0, top - beside)
        smooth = cv2.GaussianBlur(lab[start : bottom + beside], (0, 0), sigma)
        across = length(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)[top - start : bottom - start])
        down = length(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)[top - start : bottom - start])
        cv2.sqrt(cv2.add(cv2.multiply(across, across), cv2.multiply(down, down)), steep[top:bottom])
    return steep


def ridges(steep: np.ndarray, least: float, of_strongest: float) -> np.ndarray:
    """bool [h w]: the crests of edges at least that steep, and at least that share of the steepest within a block."""
    crest = largest(steep, 5)
    crest *= CREST_SHARE
    strongest = largest(steep, BLOCK_REACH)
    far = largest(strongest, COLOUR_REACH - BLOCK_REACH + 1)
    far *= COLOUR_SHARE
    np.maximum(strongest, far, out=strongest)
    strongest *= of_strongest
    lowest = np.maximum(np.maximum(strongest, max(FAINTEST, least), out=strongest), crest, out=crest)
    slope = cv2.morphologyEx(steep, cv2.MORPH_OPEN, np.ones((RIDGE_WIDTH, RIDGE_WIDTH), np.uint8))
    above = np.subtract(steep, slope, out=slope)
    return np.asarray((steep >= lowest) & (above >= np.multiply(steep, RIDGE_SHARE, out=far)))


def largest(values: np.ndarray, size: int) -> np.ndarray:
    """The largest value in the square of `size` pixels around each pixel."""
    return cv2.dilate(values, np.ones((size, size), np.uint8))


def length(vectors: np.ndarray) -> np.ndarray:
    """float32 [h w]: Euclidean length of float32 [h w 3]."""
    height, width = vectors.shape[:2]
    lengths = np.empty((height, width), np.float32)
    for top, bottom in _strips(height, width):
        part = vectors[top:bottom]
        squares = cv2.transform(cv2.multiply(part, part), np.ones((1, 3), np.float32))
        cv2.sqrt(squares, lengths[top:bottom])
    return lengths


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Rows from and to, strip by strip: what lies between is kept in the processor's cache."""
    rows = max(1, STRIP // max(1, width))
    return ((top, min(top + rows, height)) for top in range(0, height, rows))
