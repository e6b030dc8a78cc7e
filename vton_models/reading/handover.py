"""Batches on their way from a loader's worker: room in shared memory that both processes keep and use again.

A worker fills a slab and sends its number; the process that trains looks into the same memory and marks the slab free
when the tensor is gone. A slab itself travels once. Small tensors travel by value: a shared one costs both processes a
file and a mapping. Whatever finds no room goes as torch sends it, so nobody ever waits for a slab.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import reduce_tensor

from vton_models.reading.slabs import LEAST, byte_count, looking_into

_SLOTS = 64  # of a worker: as many batches as wait in a loader, times their large columns
_Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


class Sent(Tensor):
    """A tensor that travels by another way than torch's; what is computed from it is a plain tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    way: Callable[[Tensor], _Reduced] | None = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """For the queue between processes."""
        plain = self.as_subclass(Tensor)
        return self.way(plain) if self.way is not None else reduce_tensor(plain)


class Ring:
    """The slabs of one worker, which belongs to a dataset's `family` by its number."""

    def __init__(self, family: str, worker: int) -> None:
        self._owner = family, worker, secrets.token_hex(8)
        self._taken = torch.zeros(_SLOTS, dtype=torch.uint8).share_memory_()
        self._slabs: dict[int, Tensor] = {}
        self._known: set[int] = set()  # slots whose slab has travelled
        self._lock = threading.Lock()

    def room(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor whose values are whatever was there; sent whole it takes no copy."""
        size = byte_count(shape, dtype)
        if size < LEAST:
            return _sent(torch.empty(tuple(shape), dtype=dtype), _by_value)
        with self._lock:
            slot = self._slot(size)
        if slot is None:
            return _shared(size).view(dtype).view(tuple(shape))
        tensor = self._slabs[slot][:size].view(dtype).view(tuple(shape))
        return _sent(tensor, lambda whole: self._numbered(slot, tuple(whole.shape), whole.dtype))

    def _slot(self, size: int) -> int | None:
        """A free slot with a slab of that size, which is made where there is none; None where all slots are taken."""
        free = np.flatnonzero(self._taken.numpy() == 0).tolist()
        fitting = [slot for slot in free if slot in self._slabs and self._slabs[slot].nbytes == size]
        others = [slot for slot in free if slot not in self._slabs] + free
        slot = next(iter([*fitting, *others]), None)
        if slot is None:
            return None
        if not fitting:
            self._slabs[slot] = _shared(size)
            self._known.discard(slot)
        self._taken[slot] = 1
        return slot

    def _numbered(self, slot: int, shape: tuple[int, ...], dtype: torch.dtype) -> _Reduced:
        new = slot not in self._known
        self._known.add(slot)
        travelling = (self._taken, self._slabs[slot]) if new else None
        return _arrived, (self._owner, slot, travelling, shape, dtype)


def _sent(tensor: Tensor, way: Callable[[Tensor], _Reduced]) -> Tensor:
    sent = tensor.as_subclass(Sent)
    sent.way = way
    return sent


def _shared(size: int) -> Tensor:
    storage = torch.UntypedStorage._new_shared(size, device="cpu")
    return torch.empty(0, dtype=torch.uint8).set_(storage)


def _by_value(tensor: Tensor) -> _Reduced:
    data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return _from_value, (data, tuple(tensor.shape), tensor.dtype)


def _from_value(data: bytes, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).view(shape)


# ---- in the process that the batches arrive in
_Owner = tuple[str, int, str]  # family, worker, and which life of that worker
_seen: dict[tuple[str, int], tuple[str, dict[int, np.ndarray], np.ndarray]] = {}


def _arrived(
    owner: _Owner, slot: int, travelling: tuple[Tensor, Tensor] | None, shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """The tensor in its slab, which is among what travels the first time, with the marks of the slots taken."""
    family, worker, life = owner
    if travelling is not None:
        if _seen.get((family, worker), ("",))[0] != life:
            _seen[family, worker] = life, {}, travelling[0].numpy()
        _seen[family, worker][1][slot] = travelling[1].numpy()
    _, slabs, marks = _seen[family, worker]

    def free(_: np.ndarray) -> None:
        marks[slot] = 0

    return looking_into(slabs[slot], shape, dtype, free)


def forget(family: str) -> None:
    """Drops the slabs of a dataset that is gone; tensors that still look into them keep them."""
    for owner in [owner for owner in _seen if owner[0] == family]:
        del _seen[owner]
