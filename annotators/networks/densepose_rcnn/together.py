"""What follows the backbone, for all photos of a batch at once, as suits an accelerator.

Shapes are fixed, with masks for what isn't there, so that the host waits a few times per batch, not many times per
photo. On a CPU photo by photo is faster, and keeps the sums as they are alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from annotators.networks.densepose_rcnn.boxes import apply_deltas, iou, nonempty
from annotators.networks.densepose_rcnn.heads import DELTA_WEIGHTS, DENSEPOSE_BINS, NMS_THRESHOLD, RoiHeads, around
from annotators.networks.densepose_rcnn.proposals import NMS_THRESHOLD as PROPOSAL_THRESHOLD
from annotators.networks.densepose_rcnn.proposals import PER_IMAGE, PER_LEVEL, ProposalGenerator, anchors_at
from annotators.networks.densepose_rcnn.resnet_fpn import STRIDES
from annotators.networks.densepose_rcnn.roi_align import roi_align

Size = tuple[int, int]  # height, width


class Candidates(NamedTuple):
    """Boxes [b n 4] with scores [b n], best first; `valid` bool [b n] says which there are."""

    boxes: Tensor
    scores: Tensor
    valid: Tensor


def frames(sizes: Sequence[Size], device: torch.device) -> Tensor:
    """float32 [b 1 4]: width, height, width, height of each photo."""
    return torch.tensor([[[width, height, width, height]] for height, width in sizes], dtype=torch.float32).to(device)


def nms(boxes: Tensor, valid: Tensor, threshold: float) -> Tensor:
    """bool [s n]: what `boxes.nms` keeps of each of several sets [s n 4], whose boxes lie best first."""
    beats = (iou(boxes, boxes) > threshold).triu_(diagonal=1) & valid[:, :, None]
    beats = beats.to(boxes.dtype)
    keep = valid
    while True:
        settled = valid & (torch.bmm(keep.to(boxes.dtype)[:, None], beats)[:, 0] == 0)
        if torch.equal(settled, keep):
            return keep
        keep = settled


def proposals(generator: ProposalGenerator, pyramid: Mapping[str, Tensor], limits: Tensor) -> Candidates:
    """At most 1000 boxes per photo, as `ProposalGenerator` finds them; `limits` as by `frames`."""
    levels = []
    for level, feature in pyramid.items():
        logits, deltas = generator.rpn_head(feature)
        levels.append(_best_of_level(logits, deltas, level, feature.shape[3], limits))
    boxes, scores, valid = (torch.stack(parts, dim=1) for parts in zip(*levels, strict=True))
    keep = nms(boxes.flatten(0, 1), valid.flatten(0, 1), PROPOSAL_THRESHOLD).view_as(valid)
    return _sorted(boxes.flatten(1, 2), scores.flatten(1, 2), keep.flatten(1, 2), PER_IMAGE)


def _best_of_level(logits: Tensor, deltas: Tensor, level: str, columns: int, limits: Tensor) -> Candidates:
    """The 1000 best anchors of a level for each photo; filled up where a level has fewer."""
    scores, index = logits.topk(min(PER_LEVEL, logits.shape[1]), dim=1)
    chosen = deltas.gather(1, index[..., None].expand(-1, -1, 4))
    anchors = anchors_at(index.flatten(), level, columns)
    boxes = apply_deltas(anchors, chosen.flatten(0, 1), (1.0, 1.0, 1.0, 1.0)).view_as(chosen)
    finite = boxes.isfinite().all(dim=2) & scores.isfinite()
    boxes = torch.minimum(boxes.clamp(min=0), limits)
    valid = finite & nonempty(boxes)
    absent = PER_LEVEL - scores.shape[1]
    boxes = torch.where(valid[..., None], boxes, 0)  # NaN would be an index of a cell later on
    return Candidates(F.pad(boxes, (0, 0, 0, absent)), F.pad(scores, (0, absent)), F.pad(valid, (0, absent)))


def _sorted(boxes: Tensor, scores: Tensor, valid: Tensor, most: int) -> Candidates:
    """The valid ones first, the best first."""
    scores = scores.masked_fill(~valid, -torch.inf)
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :most]
    scores = scores.gather(1, order)
    return Candidates(boxes.gather(1, order[..., None].expand(-1, -1, 4)), scores, scores > -torch.inf)


def detect(
    heads: RoiHeads, pyramid: Mapping[str, Tensor], found: Candidates, limits: Tensor, threshold: float, most: int
) -> Candidates:
    """The people among the proposals of each photo, at most so many, as `RoiHeads.detect` finds them."""
    count = found.boxes.shape[1]
    numbers = torch.arange(len(found.boxes), device=found.boxes.device).repeat_interleave(count)
    flat = found.boxes.flatten(0, 1)
    logits, deltas = heads.box_predictor(heads.box_head(heads.pool(pyramid, flat, numbers)))
    scores = logits.softmax(dim=1)[:, 0].view_as(found.scores)
    boxes = apply_deltas(flat, deltas, DELTA_WEIGHTS).view_as(found.boxes)
    valid = found.valid & boxes.isfinite().all(dim=2) & (scores > threshold)
    boxes = torch.where(valid[..., None], torch.minimum(boxes.clamp(min=0), limits), 0)
    people = _sorted(boxes, scores, valid, count)
    keep = nms(people.boxes, people.valid, NMS_THRESHOLD)
    return _sorted(people.boxes, people.scores, keep, most)


def densepose(heads: RoiHeads, pyramid: Mapping[str, Tensor], rows: Sequence[int], boxes: Tensor) -> tuple[Tensor, ...]:
    """coarse [m 2 112 112], fine, u, v [m 25 112 112] of one box of each photo `rows`; boxes [m 4] lie on the host."""
    pooled = []
    for row, box in zip(rows, boxes, strict=True):
        own = {level: feature[row : row + 1] for level, feature in pyramid.items()}
        part, corner = around(own, box[None])
        inside = (box[None] - corner).to(own["p2"].device, non_blocking=True)
        pooled.append(roi_align(heads.decoder(part)[0], inside, 1 / STRIDES["p2"], DENSEPOSE_BINS))
    maps: tuple[Tensor, ...] = heads.densepose_predictor(heads.densepose_head(torch.cat(pooled)))
    return maps
