"""Objects to follow in a clip that nobody annotated: what moves against the camera's own motion; and those told."""

from collections.abc import Sequence

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.tracking import colours, motion

SIDE = 320  # motion is looked for at this longer side
AREAS = (0.01, 0.64)  # of the picture, that an object may cover
LEAST_MOTION = 1.0  # pixels at that size, beyond the camera's
LEAST_CHANGE = 14.0  # of a channel, of 255, between what differs
FOREIGN = 1.5  # log of the odds above which a colour is the object's and not that of what is around it
LARGEST_CUT = 0.2  # of an outline may lie where it was looked for no further
ROUNDS = 3  # of GrabCut
NEAR = 0.02  # of the longer side: what lies so near a point is what the point is on
ALIKE = 14.0  # difference in Lab from what a point is on, below which a neighbour may be the same object


def moving_objects(pictures: Sequence[np.ndarray], most: int = 3, at: int = 0) -> list[np.ndarray]:
    """Masks uint8 [h w] 0/255 in one (`at`) of some neighbouring pictures uint8 [h w 3] RGB, the largest object first.

    The optical flow from that picture to each other one, less the camera's (an affine map that most points agree on),
    is summed up; what moves more than its surroundings is an object. Flow spreads over bare surroundings: the outline
    is fitted by GrabCut to what differs from before and from after, and to colours that aren't those around it.
    """
    height, width = pictures[at].shape[:2]
    small = [_small(picture) for picture in pictures]
    moves, changed = _own_motion(small, at)
    found = [_fit(small[at], region, changed) for region in _regions(moves)[: 2 * most]]
    kept = [mask for mask in found if AREAS[0] <= masks.share(mask) <= AREAS[1]]
    return [_enlarged(mask, height, width) for mask in _apart(kept)[:most]]


def moving_first(
    pictures: Sequence[np.ndarray], found: Sequence[np.ndarray], most: int = 3, at: int = 0
) -> list[np.ndarray]:
    """Of masks in one (`at`) of the pictures those that may be objects: what moves most first, then the largest.

    Backgrounds, which reach three sides of the picture, aren't objects, nor are parts of a larger mask.
    """
    moves, _ = _own_motion([_small(picture) for picture in pictures], at)
    limit = max(LEAST_MOTION, 3 * float(np.median(moves)))
    kept = [mask for mask in found if AREAS[0] <= masks.share(mask) <= AREAS[1] and _sides(mask) < 3]

    def order(mask: np.ndarray) -> float:
        moved = float(moves[masks.resize(mask, *moves.shape) > 0].mean())
        return -moved if moved > limit else 0.0

    return sorted(_apart(kept), key=order)[:most]


def _sides(mask: np.ndarray) -> int:
    """How many sides of the picture a mask reaches."""
    return sum(bool(edge.any()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _small(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _own_motion(pictures: Sequence[np.ndarray], at: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one picture among its neighbours: pixels by which each point moves otherwise than the camera makes it move,
    float [h w], and whether it differs from before and from after, bool [h w].
    """
    here = pictures[at]
    blank = np.zeros(here.shape[:2], np.float32)
    own, sides = [], {True: blank, False: blank}
    for number, other in enumerate(pictures):
        if number != at:
            moved = motion.flow(here, other)
            camera = motion.camera(moved)
            own.append(np.linalg.norm(motion.places(*moved.shape[:2]) + moved - camera, axis=2))
            sides[number < at] = np.maximum(sides[number < at], motion.change(here, other, camera))
    seen = [sides[before] for before in (True, False) if sides[before].any()]
    changed = np.minimum.reduce(seen) if seen else blank
    limit = max(LEAST_CHANGE, 3 * float(np.median(changed)))
    return np.mean(own or [blank], axis=0), changed > limit


def _regions(moves: np.ndarray) -> list[np.ndarray]:
    """Masks of what moves, largest first."""
    limit = max(LEAST_MOTION, 3 * float(np.median(moves)))
    moving = masks.as_mask(cv2.GaussianBlur(moves, (0, 0), 2) > limit)
    moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, ids, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    order = sorted(range(1, len(stats)), key=lambda number: (-int(stats[number, cv2.CC_STAT_AREA]), number))
    return [masks.as_mask(ids == number) for number in order if stats[number, cv2.CC_STAT_AREA] >= 50]


def _fit(picture: np.ndarray, region: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The object in a region that moves; empty where it has no outline of its own there."""
    reach = max(3, round(0.15 * masks.area(region) ** 0.5))
    near = masks.dilate(region, 2 * reach + 1)
    around = masks.as_mask((masks.dilate(near, 4 * reach + 1) > 0) & (near == 0))
    own = masks.as_mask((region > 0) & changed)
    likely = colours.odds(picture, colours.histogram(picture, own), around)
    hints = np.full(region.shape, cv2.GC_BGD, np.uint8)
    hints[near > 0] = cv2.GC_PR_BGD
    hints[(near > 0) & (likely > 1)] = cv2.GC_PR_FGD
    hints[(region > 0) & changed & (likely > 0)] = cv2.GC_PR_FGD
    hints[(masks.erode(region, 2 * (reach // 2) + 1) > 0) & changed & (likely > 1)] = cv2.GC_FGD
    if not (hints == cv2.GC_BGD).any() or not (hints == cv2.GC_FGD).any():
        return np.zeros_like(region)
    cv2.setRNGSeed(0)  # GrabCut begins with k-means at random
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, hints, (0, 0, 1, 1), back, front, ROUNDS, cv2.GC_INIT_WITH_MASK)
    fitted = masks.as_mask(np.isin(hints, (cv2.GC_FGD, cv2.GC_PR_FGD)))
    if not fitted.any():
        return fitted
    whole = masks.fill_holes(masks.keep_components(fitted), 0.03 * masks.area(fitted))
    outline = (whole > 0) & (masks.erode(whole, 3) == 0)
    cut_off = outline & (masks.erode(near, 5) == 0)
    return whole if cut_off.sum() <= LARGEST_CUT * outline.sum() else np.zeros_like(whole)


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
    inside = np.zeros(small.shape[:2], np.uint8)
    boxes.crop(inside, (x0, y0, x1, y1))[...] = 255
    if x1 - x0 < 2 or y1 - y0 < 2 or inside.all():
        return _enlarged(inside, height, width)
    reach = max(3, round(0.25 * masks.area(inside) ** 0.5))
    around = masks.as_mask((masks.dilate(inside, 2 * reach + 1) > 0) & (inside == 0))
    likely = colours.odds(small, colours.histogram(small, inside), around)
    hints = np.where(inside > 0, np.uint8(cv2.GC_PR_BGD), np.uint8(cv2.GC_BGD))
    hints[(inside > 0) & (likely > 0)] = cv2.GC_PR_FGD
    hints[(inside > 0) & (likely > FOREIGN)] = cv2.GC_FGD
    if not np.isin(hints, (cv2.GC_PR_FGD, cv2.GC_FGD)).any():
        hints[inside > 0] = cv2.GC_PR_FGD
    near = boxes.clip(boxes.grow((x0, y0, x1, y1), reach), *small.shape[:2])  # colours far off say nothing
    cut = np.ascontiguousarray(boxes.crop(hints, near))
    cv2.setRNGSeed(0)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    region = np.ascontiguousarray(boxes.crop(small, near))
    cv2.grabCut(region, cut, (0, 0, 1, 1), back, front, ROUNDS + 2, cv2.GC_INIT_WITH_MASK)
    fitted = np.zeros_like(inside)
    boxes.crop(fitted, near)[np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD))] = 255
    return _enlarged(fitted, height, width)


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
