"""Motion between two pictures, and the part of it that the camera makes."""

from typing import Any

import cv2
import numpy as np

GRID = 8  # pixels between the points that tell the camera's motion


def flow(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """float32 [h w 2], x and y, from one picture uint8 [h w 3] RGB to another: DIS (Kroeger et al., ECCV 2016)."""
    calculate: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (start, end)]
    return np.asarray(calculate(*grey, None))


def camera(moved: np.ndarray) -> np.ndarray:
    """float32 [h w 2], x and y: where an affine map that most of a flow [h w 2] agrees on takes each pixel."""
    height, width = moved.shape[:2]
    rows, columns = (axis.ravel() for axis in np.mgrid[GRID // 2 : height : GRID, GRID // 2 : width : GRID])
    starts = np.stack([columns, rows], 1).astype(np.float32)
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffine2D(starts, starts + moved[rows, columns], method=cv2.LMEDS)
    matrix = np.eye(2, 3) if matrix is None else matrix
    y, x = np.mgrid[:height, :width].astype(np.float32)
    there = [matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] for axis in (0, 1)]
    return np.stack(there, 2).astype(np.float32)


def places(height: int, width: int) -> np.ndarray:
    """float32 [h w 2], x and y of each pixel."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], 2)


def change(here: np.ndarray, other: np.ndarray, there: np.ndarray) -> np.ndarray:
    """float32 [h w], of 255: how each pixel's colour differs from that of another picture where a map takes it."""
    warped = cv2.remap(other, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    smooth = [cv2.GaussianBlur(picture, (0, 0), 1).astype(np.float32) for picture in (here, warped)]
    return np.asarray(np.abs(smooth[0] - smooth[1]).max(axis=2))
