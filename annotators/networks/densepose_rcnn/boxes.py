"""Boxes float [n 4] (or [… n 4]), xyxy in pixels: regression, clipping, non-maximum suppression."""

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000 / 16)  # a box grows at most this much; exp would overflow


def apply_deltas(boxes: Tensor, deltas: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Move and scale boxes [n 4] by deltas [n 4] (dx, dy, dw, dh), each divided by its weight.

    Girshick 2014 (R-CNN, arXiv:1311.2524), appendix C.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + 0.5 * size
    deltas = deltas / deltas.new_tensor(weights)
    centre = centre + deltas[:, :2] * size
    half = 0.5 * (deltas[:, 2:].clamp(max=MAX_LOG_SCALE).exp() * size)
    return torch.cat([centre - half, centre + half], dim=1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes [n 4] cut at the frame: x in 0-width, y in 0-height."""
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))


def nonempty(boxes: Tensor) -> Tensor:
    """bool [… n]: width and height above 0."""
    return (boxes[..., 2:] > boxes[..., :2]).all(dim=-1)


def area(boxes: Tensor) -> Tensor:
    """float [… n], square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, float [… n m] in 0-1; NaN between two boxes without area."""
    low = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    both = (high - low).clamp_(min=0).prod(dim=-1)
    return both / (area(a)[..., :, None] + area(b)[..., None, :] - both)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Indices of the boxes kept, best score first (equal scores: lower index first).

    A box goes when it overlaps a kept, better one by IoU > threshold. Solved for all boxes at once: the rule
    read as an equation for `keep` has the greedy result as its only solution, and each round settles at least
    the best unsettled box; in practice a few rounds settle everything.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    beats = (iou(boxes, boxes) > threshold).triu_(diagonal=1).to(boxes.dtype)  # [better worse]
    keep = torch.ones_like(scores)
    while True:
        settled = (keep @ beats == 0).to(keep.dtype)
        if torch.equal(settled, keep):
            return order[keep.bool()]
        keep = settled
