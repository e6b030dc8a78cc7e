"""Region proposals (Ren 2015, arXiv:1506.01497) over the pyramid: anchors, objectness, the best boxes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from annotators.networks.densepose_rcnn.boxes import apply_deltas, clip, nms, nonempty
from annotators.networks.densepose_rcnn.resnet_fpn import CHANNELS, STRIDES

ANCHOR_SIZES = {"p2": 32, "p3": 64, "p4": 128, "p5": 256, "p6": 512}  # pixels
ASPECT_RATIOS = (0.5, 1.0, 2.0)  # height / width
PER_LEVEL = 1000
PER_IMAGE = 1000
NMS_THRESHOLD = 0.7


def cell_anchors(size: int) -> Tensor:
    """float32 [3 4]: the anchors of one cell, xyxy around (0, 0), each of area size²."""
    ratios = torch.tensor(ASPECT_RATIOS, dtype=torch.float64)
    width = (size * size / ratios).sqrt()
    half = torch.stack([width, width * ratios], dim=1) / 2
    return torch.cat([-half, half], dim=1).float()


def anchors_at(index: Tensor, level: str, columns: int) -> Tensor:
    """The anchors [n 4] numbered `index` int64 [n] in a map with that many columns.

    Anchors are numbered by row, column, ratio; cell (x, y) is centred on (x, y) * stride.
    """
    cell, ratio = index // len(ASPECT_RATIOS), index % len(ASPECT_RATIOS)
    centre = torch.stack([cell % columns, cell // columns], dim=1).float() * STRIDES[level]
    return centre.repeat(1, 2) + cell_anchors(ANCHOR_SIZES[level]).to(index.device)[ratio]


class RpnHead(nn.Module):
    """One small network shared by all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.objectness_logits = nn.Conv2d(CHANNELS, len(ASPECT_RATIOS), 1)
        self.anchor_deltas = nn.Conv2d(CHANNELS, 4 * len(ASPECT_RATIOS), 1)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """[b 256 h w] -> logits [b h*w*3], deltas [b h*w*3 4]."""
        hidden = self.conv(feature).relu_()
        logits = self.objectness_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.anchor_deltas(hidden).permute(0, 2, 3, 1)  # channels are (ratio, delta)
        return logits, deltas.reshape(len(feature), -1, 4)


class ProposalGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rpn_head = RpnHead()

    def forward(
        self, pyramid: dict[str, Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Per image at most 1000 boxes [n 4] and their logits [n], best first; `image_sizes` are (height, width)."""
        heads = {level: self.rpn_head(feature) for level, feature in pyramid.items()}
        proposals = []
        for i, size in enumerate(image_sizes):
            levels = [
                best_of_level(logits[i], deltas[i], level, pyramid[level].shape[3], size)
                for level, (logits, deltas) in heads.items()
            ]
            boxes, logits = (torch.cat(parts) for parts in zip(*levels, strict=True))
            best = logits.argsort(descending=True, stable=True)[:PER_IMAGE]
            proposals.append((boxes[best], logits[best]))
        return proposals


def best_of_level(
    logits: Tensor, deltas: Tensor, level: str, columns: int, image_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """What NMS leaves of one level's 1000 best anchors: boxes [n 4] inside the image, logits [n]."""
    logits, index = logits.topk(min(PER_LEVEL, len(logits)))
    boxes = apply_deltas(anchors_at(index, level, columns), deltas[index], (1.0, 1.0, 1.0, 1.0))
    finite = boxes.isfinite().all(dim=1) & logits.isfinite()
    boxes = clip(boxes, *image_size)
    valid = finite & nonempty(boxes)
    boxes, logits = boxes[valid], logits[valid]
    keep = nms(boxes, logits, NMS_THRESHOLD)
    return boxes[keep], logits[keep]
