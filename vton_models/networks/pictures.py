"""Photos and masks brought to a network's size, and back onto the photo: uint8 [h w 3] and [h w] in, uint8 out."""

import numpy as np
import torch
from PIL import Image

Size = tuple[int, int]  # height, width


def stretch(image: np.ndarray, size: Size, resample: Image.Resampling = Image.Resampling.LANCZOS) -> np.ndarray:
    """To `size`, aspect not kept, by LANCZOS as diffusers' VaeImageProcessor; a picture of that size is returned."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size[::-1], resample))


def binary(mask: np.ndarray) -> np.ndarray:
    """A resized mask [h w]: 255 where it is at least half set, else 0."""
    return np.where(mask >= 128, np.uint8(255), np.uint8(0))


def centre(photo: Size, size: Size) -> tuple[int, int, int, int]:
    """The middle of a photo that has the aspect of `size`, x0 y0 x1 y1: whole pixels, rounded down."""
    (height, width), (wanted_height, wanted_width) = photo, size
    top, left = height, width
    if width * wanted_height < height * wanted_width:
        height = max(1, width * wanted_height // wanted_width)
    else:
        width = max(1, height * wanted_width // wanted_height)
    top, left = (top - height) // 2, (left - width) // 2
    return left, top, left + width, top + height


def cover(image: np.ndarray, size: Size) -> np.ndarray:
    """The middle of a picture [h w 3] that has the aspect of `size`, by LANCZOS at `size`."""
    left, top, right, bottom = centre((image.shape[0], image.shape[1]), size)
    return stretch(np.ascontiguousarray(image[top:bottom, left:right]), size)


def fit_on_white(image: np.ndarray, size: Size) -> np.ndarray:
    """Fits the whole picture [h w 3] inside `size` by LANCZOS, in the middle of a white canvas."""
    (height, width), (wanted_height, wanted_width) = image.shape[:2], size
    if width * wanted_height < height * wanted_width:
        inner = wanted_height, max(1, width * wanted_height // height)
    else:
        inner = max(1, height * wanted_width // width), wanted_width
    canvas = np.full((*size, 3), 255, np.uint8)
    top, left = (wanted_height - inner[0]) // 2, (wanted_width - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = stretch(image, inner)
    return canvas


def to_tensor(picture: np.ndarray) -> torch.Tensor:
    """[h w 3] or [h w] → uint8 [3 h w] or [1 h w], contiguous: GroupNorm on a CPU is less exact on channels-last."""
    planes = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
    return torch.from_numpy(planes.copy(order="C"))


def to_array(image: torch.Tensor) -> np.ndarray:
    """float [3 h w] in [0, 1] → uint8 [h w 3], rounded to the nearest level."""
    return (image.float() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy().copy()
