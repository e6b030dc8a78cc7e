"""ResNet-50 (He 2016, arXiv:1512.03385) with a feature pyramid (Lin 2017, arXiv:1612.03144), batch norm frozen."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = {"res2": (3, 64), "res3": (4, 128), "res4": (6, 256), "res5": (3, 512)}  # blocks, inner channels
CHANNELS = 256  # of every pyramid level
STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32, "p6": 64}  # image pixels per cell


class FrozenBatchNorm(nn.Module):
    """The fixed statistics of one batch norm, held under the checkpoint's names; `Conv` folds them in."""

    weight: Tensor  # each [channels]
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Two vectors [channels] so that norm(x) = x * scale + shift."""
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return scale, self.bias - self.running_mean * scale


class Conv(nn.Conv2d):
    """Convolution and frozen batch norm as one convolution.

    Folding at each call costs 1 % of a forward pass and needs no copy of the weights that could go stale.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
        super().__init__(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.norm = FrozenBatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b out h/stride w/stride]."""
        scale, shift = self.norm.scale_and_shift()
        return F.conv2d(x, self.weight * scale[:, None, None, None], shift, self.stride, self.padding)


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv(3, 64, 7, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[b 3 h w] -> [b 64 h/4 w/4]."""
        return F.max_pool2d(self.conv1(x).relu_(), kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """The stride lies in the first 1x1 convolution, as in the original Caffe models."""

    def __init__(self, in_channels: int, inner: int, stride: int):
        super().__init__()
        out_channels = 4 * inner
        self.shortcut = Conv(in_channels, out_channels, 1, stride) if in_channels != out_channels else nn.Identity()
        self.conv1 = Conv(in_channels, inner, 1, stride)
        self.conv2 = Conv(inner, inner, 3)
        self.conv3 = Conv(inner, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b c h w] -> [b 4*inner h/stride w/stride]."""
        y: Tensor = self.conv1(x).relu_()
        y = self.conv2(y).relu_()
        y = self.conv3(y)
        return y.add_(self.shortcut(x)).relu_()


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        in_channels = 64
        for name, (blocks, inner) in STAGES.items():
            stride = 1 if name == "res2" else 2
            first = Bottleneck(in_channels, inner, stride)
            in_channels = 4 * inner
            self.add_module(name, nn.Sequential(first, *(Bottleneck(in_channels, inner, 1) for _ in range(blocks - 1))))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[b 3 h w] -> res2 to res5, [b 256 h/4 w/4] to [b 2048 h/32 w/32]."""
        x = self.stem(x)
        features = {}
        for name in STAGES:
            features[name] = x = self.get_submodule(name)(x)
        return features


class FeaturePyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bottom_up = ResNet50()
        for level, (_, inner) in zip((2, 3, 4, 5), STAGES.values(), strict=True):
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(4 * inner, CHANNELS, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images [b 3 h w], BGR 0-255 minus the mean, sides multiples of 32 -> p2 to p6, [b 256 h/stride w/stride]."""
        features = self.bottom_up(x)
        pyramid = {}
        merged = None
        for level in (5, 4, 3, 2):  # top-down
            lateral = self.get_submodule(f"fpn_lateral{level}")(features[f"res{level}"])
            merged = (
                lateral if merged is None else lateral.add_(F.interpolate(merged, scale_factor=2.0, mode="nearest"))
            )
            pyramid[f"p{level}"] = self.get_submodule(f"fpn_output{level}")(merged)
        pyramid["p6"] = pyramid["p5"][:, :, ::2, ::2]
        return {name: pyramid[name] for name in STRIDES}
