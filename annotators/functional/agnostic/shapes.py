"""Shapes as Pillow draws them (lines have butt ends, coordinates are cut to integers): other libraries draw others."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from annotators.functional import boxes, masks

Point = tuple[int, int]


def reached(label_map: np.ndarray, points: Sequence[Point], around_points: int, around: int) -> boxes.Box | None:
    """Box of all that a recipe can set: labels and points with `around_points` pixels, and `around` pixels more.

    Cut at the frame; None where there is neither. To work inside it alone changes no pixel and saves half the time.
    """
    box = boxes.of_mask(label_map)
    if points:
        drawn = _box_around(points, around_points)
        box = drawn if box is None else boxes.union(box, drawn)
    if box is None:
        return None
    x0, y0, x1, y1 = box = boxes.clip(boxes.grow(box, around), *label_map.shape)
    return box if x0 < x1 and y0 < y1 else None


def arm(line: Sequence[Point], width: int, from_end: bool, shape: tuple[int, ...]) -> tuple[np.ndarray, boxes.Box]:
    """uint8 0/255 along a line with a disc at its start, and the box of the frame [h w] where it lies.

    A line of even width lies to one side of its points, so its direction tells.
    """
    box = boxes.clip(_box_around(line, width), *shape)
    x0, y0, x1, y1 = box
    if x0 == x1 or y0 == y1:
        return np.zeros((y1 - y0, x1 - x0), np.uint8), box
    shifted = [(x - x0, y - y0) for x, y in line]
    canvas = Canvas(y1 - y0, x1 - x0)
    canvas.curve(shifted[::-1] if from_end else shifted, width)
    canvas.disc(shifted[0], width // 2)
    return np.asarray(canvas.image) * np.uint8(255), box


def _box_around(points: Sequence[Point], margin: int) -> boxes.Box:
    (x0, y0), (x1, y1) = np.min(points, axis=0).tolist(), np.max(points, axis=0).tolist()
    return boxes.grow((x0, y0, x1 + 1, y1 + 1), margin)


class Canvas:
    """Union of Pillow shapes on one byte per pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.image = Image.new("L", (width, height))
        self.draw = ImageDraw.Draw(self.image)

    def line(self, start: np.ndarray, end: np.ndarray, width: int) -> None:
        self.draw.line((*start, *end), 1, width)

    def curve(self, points: Sequence[Point], width: int) -> None:
        """A line through points, its bends rounded; none through fewer than two."""
        if len(points) > 1:
            self.draw.line(list(points), 1, width, "curve")

    def disc(self, centre: Point, radius: int) -> None:
        """A whole arc as thick as its radius: not quite the pixels of an ellipse."""
        x, y = centre
        self.draw.arc((x - radius, y - radius, x + radius, y + radius), 0, 360, 1, radius)

    def ellipse(self, centre: np.ndarray, a: int, b: int) -> None:
        """Axis-aligned, half-axes `a` across and `b` down."""
        x, y = centre
        self.draw.ellipse((x - a, y - b, x + a, y + b), 1)

    def rectangle(self, anchor: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Corners at `anchor` + `start` and + `end`, both included."""
        x, y = anchor
        self.draw.rectangle((x + start[0], y + start[1], x + end[0], y + end[1]), 1)

    def polygon(self, corners: Sequence[np.ndarray]) -> None:
        self.draw.polygon([tuple(corner) for corner in corners], 1)

    def drawn(self, shape: tuple[int, ...], box: boxes.Box | None = None) -> np.ndarray:
        """New uint8 array, 1 where drawn: [h w] of the given shape, or the part of it in `box`."""
        if self.image.size == shape[::-1]:
            return np.array(self.image.crop(box) if box else self.image)
        drawn = masks.resize(np.asarray(self.image), *shape)
        return boxes.crop(drawn, box) if box else drawn
