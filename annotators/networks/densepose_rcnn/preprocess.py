"""Photos to network inputs: shortest edge resized, mean subtracted, zero-padded."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

PIXEL_MEAN = (103.53, 116.28, 123.675)  # BGR, ImageNet; the standard deviation is 1
MULTIPLE = 32


def resized_size(height: int, width: int, min_size: int, max_size: int) -> tuple[int, int]:
    """(height, width) with the shorter edge at min_size, or the longer at max_size where it would exceed that."""
    scale = min_size / min(height, width)
    new_height, new_width = (min_size, scale * width) if height < width else (scale * height, min_size)
    longest = max(new_height, new_width)
    if longest > max_size:
        new_height, new_width = (side * (max_size / longest) for side in (new_height, new_width))
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Both sides rounded up to multiples of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE


def resize(image: np.ndarray, min_size: int, max_size: int) -> np.ndarray:
    """uint8 [h w 3] -> uint8 [h' w' 3], bilinear with Pillow's low-pass filter."""
    height, width = resized_size(image.shape[0], image.shape[1], min_size, max_size)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def stack(images: Sequence[np.ndarray | Tensor]) -> Tensor:
    """Resized photos uint8 [h w 3] RGB of one padded size -> float32 [b 3 H W] BGR minus the mean, channels-last.

    Tensors may lie on a device, where the result then is.
    """
    flipped = [_flip(image) for image in images]
    batch = torch.zeros(len(images), *padded_size(*images[0].shape[:2]), 3, device=flipped[0].device)
    mean = torch.tensor(PIXEL_MEAN, device=batch.device)
    for target, bgr in zip(batch, flipped, strict=True):
        target[: bgr.shape[0], : bgr.shape[1]].copy_(bgr).sub_(mean)
    return batch.permute(0, 3, 1, 2)


def _flip(image: np.ndarray | Tensor) -> Tensor:
    """BGR for RGB; on the host by OpenCV, a hundredth of the time of strided copies."""
    if isinstance(image, Tensor) and image.device.type != "cpu":
        return image.flip(2)
    return torch.from_numpy(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR))
