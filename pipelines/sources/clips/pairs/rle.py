"""Run lengths as COCO writes them: of unset and set pixels in turns, column by column; as numbers or packed in text."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from annotators.functional import masks
from schemas.codecs import MAX_PIXELS

LARGEST_SHIFT = 60  # bits of a packed number; a picture's longest run has far fewer


def decode(segmentation: Any) -> np.ndarray:
    """uint8 [h w] 0/255 of {"size": [h, w], "counts": …}. Raises ValueError for what is none."""
    height, width, runs = _checked(segmentation)
    values = np.arange(len(runs)) % 2 == 1
    return masks.as_mask(np.repeat(values, np.asarray(runs, np.int64)).reshape(width, height).T)


def area(segmentation: Any) -> int:
    """Number of set pixels, told without drawing them. Raises ValueError as `decode` does."""
    return sum(_checked(segmentation)[2][1::2])


def _checked(segmentation: Any) -> tuple[int, int, list[int]]:
    """Height, width, and run lengths that fill them exactly."""
    if not isinstance(segmentation, Mapping):
        raise ValueError(f"run lengths that are {type(segmentation).__name__}; allowed is an object of size and counts")
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"run lengths of size {size!r}; allowed is [height, width]")
    height, width = size
    if height * width > MAX_PIXELS:
        raise ValueError(f"run lengths of {height}x{width} pixels; allowed are {MAX_PIXELS}")
    runs = unpacked(counts) if isinstance(counts, str) else counts
    if not (isinstance(runs, list) and all(type(run) is int and run >= 0 for run in runs)):
        raise ValueError("counts that are no run lengths")
    if sum(runs) != height * width:
        raise ValueError(f"run lengths of {sum(runs)} pixels for a size of {height}x{width}")
    return height, width, runs


def unpacked(text: str) -> list[int]:
    """The numbers of a packed text: five bits and a mark for more to a character.

    From the fourth on they are what is added to the last but one.

    Raises ValueError for other text.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths with the character {character!r}")
        if shift > LARGEST_SHIFT:
            raise ValueError("run lengths with a number that no picture has")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths that break off")
    return runs
