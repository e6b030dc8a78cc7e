"""Boxes: (x0, y0, x1, y1) in pixels, x1 and y1 exclusive, so that `image[y0:y1, x0:x1]` is the box."""

import cv2
import numpy as np

Box = tuple[int, int, int, int]


def of_mask(mask: np.ndarray) -> Box | None:
    """Smallest box around the set pixels of a mask uint8 [h w]; None when nothing is set."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask))
    return (x, y, x + width, y + height) if width else None


def crop(image: np.ndarray, box: Box) -> np.ndarray:
    """View of the box's part of an array [h w …]."""
    x0, y0, x1, y1 = box
    return image[y0:y1, x0:x1]


def shift(box: Box, x: int, y: int) -> Box:
    """The box moved right by `x` and down by `y`."""
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def clip(box: Box, height: int, width: int) -> Box:
    """The part of the box inside a frame."""
    x0, y0, x1, y1 = box
    x0, y0 = min(max(x0, 0), width), min(max(y0, 0), height)
    return x0, y0, min(max(x1, x0), width), min(max(y1, y0), height)


def grow(box: Box, pixels: int) -> Box:
    """`pixels` more on every side; may leave the frame."""
    x0, y0, x1, y1 = box
    return x0 - pixels, y0 - pixels, x1 + pixels, y1 + pixels


def union(a: Box, b: Box) -> Box:
    """Smallest box around both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def fit(height: int, width: int, frame_height: int, frame_width: int) -> tuple[int, int]:
    """(height, width) of a picture scaled, up or down, to fit inside a frame with its aspect kept; at least 1."""
    scale = min(frame_height / height, frame_width / width)
    return max(1, round(height * scale)), max(1, round(width * scale))
