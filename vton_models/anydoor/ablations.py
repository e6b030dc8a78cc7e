"""What the paper compares with the high-frequency map in the box of the collage (arXiv:2307.09481).

How strong the noise is and how large the patches are isn't published: the values here are ours.
"""

from collections.abc import Callable

import numpy as np

from annotators.functional.placement import collage
from annotators.functional.placement.collage import Reference

NOISE = 0.2  # of the range of values: the standard deviation of what is added to an object
PATCH = 28  # pixels of the 224 along a side of the patches that are exchanged, so 8×8 of them


def high_frequency(reference: Reference, draws: np.random.Generator) -> np.ndarray:
    """uint8 [224 224 3]: the published contents."""
    return collage.details(reference)


def zeros(reference: Reference, draws: np.random.Generator) -> np.ndarray:
    """Nothing of the object: black."""
    return np.zeros_like(reference.image)


def whole_object(reference: Reference, draws: np.random.Generator) -> np.ndarray:
    """The object on black."""
    return np.where(reference.mask[..., None] >= 128, reference.image, np.uint8(0))


def noised(reference: Reference, draws: np.random.Generator) -> np.ndarray:
    """The object on black, with Gaussian noise on the object."""
    noise = draws.normal(0, 255 * NOISE, reference.image.shape)
    noisy = np.clip(np.rint(reference.image + noise), 0, 255).astype(np.uint8)
    return np.where(reference.mask[..., None] >= 128, noisy, np.uint8(0))


def shuffled(reference: Reference, draws: np.random.Generator) -> np.ndarray:
    """The object on black, its patches in another order."""
    picture = whole_object(reference, draws)
    count = len(picture) // PATCH
    patches = picture.reshape(count, PATCH, count, PATCH, 3).swapaxes(1, 2).reshape(count**2, PATCH, PATCH, 3)
    mixed = patches[draws.permutation(count**2)].reshape(count, count, PATCH, PATCH, 3)
    return np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(picture.shape))


CONTENTS: dict[str, Callable[[Reference, np.random.Generator], np.ndarray]] = {
    "high_frequency": high_frequency,
    "object": whole_object,
    "noised": noised,
    "shuffled": shuffled,
    "zeros": zeros,
}
