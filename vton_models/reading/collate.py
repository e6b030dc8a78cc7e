"""Records → a batch: equal shapes are stacked, everything else stays a list."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info


def collate(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Column → tensor [b …] of the arrays' or tensors' dtype where all have one shape, else the list of values."""
    return {name: _together([record[name] for record in records]) for name in records[0]}


def _together(values: list[Any]) -> Any:
    first = values[0]
    if not isinstance(first, np.ndarray | torch.Tensor):
        return values
    if any(type(v) is not type(first) or v.shape != first.shape or v.dtype != first.dtype for v in values):
        return values
    tensors = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in values]
    return torch.stack(tensors, out=_shared(tensors) if get_worker_info() else None)


def _shared(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Room for a batch in shared memory, so that a worker hands it over without another copy."""
    first = tensors[0]
    storage = torch.UntypedStorage._new_shared(first.nbytes * len(tensors), device="cpu")
    return torch.empty(0, dtype=first.dtype).set_(storage).view(len(tensors), *first.shape)
