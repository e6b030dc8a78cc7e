"""U²-Net (arXiv:2005.09007) as Magic Clothing uses it: a flat garment photo in, upper, lower and full-body garment out.

Module names are those of the published file, `cloth_segm.pth`. Importing this module imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from annotators.networks import transformers_models

BACKGROUND, UPPER, LOWER, FULL_BODY = range(4)
SIDE = 768  # of the network's square input


class ConvNorm(nn.Module):
    """3×3 convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn_s1(self.conv_s1(x)))


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, 2, ceil_mode=True)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Block(nn.Module):
    """A small U-Net with a residual: `depth` encoders, the last of them dilated, and `depth - 1` decoders.

    With `dilated` (RSU-4F) nothing is pooled: dilations 1, 2, 4, 8 widen the view instead.
    """

    def __init__(self, depth: int, channels_in: int, width: int, channels_out: int, dilated: bool = False) -> None:
        super().__init__()
        self.depth, self.dilated = depth, dilated
        dilations = [2**i for i in range(depth)] if dilated else [1] * (depth - 1) + [2]
        self.rebnconvin = ConvNorm(channels_in, channels_out)
        for number, dilation in enumerate(dilations, 1):
            self.add_module(f"rebnconv{number}", ConvNorm(channels_out if number == 1 else width, width, dilation))
        for number in range(depth - 1, 0, -1):
            out = channels_out if number == 1 else width
            self.add_module(f"rebnconv{number}d", ConvNorm(2 * width, out, dilations[number - 1] if dilated else 1))

    def forward(self, x: Tensor) -> Tensor:
        entrance = self.rebnconvin(x)
        levels = [self.get_submodule("rebnconv1")(entrance)]
        for number in range(2, self.depth + 1):
            pooled = levels[-1] if self.dilated or number == self.depth else _halve(levels[-1])
            levels.append(self.get_submodule(f"rebnconv{number}")(pooled))
        decoded = levels.pop()
        for number in range(self.depth - 1, 0, -1):
            level = levels.pop()
            decoded = self.get_submodule(f"rebnconv{number}d")(torch.cat([_enlarge(decoded, level), level], 1))
        return decoded + entrance


# (depth, inner width, output channels, dilated) of the published network's six encoders and five decoders
_ENCODERS = (
    (7, 32, 64, False), (6, 32, 128, False), (5, 64, 256, False), (4, 128, 512, False), (4, 256, 512, True),
    (4, 256, 512, True),
)  # fmt: skip
_DECODERS = ((7, 16, 64, False), (6, 32, 64, False), (5, 64, 128, False), (4, 128, 256, False), (4, 256, 512, True))


@dataclass(frozen=True)
class Widths:
    """Per stage: (depth, inner width, output channels, dilated); decoders from the shallowest to the deepest."""

    encoders: tuple[tuple[int, int, int, bool], ...] = _ENCODERS
    decoders: tuple[tuple[int, int, int, bool], ...] = _DECODERS
    classes: int = 4

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "Widths":
        """The published depths, with the channels of a state dict. Raises KeyError for one of another network."""

        def read(name: str, depth: int, dilated: bool) -> tuple[int, int, int, bool]:
            width, out = (state[f"{name}.{part}.conv_s1.weight"].shape[0] for part in ("rebnconv1", "rebnconvin"))
            return depth, width, out, dilated

        encoders = tuple(read(f"stage{i}", block[0], block[3]) for i, block in enumerate(_ENCODERS, 1))
        decoders = tuple(read(f"stage{i}d", block[0], block[3]) for i, block in enumerate(_DECODERS, 1))
        return cls(encoders, decoders, state["outconv.weight"].shape[0])


