"""A-CE2P, the network of SCHP (arXiv:1910.09777): dilated ResNet-101, pyramid pooling, edge branch, fusion; inference.

Module names are those of the public checkpoints, `fushion` included. Their in-place activated batch norm is a batch
norm followed by leaky ReLU; in the backbone it has no activation of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_EXPANSION = 4  # of a bottleneck's width
_POOLED_SIZES = (1, 2, 3, 6)
_EDGE_CLASSES = 2


@dataclass(frozen=True)
class Widths:
    """Channels and depths; the defaults are the published networks'."""

    classes: int = 20
    stem: tuple[int, ...] = (64, 64, 128)
    planes: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (3, 4, 23, 3)
    context: int = 512
    decoder: int = 256
    skip: int = 48
    edge: int = 256
    fusion: int = 256

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "Widths":
        """Read off a state dict. Raises KeyError for one of another network."""

        def channels(name: str) -> int:
            return state[f"{name}.weight"].shape[0]

        def depth(stage: int) -> int:
            return len({key.split(".")[1] for key in state if key.startswith(f"layer{stage}.")})

        return cls(
            classes=channels("decoder.conv4"),
            stem=tuple(channels(f"conv{number}") for number in (1, 2, 3)),
            planes=tuple(channels(f"layer{stage}.0.conv1") for stage in (1, 2, 3, 4)),
            blocks=tuple(depth(stage) for stage in (1, 2, 3, 4)),
            context=channels("context_encoding.bottleneck.0"),
            decoder=channels("decoder.conv1.0"),
            skip=channels("decoder.conv2.0"),
            edge=channels("edge.conv1.0"),
            fusion=channels("fushion.0"),
        )


def _activated(channels_in: int, channels_out: int, kernel: int = 1) -> nn.Sequential:
    """Convolution (0) and activated batch norm (1)."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, ActivatedNorm(channels_out))


class ActivatedNorm(nn.BatchNorm2d):
    """Batch norm and leaky ReLU, slope 0.01."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.leaky_relu(super().forward(input), 0.01)


def _enlarge(features: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(features, size=size, mode="bilinear", align_corners=True)


class Bottleneck(nn.Module):
    def __init__(self, channels: int, planes: int, stride: int, dilation: int, widen: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * _EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * _EXPANSION)
        self.downsample = None
        if widen:
            shortcut = nn.Conv2d(channels, planes * _EXPANSION, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(planes * _EXPANSION))

    def forward(self, x: Tensor) -> Tensor:
        features = functional.relu(self.bn1(self.conv1(x)))
        features = functional.relu(self.bn2(self.conv2(features)))
        features = self.bn3(self.conv3(features))
        return functional.relu(features + (x if self.downsample is None else self.downsample(x)))


def _stage(channels: int, planes: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    widen = stride != 1 or channels != planes * _EXPANSION
    first = Bottleneck(channels, planes, stride, dilation, widen)
    rest = [Bottleneck(planes * _EXPANSION, planes, 1, dilation, False) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class PyramidPooling(nn.Module):
    """Averages over 1, 4, 9 and 36 cells, laid beside the features (PSPNet, arXiv:1612.01105)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), *_activated(channels, width)) for size in _POOLED_SIZES
        )
        self.bottleneck = _activated(channels + len(_POOLED_SIZES) * width, width, 3)

    def forward(self, features: Tensor) -> Tensor:
        pooled = [_enlarge(stage(features), features.shape[2:]) for stage in self.stages]
        return self.bottleneck(torch.cat([*pooled, features], 1))


class EdgeBranch(nn.Module):
    """Edge logits and the features they are made from, at the first level's size."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (_activated(level, width) for level in channels)
        self.conv4 = nn.Conv2d(width, _EDGE_CLASSES, 3, padding=1)
        self.conv5 = nn.Conv2d(_EDGE_CLASSES * len(channels), _EDGE_CLASSES, 1)

    def forward(self, *levels: Tensor) -> tuple[Tensor, Tensor]:
        size = levels[0].shape[2:]
        features = [conv(level) for conv, level in zip((self.conv1, self.conv2, self.conv3), levels, strict=True)]
        edges = torch.cat([_enlarge(self.conv4(level), size) for level in features], 1)
        return self.conv5(edges), torch.cat([_enlarge(level, size) for level in features], 1)


class Decoder(nn.Module):
    """Parsing logits and the features they are made from."""

    def __init__(self, context: int, channels: int, widths: Widths) -> None:
        super().__init__()
        self.conv1 = _activated(context, widths.decoder)
        self.conv2 = _activated(channels, widths.skip)
        first = _activated(widths.decoder + widths.skip, widths.decoder)
        self.conv3 = nn.Sequential(*first, *_activated(widths.decoder, widths.decoder))
        self.conv4 = nn.Conv2d(widths.decoder, widths.classes, 1)

    def forward(self, context: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([_enlarge(self.conv1(context), level.shape[2:]), self.conv2(level)], 1)
        features = self.conv3(joined)
        return self.conv4(features), features


class ACE2P(nn.Module):
    """Photo [b 3 s s] → logits at a quarter of the size: parsing [b c h w], fusion [b c h w], edges [b 2 h w].

    The result is the fusion; parsing and edges are its parts, in the order in which the ONNX files give them.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, second, third = widths.stem
        self.conv1 = nn.Conv2d(3, first, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(third)
        levels = [planes * _EXPANSION for planes in widths.planes]
        strides, dilations, inputs = (1, 2, 2, 1), (1, 1, 1, 2), (third, *levels)
        stages = [
            _stage(inputs[i], widths.planes[i], widths.blocks[i], strides[i], dilations[i]) for i in range(len(levels))
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.context_encoding = PyramidPooling(levels[3], widths.context)
        self.edge = EdgeBranch(levels[:3], widths.edge)
        self.decoder = Decoder(widths.context, levels[0], widths)
        joined = _activated(widths.decoder + 3 * widths.edge, widths.fusion)
        # Dropout keeps its place in the sequence, as the last convolution's name counts it.
        self.fushion = nn.Sequential(*joined, nn.Dropout2d(0.1), nn.Conv2d(widths.fusion, widths.classes, 1))

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = functional.relu(self.bn1(self.conv1(photo)))
        features = functional.relu(self.bn2(self.conv2(features)))
        features = functional.relu(self.bn3(self.conv3(features)))
        level1 = self.layer1(functional.max_pool2d(features, 3, 2, padding=1))
        level2 = self.layer2(level1)
        level3 = self.layer3(level2)
        parsing, parsing_features = self.decoder(self.context_encoding(self.layer4(level3)), level1)
        edges, edge_features = self.edge(level1, level2, level3)
        return parsing, self.fushion(torch.cat([parsing_features, edge_features], 1)), edges


def from_state(state: Mapping[str, Tensor]) -> ACE2P:
    """The network of a checkpoint's weights, in evaluation mode; `module.` before keys is dropped.

    Raises KeyError or RuntimeError for weights that aren't a whole A-CE2P.
    """
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    network = ACE2P(Widths.of(plain))
    missing, unexpected = network.load_state_dict(plain, strict=False)
    absent = [key for key in missing if not key.endswith("num_batches_tracked")]  # older than that counter
    if absent or unexpected:
        raise KeyError(f"{len(absent)} keys are missing, {len(unexpected)} unknown, such as {(absent + unexpected)[0]}")
    return network.eval()
