"""Pillow's resizing of 8-bit pictures on a torch device, bit for bit.

Pillow weighs neighbours by integers of 22 bits and rounds after each of its two passes, rows first; so do we. A photo
then goes to the device as it was decoded, and its resizing costs the host nothing. Pillow's own is faster on a CPU.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_BITS = 22  # of a weight: 32, less 8 of a level and 2 for filters whose weights go below 0 and above 1


def _triangle(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _cubic(x: float) -> float:
    """Keys' cubic convolution (1981) with a = −0.5."""
    x, a = abs(x), -0.5
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


# Filter → its reach to either side, and its weight at a distance.
FILTERS: dict[int, tuple[float, Callable[[float], float]]] = {
    Image.Resampling.BILINEAR: (1.0, _triangle),
    Image.Resampling.BICUBIC: (2.0, _cubic),
    Image.Resampling.LANCZOS: (3.0, _lanczos),
    Image.Resampling.BOX: (0.5, _box),
}


def resize(pictures: Tensor, height: int, width: int, resample: int) -> Tensor:
    """uint8 [b height width c] of uint8 [b h w c], as `Image.resize((width, height), resample)` makes each.

    Raises KeyError for a filter that isn't in FILTERS.
    """
    if pictures.shape[2] != width:
        pictures = _pass(pictures, 2, width, resample)
    if pictures.shape[1] != height:
        pictures = _pass(pictures, 1, height, resample)
    return pictures


def _pass(pictures: Tensor, axis: int, length: int, resample: int) -> Tensor:
    """Along one axis, tap by tap: no gathered copy of all neighbours at once."""
    first, weights = (torch.from_numpy(a).to(pictures.device) for a in taps(pictures.shape[axis], length, resample))
    last = pictures.shape[axis] - 1
    shape = [1] * pictures.ndim
    shape[axis] = length
    total = torch.full((), 1 << (_BITS - 1), dtype=torch.int32, device=pictures.device)
    for tap, weight in enumerate(weights):
        neighbours = pictures.index_select(axis, (first + tap).clamp(max=last))
        total = total + neighbours.to(torch.int32) * weight.reshape(shape)
    return (total >> _BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=256)
def taps(source: int, target: int, resample: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of `target` places the first of `source` that counts, int64 [target], and int32 weights [taps target].

    Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc` (src/libImaging/Resample.c), for the whole picture.
    """
    reach, weight_at = FILTERS[resample]
    scale = source / target
    stretch = max(scale, 1.0)
    support = reach * stretch
    count = math.ceil(support) * 2 + 1
    first = np.zeros(target, np.int64)
    weights = np.zeros((count, target), np.int32)
    for place in range(target):
        center = (place + 0.5) * scale
        low = max(int(center - support + 0.5), 0)
        high = min(int(center + support + 0.5), source)
        own = [weight_at((index + low - center + 0.5) * (1.0 / stretch)) for index in range(high - low)]
        total = sum(own)
        first[place] = low
        for index, value in enumerate(own):
            share = (value / total if total else value) * (1 << _BITS)
            weights[index, place] = int(share - 0.5) if share < 0 else int(share + 0.5)
    return first, weights
