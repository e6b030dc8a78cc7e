"""Words and emblems as vector shapes, so that no font decides what the pictures look like."""

from itertools import pairwise

import numpy as np

from pipelines.drawing.canvas import Colour
from pipelines.drawing.curves import Points, ellipse, mirror, spline, stroke, tube

# Pen strokes on a grid 4 wide and 6 high, y down; ")" curves are given by enough points for a spline.
_LETTERS: dict[str, list[list[tuple[float, float]]]] = {
    "A": [[(0, 6), (2, 0), (4, 6)], [(0.8, 4), (3.2, 4)]],
    "B": [[(0, 6), (0, 0), (2.6, 0), (3.6, 1.4), (2.6, 2.9), (0, 2.9)], [(2.6, 2.9), (4, 4.4), (2.8, 6), (0, 6)]],
    "C": [[(4, 1.2), (3, 0.1), (1.2, 0.2), (0, 2), (0, 4), (1.2, 5.8), (3, 5.9), (4, 4.8)]],
    "D": [[(0, 0), (0, 6), (2.2, 6), (4, 4.2), (4, 1.8), (2.2, 0), (0, 0)]],
    "E": [[(4, 0), (0, 0), (0, 6), (4, 6)], [(0, 3), (3.2, 3)]],
    "H": [[(0, 0), (0, 6)], [(4, 0), (4, 6)], [(0, 3), (4, 3)]],
    "I": [[(2, 0), (2, 6)]],
    "L": [[(0, 0), (0, 6), (4, 6)]],
    "M": [[(0, 6), (0, 0), (2, 3.4), (4, 0), (4, 6)]],
    "N": [[(0, 6), (0, 0), (4, 6), (4, 0)]],
    "O": [[(2, 0), (0.5, 1), (0, 3), (0.5, 5), (2, 6), (3.5, 5), (4, 3), (3.5, 1), (2, 0)]],
    "R": [[(0, 6), (0, 0), (2.8, 0), (4, 1.6), (2.8, 3.2), (0, 3.2)], [(1.8, 3.2), (4, 6)]],
    "S": [[(4, 1), (2.9, 0), (1, 0.1), (0.2, 1.5), (1.2, 2.8), (3, 3.3), (3.9, 4.6), (2.9, 5.9), (1, 6), (0, 5)]],
    "T": [[(0, 0), (4, 0)], [(2, 0), (2, 6)]],
    "U": [[(0, 0), (0, 4.2), (0.8, 5.6), (2, 6), (3.2, 5.6), (4, 4.2), (4, 0)]],
    "W": [[(0, 0), (1, 6), (2, 2.4), (3, 6), (4, 0)]],
    "Y": [[(0, 0), (2, 3), (4, 0)], [(2, 3), (2, 6)]],
}
_ROUND = "CSOU"
_ADVANCE = 5.6


def word(text: str, width: float, weight: float = 1.15) -> list[Points]:
    """Pen polygons of lines of capitals (split at spaces), centred on (0, 0), the longest line `width` wide."""
    lines = text.split()
    unit = width / (max(map(len, lines)) * _ADVANCE - _ADVANCE + 4)
    polygons = []
    for row, line in enumerate(lines):
        left = -(len(line) * _ADVANCE - _ADVANCE + 4) / 2
        top = (row - (len(lines) - 1) / 2) * 8.2 - 3
        for column, letter in enumerate(line):
            corner = np.array([left + column * _ADVANCE, top])
            polygons += [(pen + corner) * unit for pen in _pens(letter, weight)]
    return polygons


def _pens(letter: str, weight: float) -> list[Points]:
    half, pens = [weight / 2, weight / 2], []
    for points in _LETTERS[letter]:
        line = spline(points, closed=False, samples=4) if letter in _ROUND else np.array(points, np.float64)
        pens += [tube(np.array(span), half, round_start=True, round_end=True) for span in pairwise(line)]
    return pens


def star(radius: float, points: int = 5, inner: float = 0.45) -> Points:
    angle = np.arange(2 * points) * np.pi / points - np.pi / 2
    reach = np.where(np.arange(2 * points) % 2, inner, 1.0) * radius
    return np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1)


def heart(width: float) -> Points:
    half = [(0, -0.22), (0.16, -0.42), (0.4, -0.36), (0.5, -0.12), (0.36, 0.16), (0.14, 0.36), (0, 0.5)]
    return spline(mirror(half), samples=5) * width


def emblem(name: str) -> list[tuple[list[Points], Colour]]:
    """Coloured shapes of a picture about one unit wide, in painting order."""
    return {"sun": _sunset, "fruit": _lemon, "heart": _hearts, "star": _stars}[name]()


def _sunset() -> list[tuple[list[Points], Colour]]:
    disc = ellipse((0, 0), (0.5, 0.5), points=60)
    peak = np.array([(-0.46, 0.2), (-0.2, -0.14), (-0.06, 0.04), (0.14, -0.24), (0.46, 0.2), (0.3, 0.4), (-0.3, 0.4)])
    snow = np.array([(0.14, -0.24), (0.23, -0.12), (0.16, -0.09), (0.12, -0.13), (0.06, -0.1), (0.05, -0.125)])
    waves = [stroke([(-0.4, y), (-0.2, y - 0.03), (0, y), (0.2, y + 0.03), (0.4, y)], 0.035) for y in (0.27, 0.34)]
    sun = ellipse((-0.16, -0.2), (0.15, 0.15))
    return [
        ([disc], (248, 203, 120)), ([sun], (235, 96, 62)), ([peak], (44, 84, 104)), ([snow], (250, 246, 236)),
        (waves, (236, 244, 240)),
    ]  # fmt: skip


def _lemon() -> list[tuple[list[Points], Colour]]:
    body = spline(
        [(-0.5, 0.02), (-0.36, -0.2), (0, -0.31), (0.34, -0.2), (0.48, 0), (0.34, 0.2), (0, 0.31), (-0.36, 0.2)]
    )
    shine = spline([(-0.25, -0.12), (-0.05, -0.22), (0.12, -0.2), (-0.05, -0.15)])
    leaf = spline([(0.36, -0.2), (0.42, -0.42), (0.66, -0.46), (0.6, -0.26)])
    vein = stroke([(0.38, -0.21), (0.5, -0.34), (0.62, -0.42)], 0.02)
    return [([body], (250, 209, 62)), ([shine], (255, 240, 170)), ([leaf], (86, 140, 70)), ([vein], (50, 96, 50))]


def _hearts() -> list[tuple[list[Points], Colour]]:
    return [([heart(0.9)], (206, 48, 62)), ([heart(0.6) - (0, 0.01)], (240, 128, 128))]


def _stars() -> list[tuple[list[Points], Colour]]:
    small = [star(0.12) + at for at in ((-0.45, 0.3), (0.45, 0.3), (0, 0.52))]
    return [([star(0.5)], (244, 196, 72)), (small, (240, 240, 236))]
