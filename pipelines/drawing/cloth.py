"""What cloth looks like: a repeating pattern as a function of cloth coordinates, and a print upon it.

Cloth coordinates (u across, v along) are in head heights, so worn and flat pictures share one pattern.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipelines.drawing.canvas import Colour, Layer, blend
from pipelines.drawing.lettering import emblem, word

Array = np.ndarray


@dataclass(frozen=True)
class Cloth:
    """Pattern name, its colours (ground first), its period; `motif`: a word in capitals or an emblem's name."""

    pattern: str
    colours: tuple[Colour, ...]
    period: float = 0.3
    motif: str | None = None
    motif_width: float = 0.7
    trim: Colour | None = None
    material: str = "Cotton"

    @property
    def trim_colour(self) -> Colour:
        return self.trim or self.colours[0]

    def plain(self) -> "Cloth":
        """The same cloth without its print (sleeves, backs)."""
        return replace(self, motif=None)


def dye(cloth: Cloth, u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
    """Colours float32 [h w 3], 0-255, at cloth coordinates [h w]; edges are one `pixel` (in head heights) soft."""
    colours = [np.array(colour, np.float32) for colour in cloth.colours]
    pattern = PATTERNS[cloth.pattern]
    rgb = pattern(u / cloth.period, v / cloth.period, pixel / cloth.period, colours)
    if cloth.motif:
        rgb = _print(rgb, cloth, u, v, pixel)
    if cloth.material == "Knit":
        rgb = rgb * (1 + 0.05 * np.sin(u * 2 * np.pi / 0.035))[..., None]
    if cloth.material == "Denim":
        rgb = rgb * (1 + 0.045 * np.sin((u + v) * 2 * np.pi / 0.026) + 0.03 * np.sin(u * 61) * np.sin(v * 3))[..., None]
    return rgb


def _band(x: np.ndarray, low: float, high: float, soft: float) -> np.ndarray:
    """1 where the fractional part of x lies between low and high."""
    f = x - np.floor(x)
    centre, half = (low + high) / 2, (high - low) / 2
    distance = np.abs(f - centre)
    distance = np.minimum(distance, 1 - distance)
    return np.asarray(np.clip((half - distance) / max(soft, 1e-6) + 0.5, 0, 1))


def _solid(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    return np.broadcast_to(c[0], (*u.shape, 3))


def _stripes(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    rgb = blend(c[0], c[1], _band(v, 0.0, 0.42, soft))
    return blend(rgb, c[2], _band(v, 0.66, 0.76, soft)) if len(c) > 2 else rgb


def _pinstripes(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    return blend(c[0], c[1], _band(u, 0.42, 0.58, soft))


def _diagonal(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    rgb = blend(c[0], c[1], _band((u + v) * 0.7, 0.0, 0.35, soft))
    return blend(rgb, c[2], _band((u + v) * 0.7, 0.35, 0.5, soft))


def _gingham(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    amount = 0.5 * (_band(u, 0.0, 0.5, soft) + _band(v, 0.0, 0.5, soft))
    return blend(c[0], c[1], amount)


def _tartan(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    rgb = blend(c[0], c[1], 0.55 * _band(u, 0.1, 0.5, soft))
    rgb = blend(rgb, c[1], 0.55 * _band(v, 0.1, 0.5, soft))
    lines = np.maximum(_band(u, 0.72, 0.79, soft), _band(v, 0.72, 0.79, soft))
    rgb = blend(rgb, c[2], 0.85 * lines)
    return blend(rgb, c[3], 0.7 * np.maximum(_band(u, 0.27, 0.33, soft), _band(v, 0.27, 0.33, soft)))


def _cells(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets from the centre of a staggered cell, and which kind of cell (bool) it is."""
    row = np.floor(v)
    shifted = u + 0.5 * (row % 2)
    return shifted - np.floor(shifted) - 0.5, v - row - 0.5, (np.floor(shifted) + row) % 2 == 0


def _dots(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    x, y, _ = _cells(u, v * 1.15)
    return blend(c[0], c[1], np.clip((0.23 - np.hypot(x, y / 1.15)) / soft + 0.5, 0, 1))


def _floral(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    x, y, kind = _cells(u, v)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    petals = 0.25 + 0.085 * np.cos(5 * angle + np.where(kind, 0.4, 2.0))
    leaf_x, leaf_y = x * 0.8 + y * 0.6, -x * 0.6 + y * 0.8
    leaf = (0.15 - np.abs(leaf_y)) - 1.1 * np.maximum(np.abs(leaf_x) - 0.28, 0) - 0.55 * np.abs(leaf_x) * 0.5
    rgb = blend(c[0], c[3], np.clip(leaf / soft * 0.9 + 0.5, 0, 1) * (radius > 0.2))
    rgb = blend(rgb, np.where(kind[..., None], c[1], c[2]), np.clip((petals - radius) / soft + 0.5, 0, 1))
    return blend(rgb, c[4], np.clip((0.085 - radius) / soft + 0.5, 0, 1))


def _blocks(u: Array, v: Array, soft: float, c: list[Array]) -> Array:
    rgb = blend(c[0], c[1], np.clip((v - 1) / soft + 0.5, 0, 1))
    return blend(rgb, c[2], np.clip((0.06 - np.abs(v - 1)) / soft + 0.5, 0, 1))


Pattern = Callable[[Array, Array, float, list[Array]], Array]
PATTERNS: dict[str, Pattern] = {
    "solid": _solid, "stripes": _stripes, "pinstripes": _pinstripes, "diagonal": _diagonal, "gingham": _gingham,
    "tartan": _tartan, "dots": _dots, "floral": _floral, "blocks": _blocks,
}  # fmt: skip
MOTIF_V = 0.95  # the print's centre lies this far below the base of the neck


def _print(rgb: np.ndarray, cloth: Cloth, u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
    """The motif, drawn at the picture's own resolution and looked up through (u, v)."""
    side = max(int(1.4 * cloth.motif_width / pixel), 8)
    sheet = _sheet(cloth, side)
    step = 1.4 * cloth.motif_width / side
    x = (u / step + side / 2).astype(np.float32)
    y = ((v - MOTIF_V) / step + side / 2).astype(np.float32)
    printed = cv2.remap(sheet, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return rgb * (1 - printed[..., 3:]) + printed[..., :3]


def _sheet(cloth: Cloth, side: int) -> np.ndarray:
    """The motif on a square sheet: premultiplied RGB (0-255) and coverage (0-1), float32 [side side 4]."""
    unit = side / 1.4
    motif = cloth.motif or ""
    shapes = [(word(motif, 1.0), cloth.colours[-1])] if motif.isupper() else emblem(motif)
    sheet = np.zeros((side, side, 4), np.float32)
    for polygons, colour in shapes:
        layer = Layer.of(*(polygon * unit + side / 2 for polygon in polygons), size=(side, side))
        alpha = layer.alpha[..., None]
        sheet[layer.window] += (np.array([*colour, 1], np.float32) - sheet[layer.window]) * alpha
    return sheet
