"""Arrays on their way to a device and back. On an accelerator work is laid out otherwise than on a CPU, see below.

A CPU gets photos one by one, resized by Pillow: batches are no faster there, and sums differ in the last bit with their
size. An accelerator gets many at once as they were decoded, and gives back only what is kept, in one piece.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


def accelerated(device: torch.device) -> bool:
    """Whether work for this device is laid out as for an accelerator."""
    return device.type != "cpu"


def stack(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Arrays of one shape and type, copied into a tensor of the host from which that device can fetch by itself."""
    dtype = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    pinned = device.type == "cuda" and torch.cuda.is_available()
    batch = torch.empty(len(arrays), *arrays[0].shape, dtype=dtype, pin_memory=pinned)
    for target, array in zip(batch.numpy(), arrays, strict=True):
        np.copyto(target, array)
    return batch


def send(batch: Tensor, device: torch.device) -> Tensor:
    """On the device; from pinned memory without waiting."""
    return batch.to(device, non_blocking=batch.is_pinned())


def fetch(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """uint8 tensors of any shapes as arrays; from an accelerator in one copy."""
    if not tensors or not accelerated(tensors[0].device):
        return [tensor.numpy() for tensor in tensors]
    flat = torch.cat([tensor.flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([0, *(tensor.numel() for tensor in tensors)])
    pieces = [flat[start:end] for start, end in pairwise(ends)]
    # Each with memory of its own: one result that is kept must not hold the whole batch.
    return [piece.reshape(tensor.shape).copy() for piece, tensor in zip(pieces, tensors, strict=True)]
