"""Smooth outlines: control points in, polygons out. All arrays are float64 [n 2] (x, y)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

Points = np.ndarray


def spline(points: ArrayLike, closed: bool = True, samples: int = 8) -> Points:
    """Catmull-Rom curve through the points, `samples` per span (an open curve ends on its last point)."""
    inner = np.asarray(points, np.float64)
    if closed:
        padded = np.concatenate([inner[-1:], inner, inner[:2]])
    else:
        padded = np.concatenate([2 * inner[:1] - inner[1:2], inner, 2 * inner[-1:] - inner[-2:-1]])
    t = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, inner[-1:]])


def profile(table: Sequence[tuple[float, float]], samples: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(position, value) pairs as a smooth dense table for `np.interp`; positions must rise."""
    curve = spline(table, closed=False, samples=samples)
    return np.maximum.accumulate(curve[:, 0]), curve[:, 1]


def mirror(half: ArrayLike) -> Points:
    """Closed outline from its right half, listed top to bottom, by reflection about x = 0."""
    right = np.asarray(half, np.float64)
    left = right[right[:, 0] != 0][::-1] * (-1, 1)
    return np.concatenate([right, left])


def tube(centres: ArrayLike, half_widths: ArrayLike, round_start: bool = False, round_end: bool = False) -> Points:
    """Outline of a band around a centre line; half_widths [n] as the centres; ends flat or round."""
    centres = np.asarray(centres, np.float64)
    half = np.asarray(half_widths, np.float64)[:, None]
    along = np.gradient(centres, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    end = _cap(centres[-1], along[-1], half[-1]) if round_end else np.empty((0, 2))
    start = _cap(centres[0], -along[0], half[0]) if round_start else np.empty((0, 2))
    return np.concatenate([centres + normal * half, end, (centres - normal * half)[::-1], start])


def _cap(centre: Points, along: Points, radius: np.ndarray) -> Points:
    """Half circle from the left side of a line's end to its right side."""
    angle = np.linspace(np.pi / 2, -np.pi / 2, 10)[1:-1, None]
    normal = np.array([-along[1], along[0]])
    return np.asarray(centre + radius * (np.cos(angle) * along + np.sin(angle) * normal))


def limb(start: ArrayLike, end: ArrayLike, widths: Sequence[float], scale: float = 1.0, cut: float = 1.0) -> Points:
    """Tapered segment with evenly spaced half-widths; `cut` < 1 ends it early and flat, else round."""
    t = np.linspace(0, cut, 16)
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    where, value = profile(list(zip(np.linspace(0, 1, len(widths)), widths, strict=True)))
    half = np.interp(t, where, value) * scale
    return tube(start + t[:, None] * (end - start), half, round_start=True, round_end=cut >= 1)


def stroke(points: ArrayLike, width: float, taper: bool = True) -> Points:
    """A pen line of a given full width through the points, thin at both ends when tapered."""
    line = spline(points, closed=False, samples=6)
    t = np.linspace(0, 1, len(line))
    half = width / 2 * (0.25 + 0.75 * np.sin(np.pi * t) ** 0.6 if taper else np.ones_like(t))
    return tube(line, half, round_start=not taper, round_end=not taper)


def ellipse(centre: ArrayLike, radii: tuple[float, float], degrees: float = 0.0, points: int = 40) -> Points:
    """Outline of an ellipse, turned clockwise."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.asarray(
        turn(np.stack([np.cos(t) * radii[0], np.sin(t) * radii[1]], axis=1), degrees) + np.asarray(centre)
    )


def turn(points: ArrayLike, degrees: float, about: ArrayLike = (0.0, 0.0)) -> Points:
    """Points turned clockwise (y points down)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(
        (np.asarray(points, np.float64) - np.asarray(about)) @ np.array([[c, s], [-s, c]]) + np.asarray(about)
    )


def moved(points: ArrayLike, dx: float, dy: float) -> Points:
    """Points [n 2] (or one point [2]) shifted."""
    return np.asarray(np.asarray(points, np.float64) + np.array([dx, dy]))


def unit(vector: np.ndarray) -> Points:
    """The direction of a vector [2]."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
