"""Masks: uint8 [h w], 0 or 255, 255 = set. Arrays in, new arrays out; inputs are never modified."""

import cv2
import numpy as np


def as_mask(values: np.ndarray) -> np.ndarray:
    """bool or number [h w], non-zero = set, as uint8 0/255."""
    if values.ndim != 2:
        raise ValueError(f"mask of shape {values.shape}; allowed is [h w]")
    return np.where(values, np.uint8(255), np.uint8(0))


def where_set(values: np.ndarray) -> np.ndarray:
    """Mask of what isn't 0 in uint8 [h w]; faster than `as_mask`."""
    return cv2.threshold(values, 0, 255, cv2.THRESH_BINARY)[1]


def where_unset(values: np.ndarray) -> np.ndarray:
    """Mask of what is 0 in uint8 [h w]."""
    return cv2.threshold(values, 0, 255, cv2.THRESH_BINARY_INV)[1]


def of_labels(label_map: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """Set where the label map uint8 [h w] holds one of `ids`."""
    return cv2.LUT(np.ascontiguousarray(label_map), lookup(ids))


def lookup(ids: tuple[int, ...], value: int = 255) -> np.ndarray:
    """Table uint8 [256]: `value` at `ids`, 0 elsewhere."""
    table = np.zeros(256, np.uint8)
    table[list(ids)] = value
    return table


def layers(label_map: np.ndarray, *groups: tuple[int, ...]) -> np.ndarray:
    """uint8 [h w]: bit i is set where the label map holds one of the ids of group i; at most 8 groups."""
    table = np.zeros(256, np.uint8)
    for bit, ids in enumerate(groups):
        table[list(ids)] |= np.uint8(1 << bit)
    return cv2.LUT(np.ascontiguousarray(label_map), table)


def relabel(label_map: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Label map uint8 [h w] through a table uint8 [n]. Raises ValueError for ids of n and more."""
    if label_map.size and int(label_map.max()) >= len(table):
        raise ValueError(f"label id {int(label_map.max())}; allowed are 0 to {len(table) - 1}")
    return cv2.LUT(np.ascontiguousarray(label_map), np.pad(table, (0, 256 - len(table))))


def area(mask: np.ndarray) -> int:
    """Number of set pixels."""
    return cv2.countNonZero(mask)


def share(mask: np.ndarray) -> float:
    """Set pixels as a share of the frame, 0–1."""
    return area(mask) / mask.size


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks [h w]; 1.0 when both are empty."""
    union = np.count_nonzero((a > 0) | (b > 0))
    return np.count_nonzero((a > 0) & (b > 0)) / union if union else 1.0


def dilate(mask: np.ndarray, size: int, iterations: int = 1) -> np.ndarray:
    """Grown by `iterations` times a square of `size` × `size` pixels; outside the frame counts as unset."""
    return cv2.dilate(mask, np.ones((size, size), np.uint8), iterations=iterations)


def dilate_far(mask: np.ndarray, size: int, iterations: int = 1) -> np.ndarray:
    """As `dilate` (a mask, 0/255), faster from some 64 pixels on: eight pixels to a byte."""
    reach, before = (size - 1) * iterations + 1, size // 2 * iterations
    return cv2.transpose(_spread_down(cv2.transpose(_spread_down(mask, reach, before)), reach, before))


def _spread_down(mask: np.ndarray, reach: int, before: int) -> np.ndarray:
    """Each pixel set where one of `reach` rows is, from `before` rows above on; the window doubles step by step."""
    height, width = mask.shape
    packed = np.packbits(mask, axis=1)
    rows = np.zeros((height + reach - 1, packed.shape[1]), np.uint8)
    rows[before : before + height] = packed
    done = 1
    while done < reach:
        step = min(done, reach - done)
        rows = rows[:-step] | rows[step:]
        done += step
    return np.unpackbits(rows, axis=1, count=width) * np.uint8(255)


def erode(mask: np.ndarray, size: int, iterations: int = 1) -> np.ndarray:
    """Shrunk by `iterations` times a square of `size` × `size` pixels; the frame's edge doesn't eat into it."""
    return cv2.erode(mask, np.ones((size, size), np.uint8), iterations=iterations)


def hull(mask: np.ndarray) -> np.ndarray:
    """Filled convex hull of all set pixels."""
    filled = np.zeros_like(mask)
    points = cv2.findNonZero(mask)
    if points is not None:
        cv2.fillConvexPoly(filled, cv2.convexHull(points), 255)
    return filled


def keep_components(mask: np.ndarray, smallest_share: float = 1.0) -> np.ndarray:
    """The 8-connected components of at least `smallest_share` of the largest one's area; 1.0 keeps the largest."""
    count, ids = cv2.connectedComponents(mask, connectivity=8)
    if count <= 2:
        return mask.copy()
    areas = np.bincount(ids.ravel(), minlength=count)
    areas[0] = 0  # the unset pixels
    kept = (areas >= smallest_share * areas.max()) & (areas > 0)
    return mask.copy() if kept[1:].all() else _select(ids, kept)


def fill_holes(mask: np.ndarray, largest: float = float("inf")) -> np.ndarray:
    """The mask with its holes of at most `largest` pixels set."""
    ids, areas, enclosed = holes(mask)
    return cv2.bitwise_or(mask, _select(ids, enclosed & (areas <= largest)))


def holes(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unset regions (4-connected): their ids int32 [h w], and by id the area and whether the mask encloses it.

    What touches the frame's edge is not enclosed; id 0 is the mask itself.
    """
    count, ids = cv2.connectedComponents((mask == 0).view(np.uint8), connectivity=4)
    enclosed = np.ones(count, bool)
    enclosed[0] = False
    for side in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
        enclosed[side] = False
    return ids, np.bincount(ids.ravel(), minlength=count), enclosed


def resize(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest neighbour, pixel centres aligned (Pillow's NEAREST); also for label maps."""
    if mask.shape == (height, width):
        return mask.copy()
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def _select(ids: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mask of the components whose id is chosen."""
    return np.take(np.where(chosen, np.uint8(255), np.uint8(0)), ids)
