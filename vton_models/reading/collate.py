"""Records → a batch: equal shapes are stacked, everything else stays a list; what is null is said beside the value."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from schemas import fields
from vton_models.reading.slabs import Room

HAS = "has_"  # before a column's name: which records have it


def collate(records: Sequence[dict[str, Any]], room: Room) -> dict[str, Any]:
    """Column → tensor [b …] of the arrays' or tensors' dtype where all have one shape, else the list of values.

    The tensors lie in what `room` gives.
    """
    return {name: _together([record[name] for record in records], room) for name in records[0]}


def with_presence(records: Sequence[dict[str, Any]], nullable: Mapping[str, pa.Field]) -> list[dict[str, Any]]:
    """The records with an array in each of these columns, and "has_<column>", a bool tensor: whether it is theirs.

    Where it isn't, the array is zeros of the shape that the other records' arrays have; where these have none, or
    several shapes, it is empty.
    """
    filled = [dict(record) for record in records]
    for name, field in nullable.items():
        values = [record[name] for record in records]
        shapes = {value.shape for value in values if value is not None}
        stand_in = _nothing(field, shapes.pop() if len(shapes) == 1 else None)
        for record, value in zip(filled, values, strict=True):
            record[name] = stand_in if value is None else value
            record[f"{HAS}{name}"] = torch.tensor(value is not None)
    return filled


def _nothing(field: pa.Field, shape: tuple[int, ...] | None) -> np.ndarray:
    """Zeros as the column's arrays are; without a shape, what no picture has: no pixels."""
    kind = fields.kind(field)
    if kind in fields.FLOATS:
        count = fields.length(field)
        return np.zeros((count // 3, 3) if kind == "keypoints" else count, np.float32)
    if kind == "tensor":
        return np.zeros(shape or (0,), np.float16)
    return np.zeros(shape or ((0, 0, 3) if kind == "image" else (0, 0)), np.uint8)


def _together(values: list[Any], room: Room) -> Any:
    first = values[0]
    if not isinstance(first, np.ndarray | torch.Tensor):
        return values
    if any(type(v) is not type(first) or v.shape != first.shape or v.dtype != first.dtype for v in values):
        return values
    tensors = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in values]
    batch = room((len(tensors), *first.shape), tensors[0].dtype)
    torch.stack(tensors, out=batch)
    return batch
