"""A garment meeting a figure: cloth around the trunk, folds and hems that all pieces share."""

from dataclasses import dataclass

import numpy as np

from pipelines.drawing.bodies import V_WAIST, Skeleton
from pipelines.drawing.canvas import Canvas, Layer, slope
from pipelines.drawing.cloth import dye
from pipelines.drawing.curves import Points, spline, stroke
from pipelines.drawing.garments import Garment


@dataclass(frozen=True)
class Fitting:
    """A garment on a skeleton; `rng` shakes the folds; `flat`: laid out instead of worn."""

    canvas: Canvas
    figure: Skeleton
    garment: Garment
    rng: np.random.Generator
    flat: bool = False

    @property
    def scale(self) -> float:
        return self.figure.scale

    @property
    def depth(self) -> float:
        """How strongly light models the cloth."""
        return 0.45 if self.flat else 1.0

    def half(self, v: np.ndarray | float) -> np.ndarray:
        return self.garment.half_width(self.figure.body, v)


def smooth(points: Points) -> Points:
    """An open curve through the points."""
    return spline(points, closed=False, samples=5)


def hem_edge(fit: Fitting) -> Points:
    """Right half of the lower edge, from the side seam to the middle: sagging, and waved where it flares."""
    s = np.linspace(0.97, 0.0, 24)
    sag = 0.05 * (1 - s * s) * (0.5 if fit.flat else 1.0)
    wave = 0.05 * min(fit.garment.flare * 3, 1) * np.cos(s * 3.5 * np.pi) * (0.3 if fit.flat else 1)
    return np.stack([s * float(fit.half(fit.garment.hem)), fit.garment.hem + sag + wave * (s > 0)], axis=1)


def torso_colours(fit: Fitting, layer: Layer) -> np.ndarray:
    """Cloth colours [h w 3] for a piece on the trunk: the cloth runs around the body towards its outline."""
    a, v = fit.figure.trunk.unplace(*layer.grid())
    half = fit.half(v)
    s = np.clip(a / half, -1.0, 1.0)
    u = a if fit.flat else half * 1.2 * np.arcsin(0.93 * s) / np.arcsin(0.93)
    if fit.garment.flare:  # a flared piece hangs in a fan from the waist
        u = u / np.maximum(half / np.maximum(fit.half(V_WAIST), 0.3), 1) ** 0.6
    bend = 0.0 if fit.flat else 0.035 * s * s
    return dye(fit.garment.cloth, u.astype(np.float32), (v + bend).astype(np.float32), 1 / fit.scale)


def creases(fit: Fitting, layer: Layer, lines: list[Points], on_trunk: bool = True, width: float = 0.05) -> np.ndarray:
    """Light [h w] on ridges along the lines (trunk coordinates, or pixels)."""
    placed = [fit.figure.trunk.place(line) if on_trunk else line for line in lines]
    ridges = layer.cover(*(stroke(line, width * fit.scale) for line in placed))
    return slope(ridges, 0.026 * fit.scale) * (0.22 if fit.flat else 0.4)


def flutes(fit: Fitting, layer: Layer) -> np.ndarray:
    """Light [h w] on the folds that hang from the waist of a flared piece."""
    a, v = fit.figure.trunk.unplace(*layer.grid())
    s = np.clip(a / fit.half(v), -1.1, 1.1)
    ramp = np.clip((v - V_WAIST) / 1.2, 0, 1)
    count = 7 if fit.garment.details == "Pleats" else 3.5
    wave = np.sin(s * count * np.pi + 0.6 + 0.5 * np.sin(2.3 * s + v))
    return np.asarray(wave * ramp * (0.12 if fit.flat else 0.26) + 0.04 * ramp, np.float32)
