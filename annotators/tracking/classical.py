"""Tracking without weights: optical flow carries a mask on, colours and GrabCut fit it to the next frame.

DIS flow (Kroeger et al., ECCV 2016) there and back; GrabCut (Rother et al., SIGGRAPH 2004) around the outline that is
expected. The whole outline is carried apart from what is seen of it, so that an object comes out again from behind
another. Lower yield than a network's: the provenance of these masks lets training weigh them less.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.tracking import Step, colours, motion

SIDE = 400  # pictures are tracked at this longer side
STILL = 0.7  # pixels from where the camera takes it, within which a pixel stands still
SAME = 12  # of a channel, of 255, by which it may differ then
LOOSE = 2.0  # pixels by which flow there and back may miss its start
BAND = 0.12  # width of the band around the outline that is decided anew, of the root of the object's area
CORE = 0.1  # what lies deeper inside than this, of the same, is the object unless its colour says otherwise
FOREIGN = -1.5  # mean log of the odds below which a neighbourhood is the background
ROUNDS = 2  # of GrabCut
LEAST_HELD = 0.25  # a track ends below this score
LEAST_SEEN = 0.12  # and where less of the whole outline is seen
LEAST_LEFT = 0.08  # or less is left of the largest area that it had
LEAST_AREA = 24  # pixels at the tracked size
LARGEST_LEAK = 1.3  # or it covers more than this of where it is expected,
LARGEST_DRIFT = 1.8  # or of the area that its motion explains
FADING = 4  # by which the memory of a hidden part fades in a frame, of 255
FORGOTTEN = 128  # below it the part counts no longer
RENEWAL = 0.02  # how much of the object's colours each frame renews


@dataclass
class _Object:
    """seen: mask uint8 [h w] at the tracked size, of what is visible.

    whole: uint8 [h w], 255 where it is seen, less where it was seen some frames ago and may be hidden now. colours:
    histogram of the object's.
    """

    seen: np.ndarray
    whole: np.ndarray
    colours: np.ndarray
    largest: int  # pixels of what was seen at most
    expected_area: float  # pixels that it should have by how its parts moved apart or together since the seed
    velocity: tuple[float, float] | None = None  # (x, y) pixels a frame, when last nothing hid or cut the object


class ClassicalTracker:
    """See the module."""

    NAME = "classical"

    def follow(self, pictures: Iterable[np.ndarray], seeds: Sequence[np.ndarray]) -> Iterator[list[Step | None]]:
        frames = iter(pictures)
        first = next(frames)
        height, width = first.shape[:2]
        before = _small(first)
        objects = [_start(before, seed) for seed in seeds]
        for frame in frames:
            if not any(objects):
                return
            after = _small(frame)
            moved = _Motion(before, after)
            steps: list[Step | None] = []
            for number, tracked in enumerate(objects):
                score = _advance(tracked, after, moved) if tracked else None
                if tracked is None or score is None:
                    objects[number] = None
                    steps.append(None)
                else:
                    steps.append(Step(_enlarged(tracked.seen, height, width), score))
            before = after
            yield steps


def _small(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _enlarged(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    return masks.as_mask(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) >= 128)


def _start(picture: np.ndarray, seed: np.ndarray) -> _Object | None:
    mask = masks.resize(masks.as_mask(seed), *picture.shape[:2])
    area = masks.area(mask)
    return _Object(mask, mask, colours.histogram(picture, mask), area, area) if area >= LEAST_AREA else None


class _Motion:
    """Where each pixel of a frame came from, where it went, whether the two agree, and what only the camera moved."""

    def __init__(self, before: np.ndarray, after: np.ndarray) -> None:
        back, self.forth = motion.flow(after, before), motion.flow(before, after)
        self.origins = motion.places(*back.shape[:2]) + back
        returned = back + cv2.remap(self.forth, self.origins, None, cv2.INTER_LINEAR)  # type: ignore[call-overload]
        self.agrees = np.linalg.norm(returned, axis=2) <= LOOSE
        self.stayed = motion.camera(back)
        still = np.linalg.norm(self.origins - self.stayed, axis=2) < STILL
        self.still = still & (motion.change(after, before, self.stayed) < SAME)

    def carry(self, mask: np.ndarray) -> np.ndarray:
        """The mask of the earlier frame where the flow takes it."""
        return _warped(mask, self.origins)

    def ground(self, seen: np.ndarray) -> np.ndarray:
        """bool [h w] in the later frame: what wasn't the mask of the earlier one, and since then stood still."""
        return np.asarray(self.still & (masks.dilate(_warped(seen, self.stayed), 3) == 0))

    def of(self, seen: np.ndarray) -> np.ndarray | None:
        """float [2 3]: how the pixels of a mask moved, turned and scaled together; None where too few tell."""
        rows, columns = np.nonzero(masks.erode(seen, 3) if masks.area(seen) > 200 else seen)
        every = slice(None, None, max(1, len(rows) // 500))
        starts = np.stack([columns[every], rows[every]], 1).astype(np.float32)
        ends = starts + self.forth[starts[:, 1].astype(int), starts[:, 0].astype(int)]
        if len(starts) < 6:
            return None
        cv2.setRNGSeed(0)
        return cv2.estimateAffinePartial2D(starts, ends, method=cv2.LMEDS)[0]


def _warped(mask: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The mask as it is at the places [h w 2]."""
    return masks.as_mask(cv2.remap(mask, places, None, cv2.INTER_LINEAR) >= 128)  # type: ignore[call-overload]


def _advance(tracked: _Object, picture: np.ndarray, moved: _Motion) -> float | None:
    """Moves the object on into the next picture: how well it is held there; None where it is lost."""
    carried = moved.carry(tracked.seen)
    matrix = moved.of(tracked.seen)
    wholes = [moved.carry(tracked.whole) if matrix is None else _moved(tracked.whole, matrix)]
    if tracked.velocity:
        x, y = tracked.velocity
        wholes.append(_moved(tracked.whole, np.array([[1, 0, x], [0, 1, y]])))
    likely = _likely(picture, masks.as_mask(np.maximum.reduce([carried, *wholes]) >= FORGOTTEN), tracked.colours)
    whole = max(wholes, key=lambda whole: float(likely[whole >= FORGOTTEN].sum()))
    expected = masks.as_mask((carried > 0) | (whole >= FORGOTTEN))
    if masks.area(expected) < LEAST_AREA:
        return None
    fitted = _touching(_fit(picture, expected, likely), expected)
    fitted[moved.ground(tracked.seen)] = 0
    area = masks.area(fitted)
    if area < max(LEAST_AREA, LEAST_SEEN * masks.area(expected), LEAST_LEFT * tracked.largest):
        return None
    if matrix is not None:
        tracked.expected_area *= float(np.clip(np.linalg.det(matrix[:, :2]), 0.8, 1.25))
    if area > LARGEST_LEAK * masks.area(expected) or area > LARGEST_DRIFT * tracked.expected_area:
        return None
    seen = colours.histogram(picture, fitted)
    agreeing = float(moved.agrees[fitted > 0].mean())
    score = float(np.minimum(seen, tracked.colours).sum()) * (0.5 + agreeing / 2)
    if score < LEAST_HELD:
        return None
    tracked.velocity = _velocity(tracked.seen, fitted) or tracked.velocity
    tracked.seen, tracked.whole = fitted, np.maximum(fitted, cv2.subtract(whole, np.full_like(whole, FADING)))
    tracked.largest = max(tracked.largest, area)
    tracked.colours = (1 - RENEWAL) * tracked.colours + RENEWAL * seen
    return score


def _moved(whole: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    height, width = whole.shape
    return cv2.warpAffine(whole, matrix, (width, height))


def _velocity(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """How the centre of a mask moved; None where its area says that more or less of the object is seen."""
    areas = masks.area(before), masks.area(after)
    if not 0.9 < areas[0] / areas[1] < 1.1:
        return None
    centres = [np.array(np.nonzero(mask)).mean(axis=1) for mask in (before, after)]
    y, x = centres[1] - centres[0]
    return float(x), float(y)


def _likely(picture: np.ndarray, expected: np.ndarray, own: np.ndarray) -> np.ndarray:
    """float [h w]: log of how much likelier each pixel's colour is in the object than around it."""
    reach = 2 * round(0.5 * masks.area(expected) ** 0.5) + 3
    around = masks.as_mask((masks.dilate(expected, reach) > 0) & (masks.dilate(expected, 5) == 0))
    return colours.odds(picture, own, around)


def _fit(picture: np.ndarray, expected: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """The expected mask, its outline cut anew by colour and contrast."""
    side = masks.area(expected) ** 0.5
    outer = masks.dilate(expected, 2 * max(3, round(BAND * side)) + 1)
    core = masks.erode(expected, 2 * max(1, round(CORE * side)) + 1)
    hints = np.full(expected.shape, cv2.GC_BGD, np.uint8)
    hints[outer > 0] = cv2.GC_PR_BGD
    hints[(outer > 0) & (likely > 1)] = cv2.GC_PR_FGD
    hints[(expected > 0) & (likely > 0)] = cv2.GC_PR_FGD
    hints[(core > 0) & (likely > -1)] = cv2.GC_PR_FGD
    hints[(core > 0) & (likely > 0.5)] = cv2.GC_FGD
    hints[cv2.blur(likely, (7, 7)) < FOREIGN] = cv2.GC_BGD
    box = boxes.of_mask(outer)
    if box is None or not np.isin(hints, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return np.zeros_like(expected)
    around = boxes.clip(boxes.grow(box, round(side / 2) + 4), *expected.shape)
    cut = np.ascontiguousarray(boxes.crop(hints, around))
    if np.isin(cut, (cv2.GC_BGD, cv2.GC_PR_BGD)).sum() < LEAST_AREA:
        return expected
    cv2.setRNGSeed(0)  # GrabCut begins with k-means at random
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    region = np.ascontiguousarray(boxes.crop(picture, around))
    cv2.grabCut(region, cut, (0, 0, 1, 1), back, front, ROUNDS, cv2.GC_INIT_WITH_MASK)
    fitted = np.zeros_like(expected)
    boxes.crop(fitted, around)[np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD))] = 255
    return fitted


def _touching(fitted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The parts of a mask that lie for the most part where the object is expected, small holes filled."""
    _, ids, stats, _ = cv2.connectedComponentsWithStats(fitted, connectivity=8)
    inside = np.bincount(ids[expected > 0], minlength=len(stats))
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = (inside > 0.3 * areas) & (areas >= 0.02 * areas[1:].max(initial=0))
    kept[0] = False
    return masks.fill_holes(masks.as_mask(kept[ids]), 0.03 * masks.area(fitted))