class U2Net(nn.Module):
    """Photo [b 3 h w] in −1–1 → logits [b classes h w]: the fused output, the first of upstream's seven."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        channels = 3
        for number, (depth, width, out, dilated) in enumerate(widths.encoders, 1):
            self.add_module(f"stage{number}", Block(depth, channels, width, out, dilated))
            channels = out
        below = channels
        for number in range(len(widths.decoders), 0, -1):
            depth, width, out, dilated = widths.decoders[number - 1]
            self.add_module(
                f"stage{number}d", Block(depth, below + widths.encoders[number - 1][2], width, out, dilated)
            )
            below = out
        sides = [block[2] for block in widths.decoders] + [widths.encoders[-1][2]]
        for number, side in enumerate(sides, 1):
            self.add_module(f"side{number}", nn.Conv2d(side, widths.classes, 3, padding=1))
        self.outconv = nn.Conv2d(len(sides) * widths.classes, widths.classes, 1)
        self.count = len(widths.encoders)

    def forward(self, photo: Tensor) -> Tensor:
        levels = [self.get_submodule("stage1")(photo)]
        for number in range(2, self.count + 1):
            levels.append(self.get_submodule(f"stage{number}")(_halve(levels[-1])))
        decoded = [levels.pop()]
        for number in range(self.count - 1, 0, -1):
            level = levels.pop()
            joined = torch.cat([_enlarge(decoded[0], level), level], 1)
            decoded.insert(0, self.get_submodule(f"stage{number}d")(joined))
        sides = [self.get_submodule(f"side{number}")(level) for number, level in enumerate(decoded, 1)]
        return self.outconv(torch.cat([_enlarge(side, sides[0]) for side in sides], 1))


@dataclass(frozen=True)
class GarmentSegmenter:
    network: U2Net
    device: torch.device
    side: int = SIDE

    def segment(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """uint8 [h w] for each photo uint8 [h w 3] RGB, at its size: 0 background, 1 upper, 2 lower, 3 full body."""
        return [
            _resize(square, photo, Image.Resampling.NEAREST)
            for square, photo in zip(self._squares(photos), photos, strict=True)
        ]

    def masks(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """uint8 [h w] 0/255 for each photo uint8 [h w 3] RGB: any garment, resized as Magic Clothing does (bicubic)."""
        squares = [np.where(square != BACKGROUND, np.uint8(255), np.uint8(0)) for square in self._squares(photos)]
        grey = [_resize(mask, photo, Image.Resampling.BICUBIC) for mask, photo in zip(squares, photos, strict=True)]
        return [np.where(mask >= 128, np.uint8(255), np.uint8(0)) for mask in grey]

    def _squares(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 [b side side] labels of the photos, stretched."""
        half = self.device.type == "cuda"
        # On the CPU one at a time: no slower, and rounding doesn't depend on the batch.
        batches = torch.stack([_input(photo, self.side) for photo in photos]).split(len(photos) if half else 1)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.float16, enabled=half):
            squares = [self.network(batch.to(self.device)).argmax(1).to(torch.uint8) for batch in batches]
        return torch.cat(squares).cpu().numpy()


def _resize(square: np.ndarray, photo: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    return np.array(Image.fromarray(square).resize(photo.shape[1::-1], resampling))


def _input(photo: np.ndarray, side: int) -> Tensor:
    """float32 [3 side side] in −1–1, stretched (Pillow, bicubic)."""
    square = np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return torch.from_numpy(square / 127.5 - 1).permute(2, 0, 1).contiguous()


def load(path: Path | str, device: str = "cpu") -> GarmentSegmenter:
    """The segmenter of `cloth_segm.pth` (keys may begin with `module.`), or of such weights as safetensors.

    Raises ValueError for a device this machine lacks, or a file that isn't such a network.
    """
    where, path = transformers_models.torch_device(device), Path(path)
    with transformers_models.readable("u2net_cloth", path):
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)  # tensors only: a pickle runs nothing
        network = from_state(state)
    return GarmentSegmenter(network.to(where), where)


def from_state(state: Mapping[str, Tensor]) -> U2Net:
    """The network of these weights, in evaluation mode. Raises KeyError or RuntimeError for other weights."""
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    network = U2Net(Widths.of(plain))
    network.load_state_dict(plain)
    return network.eval()
