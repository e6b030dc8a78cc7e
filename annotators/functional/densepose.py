"""DensePose part maps as pictures and back: pure arrays.

`parts` is uint8 [h w], 0 background, 1-24 the parts of `schemas.labels.DensePose`. The picture is detectron2's
`dp_segm` visualisation at alpha 1 on black, as in VITON-HD's `image-densepose`: OpenCV's PARULA at 255 * I // 24.
"""

import cv2
import numpy as np

from schemas.labels import DENSEPOSE_COLOURS, check_ids

_PLANES = np.zeros((3, 256), np.uint8)  # of the palette: red, green, blue of each id
_PLANES[:, : len(DENSEPOSE_COLOURS)] = DENSEPOSE_COLOURS.T


def render(parts: np.ndarray) -> np.ndarray:
    """Picture uint8 [h w 3] RGB of a part map [h w]. Raises ValueError for ids above 24."""
    check_ids(parts, "densepose")
    if not parts.size:
        return np.zeros((*parts.shape, 3), np.uint8)
    # Three tables over bytes take a tenth of the time of indexing the palette by pixel.
    picture: np.ndarray = cv2.merge([cv2.LUT(parts, plane) for plane in _PLANES])
    return picture


def decode(picture: np.ndarray, filter_size: int = 0) -> np.ndarray:
    """Part map uint8 [h w] of a picture uint8 [h w 3] RGB, also after JPEG: the nearest colour for each pixel.

    Nearest by the sum of absolute differences, the lower id where two are equally near. filter_size 3 or 5 (odd)
    removes the thin false rims that JPEG leaves at borders, see `mode_filter`.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture is {picture.dtype} {list(picture.shape)}; expected uint8 [h w 3]")
    packed = picture.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    seen = np.zeros(1 << 24, bool)  # a photo-sized picture has some thousand colours: each is looked up once
    seen[packed] = True
    colours = np.flatnonzero(seen)
    table = np.empty(1 << 24, np.uint8)
    table[colours] = _nearest(np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1))
    parts = table[packed]
    return mode_filter(parts, filter_size) if filter_size else parts


def _nearest(colours: np.ndarray) -> np.ndarray:
    """int [n 3] -> uint8 [n]: the nearest entry of the palette."""
    distance = np.abs(colours[:, None].astype(np.int16) - DENSEPOSE_COLOURS.astype(np.int16)).sum(axis=2)
    nearest: np.ndarray = distance.argmin(axis=1).astype(np.uint8)
    return nearest


def mode_filter(parts: np.ndarray, size: int) -> np.ndarray:
    """Each pixel becomes the most frequent id of the size x size window around it; a tie keeps its own, if it is
    among the most frequent, else the lowest. Beyond the frame the edge pixels continue.

    Raises ValueError for a size that is even or below 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"filter size {size}; it must be odd and positive")
    best = np.full(parts.shape, -1, np.int16)
    result = parts.copy()
    for part in np.unique(parts):
        own = (parts == part).astype(np.uint8)
        count = cv2.boxFilter(own, cv2.CV_16S, (size, size), normalize=False, borderType=cv2.BORDER_REPLICATE)
        votes = 2 * count + own  # the pixel's own id wins a tie
        wins = votes > best
        best[wins] = votes[wins]
        result[wins] = part
    return result


def paste(window: np.ndarray, x: int, y: int, height: int, width: int) -> np.ndarray:
    """The window [h w] or [h w c] at column x and row y of a canvas [height width] of zeros, cut at its edges."""
    canvas = np.zeros((height, width, *window.shape[2:]), window.dtype)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + window.shape[1], width), min(y + window.shape[0], height)
    if left < right and top < bottom:
        canvas[top:bottom, left:right] = window[top - y : bottom - y, left - x : right - x]
    return canvas


def shrink(image: np.ndarray, longest: int = 1024) -> np.ndarray:
    """uint8 [h w 3] with its longest side at most `longest`, sides truncated, bilinear: what CatVTON's masker shows
    the network (model/DensePose)."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    return cv2.resize(image, (max(int(width * scale), 1), max(int(height * scale), 1)))


def enlarge(parts: np.ndarray, height: int, width: int) -> np.ndarray:
    """Part map [h w] at another size, each pixel from the nearest (Pillow's NEAREST), as CatVTON's masker does."""
    return cv2.resize(parts, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
