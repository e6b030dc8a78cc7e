"""Objects to follow in a clip that nobody annotated: what moves against the camera's own motion; and those told."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from annotators.functional import boxes, masks

SIDE = 320  # motion is looked for at this longer side
AREAS = (0.01, 0.64)  # of the picture, that an object may cover
LEAST_MOTION = 1.0  # pixels at that size, beyond the camera's
GRID = 8  # pixels between the points that tell the camera's motion
ROUNDS = 3  # of GrabCut
NEAR = 0.02  # of the longer side: what lies so near a point is what the point is on
ALIKE = 14.0  # difference in Lab from what a point is on, below which a neighbour may be the same object


def moving_objects(pictures: Sequence[np.ndarray], most: int = 3) -> list[np.ndarray]:
    """Masks uint8 [h w] 0/255 in the first of some neighbouring pictures uint8 [h w 3] RGB, the largest object first.

    The optical flow from the first picture to each other one, less the camera's (an affine map that most points agree
    on), is summed up; what moves more than its surroundings is an object, and GrabCut fits the outline.
    """
    height, width = pictures[0].shape[:2]
    small = [_small(picture) for picture in pictures]
    motion = np.mean([_own_motion(small[0], other) for other in small[1:]], axis=0)
    candidates = _regions(motion)
    fitted = [_fit(small[0], region) for region in candidates[: 2 * most]]
    kept = [mask for mask in fitted if AREAS[0] <= masks.share(mask) <= AREAS[1]]
    return [_enlarged(mask, height, width) for mask in _apart(kept)[:most]]


def moving_first(pictures: Sequence[np.ndarray], found: Sequence[np.ndarray], most: int = 3) -> list[np.ndarray]:
    """Of masks in the first picture those that may be objects: what moves most first, then the largest.

    Backgrounds, which reach three sides of the picture, aren't objects, nor are parts of a larger mask.
    """
    small = [_small(picture) for picture in pictures]
    motion = np.mean([_own_motion(small[0], other) for other in small[1:]] or [np.zeros(small[0].shape[:2])], axis=0)
    limit = max(LEAST_MOTION, 3 * float(np.median(motion)))
    kept = [mask for mask in found if AREAS[0] <= masks.share(mask) <= AREAS[1] and _sides(mask) < 3]

    def order(mask: np.ndarray) -> float:
        moved = float(motion[masks.resize(mask, *motion.shape) > 0].mean())
        return -moved if moved > limit else 0.0

    return sorted(_apart(kept), key=order)[:most]


def _sides(mask: np.ndarray) -> int:
    """How many sides of the picture a mask reaches."""
    return sum(bool(edge.any()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _small(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _own_motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """float32 [h w]: pixels by which each point moves otherwise than the camera makes it move."""
    calculate: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc
    flow = calculate(*(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, after)), None)
    height, width = flow.shape[:2]
    rows, columns = (axis.ravel() for axis in np.mgrid[GRID // 2 : height : GRID, GRID // 2 : width : GRID])
    starts = np.stack([columns, rows], 1).astype(np.float32)
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffine2D(starts, starts + flow[rows, columns], method=cv2.LMEDS)
    if matrix is None:
        return np.zeros((height, width), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    camera = np.stack([matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] for axis in (0, 1)], 2)
    return np.linalg.norm(flow + np.stack([x, y], 2) - camera, axis=2).astype(np.float32)


def _regions(motion: np.ndarray) -> list[np.ndarray]:
    """Masks of what moves, largest first."""
    limit = max(LEAST_MOTION, 3 * float(np.median(motion)))
    moving = masks.as_mask(cv2.GaussianBlur(motion, (0, 0), 2) > limit)
    moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, ids, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    order = sorted(range(1, len(stats)), key=lambda number: (-int(stats[number, cv2.CC_STAT_AREA]), number))
    return [masks.as_mask(ids == number) for number in order if stats[number, cv2.CC_STAT_AREA] >= 50]


def _fit(picture: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The region with its outline where the colours change."""
    reach = max(3, round(0.15 * masks.area(region) ** 0.5))
    hints = np.full(region.shape, cv2.GC_BGD, np.uint8)
    hints[masks.dilate(region, 2 * reach + 1) > 0] = cv2.GC_PR_BGD
    hints[region > 0] = cv2.GC_PR_FGD
    hints[masks.erode(region, 2 * (reach // 2) + 1) > 0] = cv2.GC_FGD
    if not (hints == cv2.GC_BGD).any() or not (hints == cv2.GC_FGD).any():
        return region
    cv2.setRNGSeed(0)  # GrabCut begins with k-means at random
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, hints, (0, 0, 1, 1), back, front, ROUNDS, cv2.GC_INIT_WITH_MASK)
    fitted = masks.as_mask(np.isin(hints, (cv2.GC_FGD, cv2.GC_PR_FGD)))
    return masks.fill_holes(masks.keep_components(fitted)) if fitted.any() else fitted


def _apart(objects: list[np.ndarray]) -> list[np.ndarray]:
    """Masks that aren't mostly inside a larger one, largest first."""
    kept: list[np.ndarray] = []
    for mask in sorted(objects, key=masks.area, reverse=True):
        if all(np.count_nonzero((mask > 0) & (other > 0)) < 0.5 * masks.area(mask) for other in kept):
            kept.append(mask)
    return kept


def _enlarged(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    return masks.as_mask(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) >= 128)


def in_box(picture: np.ndarray, box: boxes.Box) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of the object that a box (x0, y0, x1, y1) of uint8 [h w 3] RGB frames, by GrabCut."""
    height, width = picture.shape[:2]
    small = _small(picture)
    scale = small.shape[0] / height
    x0, y0, x1, y1 = (round(side * scale) for side in box)
    x0, y0, x1, y1 = boxes.clip((x0, y0, x1, y1), *small.shape[:2])
    labels = np.zeros(small.shape[:2], np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(0)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, labels, (x0, y0, x1 - x0, y1 - y0), back, front, ROUNDS + 2, cv2.GC_INIT_WITH_RECT)
    return _enlarged(masks.as_mask(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))), height, width)


def at_points(picture: np.ndarray, points: Sequence[tuple[float, float, bool]]) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of the object in uint8 [h w 3] RGB that points (x, y, on it) tell, by GrabCut."""
    height, width = picture.shape[:2]
    small = _small(picture)
    scale = small.shape[0] / height
    reach = max(2, round(NEAR * max(small.shape)))
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 1), cv2.COLOR_RGB2LAB).astype(np.float32)
    hints = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    discs = [(_disc(hints.shape, x * scale, y * scale, reach), on) for x, y, on in points]
    for disc, on in discs:
        if on and disc.any():
            near = np.linalg.norm(lab - np.median(lab[disc], axis=0), axis=2) < ALIKE
            _, ids = cv2.connectedComponents(masks.as_mask(near | disc), connectivity=4)
            hints[np.isin(ids, np.unique(ids[disc]))] = cv2.GC_PR_FGD
    for disc, on in discs:
        hints[disc] = cv2.GC_FGD if on else cv2.GC_BGD
    if not (hints == cv2.GC_FGD).any() or not np.isin(hints, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(0)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    seeds = hints == cv2.GC_FGD
    cv2.grabCut(small, hints, (0, 0, 1, 1), back, front, ROUNDS + 2, cv2.GC_INIT_WITH_MASK)
    _, ids = cv2.connectedComponents(masks.as_mask(np.isin(hints, (cv2.GC_FGD, cv2.GC_PR_FGD))), connectivity=8)
    return _enlarged(masks.as_mask(np.isin(ids, np.unique(ids[seeds]))), height, width)


def _disc(shape: tuple[int, ...], x: float, y: float, radius: int) -> np.ndarray:
    """bool [h w]"""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(columns - x, rows - y) <= radius)
