"""What is read from the pyramid for each box: person or not, a finer box, and DensePose (Güler 2018)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from annotators.networks.densepose_rcnn.boxes import apply_deltas, area, clip, nms
from annotators.networks.densepose_rcnn.resnet_fpn import CHANNELS, STRIDES
from annotators.networks.densepose_rcnn.roi_align import LOWEST_LEVEL, assign_levels, roi_align

LEVELS = ("p2", "p3", "p4", "p5")
BOX_BINS, BOX_FEATURES = 7, 1024
DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
NMS_THRESHOLD = 0.5
DENSEPOSE_BINS, DENSEPOSE_CONVS, DENSEPOSE_CHANNELS = 28, 8, 512
WINDOW = 112  # side of the maps predicted per box
# Cells of p5. Each 3x3 convolution sees one cell further, each doubling t cells as 2t + 1: the edge of a cut is felt
# 21 cells of p2 deep by way of p5's three of both, and sampling takes two cells more; a cell of p5 is 8 of p2.
DECODER_MARGIN = 3
MAPS = {"ann_index_lowres": 2, "index_uv_lowres": 25, "u_lowres": 25, "v_lowres": 25}  # channels


class BoxHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS * BOX_BINS**2, BOX_FEATURES)
        self.fc2 = nn.Linear(BOX_FEATURES, BOX_FEATURES)

    def forward(self, pooled: Tensor) -> Tensor:
        """[n 256 7 7] -> [n 1024]."""
        hidden: Tensor = self.fc1(pooled.flatten(1))
        features: Tensor = self.fc2(hidden.relu_())
        return features.relu_()


class BoxPredictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_score = nn.Linear(BOX_FEATURES, 2)
        self.bbox_pred = nn.Linear(BOX_FEATURES, 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[n 1024] -> logits [n 2] (person, background), deltas [n 4]."""
        return self.cls_score(features), self.bbox_pred(features)


class ConvRelu(nn.Conv2d):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu_()


class Decoder(nn.Module):
    """Merges p2 to p5 at stride 4 (Kirillov 2019, Panoptic FPN, arXiv:1901.02446)."""

    def __init__(self) -> None:
        super().__init__()
        self.p2 = self.steps(1)
        self.p3 = self.steps(1)
        self.p4 = self.steps(2)
        self.p5 = self.steps(3)
        self.predictor = nn.Conv2d(CHANNELS, CHANNELS, 1)

    @staticmethod
    def steps(count: int) -> nn.Sequential:
        """So many convolutions with a doubling of the size between them."""
        steps = [step for _ in range(count) for step in (ConvRelu(CHANNELS, CHANNELS), DoubleSize())]
        return nn.Sequential(*steps[:-1])

    def forward(self, pyramid: Mapping[str, Tensor]) -> Tensor:
        """p2 to p5 -> [b 256 h/4 w/4]."""
        # Everything above p2 ends with the same doubling, which is linear: once for their sum.
        coarse = self.p3(pyramid["p3"]).add_(self.p4(pyramid["p4"])).add_(self.p5(pyramid["p5"]))
        merged: Tensor = self.predictor(self.p2(pyramid["p2"]).add_(DoubleSize()(coarse)))
        return merged


