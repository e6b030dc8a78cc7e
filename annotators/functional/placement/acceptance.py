"""Which pairs AnyDoor trains on: an object in one piece, neither too small nor too large, in both pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from annotators.functional.boxes import Box
from annotators.functional.placement import outlines

LARGEST_SHARE = 0.90  # of the reference's contours must lie above this
AREAS = (0.01, 0.64)  # of the picture
SMALLEST_SIDE = 0.10  # of the picture's, of the reference's outline


@dataclass(frozen=True)
class Rule:
    """What differs between data sets.

    both_sides: a box is too small or too large only where both its height and its width are ("AND"); else where one
    is ("OR"). largest_box: of the picture's sides, for the target's box. one_contour: the reference must have one
    outer contour.
    """

    both_sides: bool
    largest_box: float = 0.8
    one_contour: bool = False


def declined(reference: np.ndarray, target: np.ndarray, rule: Rule) -> str | None:
    """Why a pair of masks [h w] (non-zero = set) isn't trained on, in one word; None where it is."""
    for name, holds in _CHECKS.items():
        if not holds(reference, target, rule):
            return name
    return None


def _connected(reference: np.ndarray, target: np.ndarray, rule: Rule) -> bool:
    return outlines.largest_share(reference) > LARGEST_SHARE


def _one_contour(reference: np.ndarray, target: np.ndarray, rule: Rule) -> bool:
    if not rule.one_contour:
        return True
    contours, _ = cv2.findContours(np.asarray(reference != 0, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return len(contours) == 1


def _area(mask: np.ndarray) -> bool:
    low, high = AREAS
    return bool(low <= np.count_nonzero(mask) / mask.size <= high)


def _reference_side(reference: np.ndarray, target: np.ndarray, rule: Rule) -> bool:
    short = _sides(outlines.of_mask(reference), reference, lambda side, whole: side < SMALLEST_SIDE * whole)
    return not (all(short) if rule.both_sides else any(short))


def _target_side(reference: np.ndarray, target: np.ndarray, rule: Rule) -> bool:
    height, width = target.shape
    box = outlines.expand(outlines.of_mask(target), outlines.BOX_RATIOS[0] / 10, height, width)
    long = _sides(box, target, lambda side, whole: side > rule.largest_box * whole)
    return not (all(long) if rule.both_sides else any(long))


def _sides(box: Box, mask: np.ndarray, fails: Callable[[int, int], bool]) -> tuple[bool, bool]:
    """Whether the box's height and width fail, beside those of the mask's picture."""
    x0, y0, x1, y1 = box
    height, width = mask.shape
    return fails(y1 - y0, height), fails(x1 - x0, width)


_CHECKS: dict[str, Callable[[np.ndarray, np.ndarray, Rule], bool]] = {
    "fragmented_reference": _connected,
    "several_contours": _one_contour,
    "reference_area": lambda reference, target, rule: _area(reference),
    "target_area": lambda reference, target, rule: _area(target),
    "small_reference": _reference_side,
    "large_target": _target_side,
}
DECLINED = tuple(_CHECKS)  # every reason, in the order in which they are asked
