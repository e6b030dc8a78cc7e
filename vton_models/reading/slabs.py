"""Memory of batches, used again: fresh pages cost the kernel more time than copying the pictures that fill them.

Room goes back when the tensor that was handed out, and everything that looks into it, is gone; whoever keeps a batch
keeps its memory, and the next batch gets other room.
"""

import math
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Room = Callable[[Sequence[int], torch.dtype], Tensor]  # an uninitialised tensor of a shape
LEAST = 1 << 16  # bytes, below which memory comes from the heap and has no fresh pages
_SIZES, _EACH = 16, 12  # how many sizes, and slabs of one size, wait at most


class Slabs:
    """Room in this process; may be asked by several threads."""

    def __init__(self) -> None:
        self._free: OrderedDict[int, deque[np.ndarray]] = OrderedDict()

    def room(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor whose values are whatever was there."""
        size = byte_count(shape, dtype)
        if size < LEAST:
            return torch.empty(tuple(shape), dtype=dtype)
        return looking_into(self._slab(size), shape, dtype, self._waiting(size).append)

    def _slab(self, size: int) -> np.ndarray:
        try:
            return self._waiting(size).pop()  # atomic: threads, and finalisers in between, need no lock
        except IndexError:
            return np.empty(size, np.uint8)

    def _waiting(self, size: int) -> "deque[np.ndarray]":
        waiting = self._free.setdefault(size, deque(maxlen=_EACH))
        while len(self._free) > _SIZES:
            self._free.popitem(last=False)
        return waiting


def byte_count(shape: Sequence[int], dtype: torch.dtype) -> int:
    """Of a dense tensor."""
    return math.prod(shape) * dtype.itemsize


def looking_into(
    slab: np.ndarray, shape: Sequence[int], dtype: torch.dtype, free: Callable[[np.ndarray], object]
) -> Tensor:
    """A tensor in the first bytes of a slab, uint8 [n]; `free` gets the slab once no tensor looks into it."""
    view = slab[: byte_count(shape, dtype)]
    weakref.finalize(view, free, slab).atexit = False
    return torch.from_numpy(view).view(dtype).view(tuple(shape))
