"""The refiner of coarse masks that AnyDoor's demo brings, `iseg/coarse_mask_refine.pth`: scribbles become outlines.

MobileNetV2 (arXiv:1801.04381) at an eighth of the picture's size with an LR-ASPP head (arXiv:1905.02244); what two
convolutions make of the coarse mask is added behind the first one of the backbone. Modules have the file's names.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from annotators.common import pickles
from annotators.functional import masks

# Expansion, channels and repetitions of each stage, its stride, and the dilation of its first layer.
_STAGES = (
    ((1, 16, 1, 1, 1),),
    ((6, 24, 2, 2, 1),),
    ((6, 32, 3, 2, 1),),
    ((6, 64, 4, 1, 2), (6, 96, 3, 1, 2)),
    ((6, 160, 3, 1, 4), (6, 320, 1, 1, 4)),
)
_FIRST = 32  # channels of the first convolution


class _Unit(nn.Module):
    """Convolution, batch norm, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu6(self.bn(self.conv(features)))


class _Inverted(nn.Module):
    """An inverted residual: wider, depthwise, narrow again."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widening = [_Unit(inputs, wide, 1)] if expansion > 1 else []
        depthwise = _Unit(wide, wide, 3, stride, dilation, wide)
        narrowing = nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv = nn.Sequential(*widening, depthwise, *narrowing)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv(features)
        return features + result if self.is_residual else result


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Unit(3, _FIRST, 3, stride=2)
        width = _FIRST
        for number, stage in enumerate(_STAGES, start=1):
            layers = []
            for expansion, channels, count, stride, dilation in stage:
                for place in range(count):
                    first = place == 0
                    layers.append(
                        _Inverted(width, channels, expansion, stride if first else 1, dilation if first else 1)
                    )
                    width = channels
            self.add_module(f"block{number}", nn.Sequential(*layers))

    def forward(self, picture: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Features at a quarter and at an eighth of the picture's size."""
        features = self.conv1(picture) + side
        quarter = self.get_submodule("block2")(self.get_submodule("block1")(features))
        eighth = quarter
        for number in (3, 4, 5):
            eighth = self.get_submodule(f"block{number}")(eighth)
        return quarter, eighth


class _Context(nn.Module):
    """LR-ASPP: features weighed by what four quarters of the picture hold."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.b0 = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.b1 = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        own: Tensor = self.b0(features)
        return own * _resized(self.b1(features), own)


class _Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.lraspp = _Context(_STAGES[-1][-1][1], 128)
        self.fusion_conv1 = nn.Conv2d(128, 16, 1)
        self.fusion_conv2 = nn.Conv2d(24, 16, 1)
        self.head = nn.Conv2d(16, 1, 1)
        self.aux_head = nn.Conv2d(16, 1, 1)  # of training alone

    def forward(self, picture: Tensor, side: Tensor) -> Tensor:
        quarter, eighth = self.backbone(picture, side)
        context = self.fusion_conv1(_resized(self.lraspp(eighth), quarter))
        logits: Tensor = self.head(self.fusion_conv2(quarter) + context)
        return logits


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale.abs()


class MaskRefiner(nn.Module):
    """RGB [b 3 h w], 0–1, and a coarse mask [b 1 h w] of zeros and ones → probabilities [b 1 h w]."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = _Segmenter()
        convolutions = nn.Conv2d(3, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, _FIRST, 3, 1, 1)
        self.maps_transform = nn.Sequential(*convolutions, _Scale())

    def forward(self, picture: Tensor, coarse: Tensor) -> Tensor:
        nothing = torch.zeros_like(coarse)
        side = self.maps_transform(torch.cat([nothing, coarse, nothing], dim=1))
        return _resized(self.feature_extractor(picture, side), picture).sigmoid()

    @torch.inference_mode()
    def refine(self, picture: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """Mask uint8 [h w] 0/255 of uint8 [h w 3] and a coarse mask [h w] (non-zero = set)."""
        device = next(self.parameters()).device
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
        rough = torch.from_numpy(np.ascontiguousarray(coarse != 0))[None, None].float()
        return masks.as_mask((self(pixels.to(device), rough.to(device))[0, 0] > 0.5).cpu().numpy())


def load(path: Path, device: str = "cpu") -> MaskRefiner:
    """The refiner of a published file. Raises ValueError for another file."""
    try:
        pickles.check(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        refiner = MaskRefiner()
        refiner.load_state_dict(state)
    except Exception as error:  # pickle, zip and torch each have their own
        raise ValueError(f"{path} isn't the refiner's file: {' '.join(str(error).split())[:200]}") from None
    return refiner.eval().requires_grad_(False).to(device)


def _resized(features: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(features, like.shape[2:], mode="bilinear", align_corners=True)
