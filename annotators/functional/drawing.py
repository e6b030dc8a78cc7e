"""Lines on pictures, for people who look at them: a mask's outline."""

import cv2
import numpy as np

Colour = tuple[int, int, int]  # RGB


def outlined(picture: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """The picture uint8 [h w 3] with a line along the edges of the mask [h w] (non-zero = set), holes' edges too.

    Raises ValueError when the sizes differ.
    """
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"mask of {mask.shape} for a picture of {picture.shape[:2]}")
    contours, _ = cv2.findContours(np.asarray(mask != 0, np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = picture.copy()
    cv2.drawContours(drawn, contours, -1, colour, thickness(picture))
    return drawn


def contours(mask: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """Edges of a mask [h w] (non-zero = set), holes' too: closed polygons int32 [n 2] of x, y in a frame of this size.

    They stay within 0.7 pixels of the edge; of a speck, which has no three corners, there is none.
    """
    reduced = cv2.resize(np.asarray(mask != 0, np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA)
    edges, _ = cv2.findContours(np.asarray(reduced >= 128, np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    simple = (cv2.approxPolyDP(edge, 0.7, closed=True)[:, 0] for edge in edges)
    return [polygon for polygon in simple if len(polygon) > 2]


def thickness(picture: np.ndarray) -> int:
    """Pixels of a line that is still seen when the picture is made small: a 150th of its longer side."""
    return max(1, round(max(picture.shape[:2]) / 150))
