"""CatVTON's composite of a person and a result (Zheng-Chong/CatVTON, `utils.py`, `repaint`)."""

import numpy as np
from PIL import Image, ImageFilter

from vton_models.networks import pictures


def repaint(person: np.ndarray, mask: np.ndarray, result: np.ndarray) -> np.ndarray:
    """`person` outside the mask, `result` inside, mixed over a blurred border.

    The Gaussian's radius is a fiftieth of the height, made odd. Person uint8 [h w 3] (LANCZOS) and mask [h w]
    (nearest) are brought to the result's size.
    """
    size = result.shape[:2]
    blur = ImageFilter.GaussianBlur(size[0] // 50 + (size[0] // 50 + 1) % 2)
    grown = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST).filter(blur)
    share = np.asarray(grown)[..., None] / 255
    return (pictures.stretch(person, size) * (1 - share) + result * share).astype(np.uint8)
