"""Edges of a photo: how steep its colours are, and where that steepness is a thin ridge rather than a slope."""

import cv2
import numpy as np

SIGMA = 0.7  # pixels; sharper edges than that are aliasing
RIDGE_WIDTH = 9  # pixels; the edge of cloth is two to five wide, a shadow's slope is wider
RIDGE_SHARE = 0.5  # of the steepness stands out from what is around it
CREST_SHARE = 0.4  # of the steepest pixel near by: the foot of an edge isn't the edge
FAINTEST = 0.7  # Lab units a pixel: white cloth on white has one and more, an 8-bit shade's steps less
BLOCK_REACH = 17  # pixels: an edge disturbs the whole of its own JPEG block, 8 pixels to either side
COLOUR_REACH = 33  # pixels: blocks of colour at half its size are 16 wide
COLOUR_SHARE = 0.33  # of what is left within a block is left within a block of colour


def steepness(lab: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """float32 [h w]: length of the gradient of colours float32 [h w 3], in Lab units a pixel."""
    smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    return cv2.sqrt(length(across) ** 2 + length(down) ** 2)


def ridges(steep: np.ndarray, least: float, of_strongest: float) -> np.ndarray:
    """bool [h w]: the crests of edges at least that steep, and at least that share of the steepest within a block."""
    slope = cv2.morphologyEx(steep, cv2.MORPH_OPEN, np.ones((RIDGE_WIDTH, RIDGE_WIDTH), np.uint8))
    crest = steep >= CREST_SHARE * largest(steep, 5)
    near = largest(steep, BLOCK_REACH)
    far = largest(near, COLOUR_REACH - BLOCK_REACH + 1)
    strong = steep >= np.maximum(max(FAINTEST, least), of_strongest * np.maximum(near, COLOUR_SHARE * far))
    return np.asarray((steep - slope >= RIDGE_SHARE * steep) & crest & strong)


def largest(values: np.ndarray, size: int) -> np.ndarray:
    """The largest value in the square of `size` pixels around each pixel."""
    return cv2.dilate(values, np.ones((size, size), np.uint8))


def length(vectors: np.ndarray) -> np.ndarray:
    """float32 [h w]: Euclidean length of float32 [h w 3]."""
    return cv2.sqrt(cv2.transform(cv2.multiply(vectors, vectors), np.ones((1, 3), np.float32)))
