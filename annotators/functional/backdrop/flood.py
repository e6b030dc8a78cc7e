"""Floods: what can be reached from somewhere. Regions are bool [h w]."""

import cv2
import numpy as np


def reached(start: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`start`, and what of `free` is connected to it (4-connected)."""
    count, ids = cv2.connectedComponents((free | start).view(np.uint8), connectivity=4)
    chosen = np.zeros(count, bool)
    chosen[ids[start]] = True
    chosen[0] = False
    return np.take(chosen, ids)


def reached_by_ball(start: np.ndarray, free: np.ndarray, walls: np.ndarray, radius: int) -> np.ndarray:
    """`start`, and where a square of 2 · `radius` + 1 pixels gets to that can't pass narrower gaps between `walls`.

    Corners that it is too large for are filled, up to its own size.
    """
    passable = free & ~walls
    rolled = reached(start, passable & ~grown(walls, radius))
    return reached(start, passable & grown(rolled, radius))


def grown(region: np.ndarray, radius: int) -> np.ndarray:
    """The region and all within `radius` pixels, by the larger of the two coordinates."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.dilate(region.view(np.uint8), kernel).view(bool)


def frame(height: int, width: int, thickness: int = 1) -> np.ndarray:
    """bool [h w]: the pixels along the photo's edge."""
    edge = np.ones((height, width), bool)
    edge[thickness:-thickness, thickness:-thickness] = False
    return edge