def around(pyramid: Mapping[str, Tensor], boxes: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """p2 to p5 cut to what the decoder needs for these boxes [n 4], and the cut's left top corner [4] (x y x y) in
    pixels. Within the boxes the decoder's result stays the same; a small person then costs little.
    """
    stride = STRIDES["p5"]
    rows, columns = pyramid["p5"].shape[2:]
    left, top = (int(side // stride) - DECODER_MARGIN for side in boxes[:, :2].amin(dim=0).tolist())
    right, bottom = (int(side // stride) + 1 + DECODER_MARGIN for side in boxes[:, 2:].amax(dim=0).tolist())
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns), min(bottom, rows)
    part = {}
    for level in LEVELS:
        times = stride // STRIDES[level]
        part[level] = pyramid[level][:, :, top * times : bottom * times, left * times : right * times]
    return part, boxes.new_tensor([left, top, left, top]) * stride


class DoubleSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b c 2h 2w], bilinear."""
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class DensePoseHead(nn.Sequential):
    def __init__(self) -> None:
        super().__init__()
        channels = CHANNELS
        for i in range(DENSEPOSE_CONVS):
            self.add_module(f"body_conv_fcn{i + 1}", ConvRelu(channels, DENSEPOSE_CHANNELS))
            channels = DENSEPOSE_CHANNELS


class DensePosePredictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, channels in MAPS.items():
            self.add_module(name, nn.ConvTranspose2d(DENSEPOSE_CHANNELS, channels, 4, stride=2, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[n 512 28 28] -> coarse [n 2 112 112], fine, u, v [n 25 112 112]; coarse and fine are logits."""
        layers = dict(self.named_parameters())
        weight = torch.cat([layers[f"{name}.weight"] for name in MAPS], dim=1)  # one pass over x instead of four
        bias = torch.cat([layers[f"{name}.bias"] for name in MAPS])
        maps = DoubleSize()(F.conv_transpose2d(x, weight, bias, stride=2, padding=1))
        return torch.split(maps, list(MAPS.values()), dim=1)


class RoiHeads(nn.Module):
    """All methods take the pyramid of one image, as a mapping to [1 256 h w], and boxes in its pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.box_head = BoxHead()
        self.box_predictor = BoxPredictor()
        self.decoder = Decoder()
        self.densepose_head = DensePoseHead()
        self.densepose_predictor = DensePosePredictor()

    def pool(self, pyramid: Mapping[str, Tensor], boxes: Tensor, numbers: Tensor | None = None) -> Tensor:
        """[n 256 7 7]: each box read from the level that suits its size.

        With the number of each box's image, int64 [n], the pyramid may be of several images.
        """
        levels = assign_levels(area(boxes))
        pooled = boxes.new_empty(len(boxes), CHANNELS, BOX_BINS, BOX_BINS)
        for i, name in enumerate(LEVELS, start=LOWEST_LEVEL):
            chosen = (levels == i).nonzero().flatten()
            if len(chosen):
                images = None if numbers is None else numbers[chosen]
                feature = pyramid[name][0] if images is None else pyramid[name]
                pooled[chosen] = roi_align(feature, boxes[chosen], 1 / STRIDES[name], BOX_BINS, images)
        return pooled

    def detect(
        self,
        pyramid: Mapping[str, Tensor],
        proposals: Tensor,
        image_size: tuple[int, int],
        score_threshold: float,
        detections: int,
    ) -> tuple[Tensor, Tensor]:
        """The people among proposals [m 4]: boxes [n 4], probabilities [n] above the threshold, best first."""
        logits, deltas = self.box_predictor(self.box_head(self.pool(pyramid, proposals)))
        scores = logits.softmax(dim=1)[:, 0]
        boxes = apply_deltas(proposals, deltas, DELTA_WEIGHTS)
        valid = boxes.isfinite().all(dim=1) & (scores > score_threshold)
        boxes, scores = clip(boxes[valid], *image_size), scores[valid]
        keep = nms(boxes, scores, NMS_THRESHOLD)[:detections]
        return boxes[keep], scores[keep]

    def densepose(self, pyramid: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, ...]:
        """coarse [n 2 112 112], fine, u, v [n 25 112 112] for boxes [n 4]."""
        if not len(boxes):
            return tuple(boxes.new_empty(0, channels, WINDOW, WINDOW) for channels in MAPS.values())
        part, corner = around(pyramid, boxes)
        feature = self.decoder(part)[0]
        pooled = roi_align(feature, boxes - corner, 1 / STRIDES["p2"], DENSEPOSE_BINS)
        maps: tuple[Tensor, ...] = self.densepose_predictor(self.densepose_head(pooled))
        return maps
