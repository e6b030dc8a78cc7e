"""Pairs that teach something: whose object looks different in the two pictures, and is sharp in both."""

from dataclasses import dataclass

import numpy as np

from annotators.functional import masks, quality
from annotators.functional.boxes import crop, of_mask
from pipelines.sources.clips.pairs.records import Half

SIDE = 128  # outlines are compared at this size


@dataclass(frozen=True)
class Variety:
    """Limits beside upstream's own rules; each is off at its default.

    largest_overlap: of the two masks once their boxes lie on each other, 0–1; smallest_sharpness: variance of the
    Laplacian of each picture (`annotators.functional.quality.sharpness`); smallest_similarity: of the object's colours
    in the two pictures, 0–1.
    """

    largest_overlap: float = 1.0
    smallest_sharpness: float = 0.0
    smallest_similarity: float = 0.0

    def declined(self, reference: Half, target: Half) -> str | None:
        """The limit that a pair misses, in one word; None where it keeps all."""
        if self.largest_overlap < 1 and aligned_overlap(reference, target) > self.largest_overlap:
            return "alike"
        if self.smallest_sharpness and min(map(_sharpness, (reference, target))) < self.smallest_sharpness:
            return "blurred"
        if self.smallest_similarity and similarity(reference, target) < self.smallest_similarity:
            return "dissimilar"
        return None


def aligned_overlap(reference: Half, target: Half) -> float:
    """Intersection over union of the two masks, each cut to its box and brought to one size."""
    cut = [_cut(half.mask.pixels, half.mask.pixels) for half in (reference, target)]
    return masks.iou(*(masks.resize(piece, SIDE, SIDE) for piece in cut))


def similarity(reference: Half, target: Half) -> float:
    """Intersection (0–1) of the object's two colour histograms, 8 levels a channel."""
    return float(np.minimum(*(_histogram(half) for half in (reference, target))).sum())


def _histogram(half: Half) -> np.ndarray:
    inside = half.frame.pixels[half.mask.pixels > 0] >> 5
    counts = np.bincount(inside @ np.array([64, 8, 1], np.int64), minlength=512)
    return counts / max(1, counts.sum())


def _sharpness(half: Half) -> float:
    return quality.sharpness(_cut(half.frame.pixels, half.mask.pixels))


def _cut(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    box = of_mask(mask)
    return picture if box is None else np.ascontiguousarray(crop(picture, box))
