"""ROIAlign (He 2017, Mask R-CNN, arXiv:1703.06870), the variant without the half-pixel shift (`aligned=False`)."""

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLES = 2  # per bin and axis
CANONICAL_SIZE, CANONICAL_LEVEL = 224, 4  # a 224-pixel box is read from p4 (FPN paper, eq. 1)
LOWEST_LEVEL, HIGHEST_LEVEL = 2, 5


def roi_align(feature: Tensor, boxes: Tensor, scale: float, bins: int, numbers: Tensor | None = None) -> Tensor:
    """Average of 2x2 bilinear samples in each bin of each box: [n c bins bins].

    feature [c h w], or [b c h w] with each box's image, int64 [n], as `numbers`; boxes [n 4] xyxy in image pixels;
    scale: cells per image pixel. A box is at least one cell
    wide and high. Samples more than one cell outside the map count as 0.
    A bin is a weighted sum of 16 cells, which is what `embedding_bag` computes: no loop, no gathered copy.
    """
    channels, height, width = feature.shape[-3:]
    boxes = boxes * scale
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
    columns, weights_x = _taps(boxes[:, 0], size[:, 0], bins, width)
    rows, weights_y = _taps(boxes[:, 1], size[:, 1], bins, height)
    cells = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]  # [n y x 4 4]
    weights = weights_y[:, :, None, :, None] * weights_x[:, None, :, None, :]
    if numbers is not None:
        cells = cells + (numbers * (height * width))[:, None, None, None, None]
    table = feature.movedim(-3, -1).reshape(-1, channels)  # a view when channels-last
    taps = (2 * SAMPLES) ** 2
    pooled = F.embedding_bag(cells.reshape(-1, taps), table, mode="sum", per_sample_weights=weights.reshape(-1, taps))
    return pooled.view(len(boxes), bins, bins, channels).permute(0, 3, 1, 2)


def _taps(start: Tensor, size: Tensor, bins: int, length: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the cells int64 and weights float [n bins 4] that make up each bin.

    start, size [n] in cells; length of the axis in cells.
    """
    bin_size = (size / bins)[:, None, None]
    bin_start = start[:, None, None] + torch.arange(bins, device=start.device)[:, None] * bin_size
    sample = torch.arange(SAMPLES, device=start.device) + 0.5
    position = bin_start + sample * bin_size / SAMPLES  # [n bins 2]
    inside = (position >= -1.0) & (position <= length)
    position = position.clamp(0, length - 1)
    low = position.floor()
    fraction = position - low
    high = (low + 1).clamp(max=length - 1)
    cells = torch.stack([low, high], dim=3).long()
    weights = torch.stack([1 - fraction, fraction], dim=3) * inside[..., None] / SAMPLES
    return cells.flatten(2), weights.flatten(2)


def assign_levels(area: Tensor) -> Tensor:
    """int64 [n] in 2-5: the pyramid level that suits boxes of that area [n] in square pixels (FPN paper, eq. 1)."""
    level = torch.floor(CANONICAL_LEVEL + torch.log2(area.sqrt() / CANONICAL_SIZE + 1e-8))
    return level.clamp(LOWEST_LEVEL, HIGHEST_LEVEL).long()
