"""CLIP's vision tower (arXiv:2103.00020): what a picture of a garment looks like, as one vector or as tokens.

Whole CLIP repositories hold it as well as folders of its own. Its pixels are made here with Pillow and NumPy, as
transformers' PIL processor makes them.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vton_models.networks.components import Network

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Arguments = dict[str, Any]

VIT_L: Arguments = {  # openai/clip-vit-large-patch14's
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
VIT_H: Arguments = {  # laion/CLIP-ViT-H-14-laion2B-s32B-b79K's, which IP-Adapter brings
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 1024,
    "hidden_act": "gelu",
}
TINY: Arguments = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 16,
    "hidden_act": "quick_gelu",
}

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]


def network(arguments: Mapping[str, Any]) -> Network:
    """The tower of these arguments, `VIT_L` or others, with its projection."""
    return Network("transformers.CLIPVisionModelWithProjection", dict(arguments))


def pixels(image: np.ndarray, size: int = 224) -> np.ndarray:
    """uint8 [h w 3] → float32 [3 size size]: the shorter side brought to `size` by bicubic, the middle cut out."""
    cropped = shown(image, size)
    scaled = (cropped.transpose(2, 0, 1) * (1 / 255)).astype(np.float32)
    return np.ascontiguousarray((scaled - _MEAN) / _STD)


def shown(image: np.ndarray, size: int = 224) -> np.ndarray:
    """uint8 [size size 3]: the part of a picture that the encoder sees, before its values are normalised."""
    height, width = image.shape[:2]
    short = min(height, width)
    scaled = (int(size * width / short), int(size * height / short))
    resized = np.asarray(Image.fromarray(image).resize(scaled, Image.Resampling.BICUBIC))
    top, left = (resized.shape[0] - size) // 2, (resized.shape[1] - size) // 2
    return resized[top : top + size, left : left + size]


def normalized(pictures: "Tensor") -> "Tensor":
    """uint8 [b 3 s s], of `shown`, → float32, what `pixels` gives; so that batches travel as bytes."""
    mean, std = _on_device(pictures.device)
    return (pictures.float() / 255 - mean) / std


@cache
def _on_device(device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Mean and deviation, sent once."""
    import torch

    return torch.from_numpy(_MEAN).to(device), torch.from_numpy(_STD).to(device)
