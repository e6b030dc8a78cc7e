"""Between ComfyUI's tensors, float in 0–1 with a batch axis, and arrays uint8 without one."""

import numpy as np
import torch
from torch import Tensor


def picture(image: Tensor) -> np.ndarray:
    """uint8 [h w 3] of the first picture of an IMAGE [b h w c]."""
    return levels(image)[..., :3].copy()


def levels(values: Tensor) -> np.ndarray:
    """uint8 of the first of a batch; of a MASK [b h w], or [h w] as some nodes give it, 0–255 [h w]."""
    first = values if values.ndim == 2 else values[0]
    return np.asarray((first.detach().float().cpu().clamp(0, 1) * 255).round().byte())


def image(pixels: np.ndarray) -> Tensor:
    """IMAGE float [1 h w 3] of uint8 [h w 3]."""
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]


def mask(pixels: np.ndarray) -> Tensor:
    """MASK float [1 h w] of uint8 [h w] 0/255."""
    return image(pixels)
