"""IDM-VTON's augmentations (arXiv:2403.05139; yisol/IDM-VTON, `train_xl.py`), each with probability one half.

Colours change in [0, 1]: upstream's loader did it in [-1, 1], where every dark pixel was cut off. Flipping swaps no
colours of DensePose, as upstream.
"""

import cv2
import numpy as np
import torch

Pictures = dict[str, np.ndarray]  # person, pose, garment uint8 [h w 3] and mask [h w]

_ALIGNED = {"person": 128, "mask": 0, "pose": 0}  # what lies beside the photo, and what is beyond its border
_WORN = ("person", "garment")
_CONTRAST, _BRIGHTNESS, _HUE, _SATURATION = (0.7, 1.3), (0.5, 1.5), (-0.5, 0.5), (0.5, 1.5)
_SCALE, _SHIFT = (0.8, 1.2), (-0.2, 0.2)
_LUMA = np.array([0.2989, 0.587, 0.114], np.float32)


def augment(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Flip all; jitter colours of person and garment alike; scale and shift what lies on the person's photo.

    Every draw is made whether it is used or not, so that each depends on the generator alone.
    """
    flips, jitters, scales, shifts = (torch.rand(4, generator=generator) < 0.5).tolist()
    factors = [_draw(limits, generator) for limits in (_CONTRAST, _BRIGHTNESS, _HUE, _SATURATION)]
    scale, across, down = (_draw(limits, generator) for limits in (_SCALE, _SHIFT, _SHIFT))
    changed = dict(pictures)
    if flips:
        changed = {name: np.ascontiguousarray(picture[:, ::-1]) for name, picture in changed.items()}
    if jitters:
        changed |= {name: jitter(changed[name], *factors) for name in _WORN}
    if scales:
        changed |= {name: move(changed[name], scale, 0, 0, beyond) for name, beyond in _ALIGNED.items()}
    if shifts:
        changed |= {name: move(changed[name], 1, across, down, beyond) for name, beyond in _ALIGNED.items()}
    return changed


def jitter(picture: np.ndarray, contrast: float, brightness: float, hue: float, saturation: float) -> np.ndarray:
    """uint8 [h w 3], changed in this order as torchvision does; `hue` is a share of the colour circle."""
    pixels: np.ndarray = picture.astype(np.float32) / 255
    pixels = _blend(pixels, np.float32((pixels @ _LUMA).mean()), contrast)
    pixels = _blend(pixels, np.float32(0), brightness)
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
    pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    pixels = _blend(pixels, (pixels @ _LUMA)[..., None], saturation)
    return (pixels * 255).round().astype(np.uint8)


def move(picture: np.ndarray, scale: float, across: float, down: float, beyond: int) -> np.ndarray:
    """Scaled about its middle and shifted by shares of its width and height, nearest; `beyond` where nothing is."""
    height, width = picture.shape[:2]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = middle - scale * middle + [across * width, down * height]
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=(beyond,) * 3)


def _blend(pixels: np.ndarray, other: np.ndarray | np.float32, share: float) -> np.ndarray:
    return np.clip(share * pixels + (1 - share) * other, 0, 1).astype(np.float32)


def _draw(limits: tuple[float, float], generator: torch.Generator) -> float:
    low, high = limits
    return low + (high - low) * float(torch.rand((), generator=generator))
