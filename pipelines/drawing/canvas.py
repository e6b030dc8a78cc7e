"""Layers of anti-aliased coverage, soft light on them, and the canvas that keeps picture and labels in step."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.drawing.curves import Points

HEIGHT, WIDTH = 1024, 768
_SHIFT = 4  # sub-pixel bits of OpenCV's polygon coordinates
_REDUCE = 4  # soft light is computed at a quarter of the size
Colour = tuple[float, ...]  # three: red, green, blue, 0-255


@dataclass(frozen=True)
class Layer:
    """Coverage float32 [h w] 0-1 of a shape, cropped to its box; x0, y0 is the box's corner in the frame."""

    alpha: np.ndarray
    x0: int
    y0: int

    @classmethod
    def of(cls, *polygons: Points, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Layer:
        """Union of polygons, clipped to the frame (height, width)."""
        corners = np.concatenate(polygons)
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, (size[1], size[0]))
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, 0, (size[1], size[0]))
        return cls(_cover(polygons, int(x0), int(y0), max(int(y1 - y0), 0), max(int(x1 - x0), 0)), int(x0), int(y0))

    @property
    def window(self) -> tuple[slice, slice]:
        h, w = self.alpha.shape
        return slice(self.y0, self.y0 + h), slice(self.x0, self.x0 + w)

    @property
    def empty(self) -> bool:
        return self.alpha.size == 0

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates x, y float32 [h w] of the box."""
        h, w = self.alpha.shape
        ys, xs = np.mgrid[self.y0 : self.y0 + h, self.x0 : self.x0 + w].astype(np.float32)
        return xs, ys

    def frame(self) -> np.ndarray:
        """The coverage in the whole frame, float32 [1024 768]."""
        field = np.zeros((HEIGHT, WIDTH), np.float32)
        field[self.window] = self.alpha
        return field

    def cover(self, *polygons: Points) -> np.ndarray:
        """Coverage float32 [h w] of other polygons inside this box."""
        return _cover(polygons, self.x0, self.y0, *self.alpha.shape)

    def cut(self, *polygons: Points) -> Layer:
        return Layer(self.alpha * (1 - self.cover(*polygons)), self.x0, self.y0)

    def keep(self, *polygons: Points) -> Layer:
        return Layer(self.alpha * self.cover(*polygons), self.x0, self.y0)


def _cover(polygons: tuple[Points, ...], x0: int, y0: int, height: int, width: int) -> np.ndarray:
    total = np.zeros((height, width), np.uint8)
    for polygon in polygons if total.size else ():
        fixed = np.rint((polygon - (x0, y0)) * (1 << _SHIFT)).astype(np.int32)
        mask = np.zeros_like(total)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        np.maximum(total, mask, out=total)
    return total.astype(np.float32) / 255


def soften(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of float32 [h w], edges continued; wide blurs run at a quarter of the size."""
    if values.size == 0 or sigma < 0.3:
        return values
    if sigma < 2 * _REDUCE:
        return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    h, w = values.shape
    small = cv2.resize(values, (max(w // _REDUCE, 1), max(h // _REDUCE, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / _REDUCE, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def slope(height: np.ndarray, sigma: float) -> np.ndarray:
    """How much a height field [h w], blurred by sigma, faces the light from the upper left: about -1 to 1."""
    if height.size == 0:
        return height
    h, w = height.shape
    step = _REDUCE if sigma >= 2 * _REDUCE else 1
    margin = int(2 * sigma) // step * step + step  # without it a shape cut by its box would lose its rim
    padded = cv2.copyMakeBorder(height, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    ph, pw = -(-padded.shape[0] // step), -(-padded.shape[1] // step)
    small = cv2.resize(padded, (pw, ph), interpolation=cv2.INTER_AREA) if step > 1 else padded
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
    gx = cv2.Sobel(small, cv2.CV_32F, 1, 0, scale=0.125)
    gy = cv2.Sobel(small, cv2.CV_32F, 0, 1, scale=0.125)
    light = np.asarray((0.62 * gx + 0.5 * gy) * (2.5 * sigma / step))
    if step > 1:
        light = np.asarray(cv2.resize(light, padded.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    return light[margin : margin + h, margin : margin + w]


def volume(layer: Layer, radius: float, strength: float = 0.5, rim: float = 0.25) -> np.ndarray:
    """Light float32 [h w] of a rounded shape: bright towards the upper left, dim at the rim; about -1 to 1."""
    light = slope(layer.alpha, radius) * strength
    return light + (soften(layer.alpha, radius * 0.6) - 1) * rim


_SHADOW = (0.62, 0.74, 0.70)  # per channel: shadows keep some red
_GLOW = (0.42, 0.39, 0.34)


def lit(colour: np.ndarray | Colour, light: np.ndarray) -> np.ndarray:
    """Colours float32 ([3] or [h w 3], 0-255) under light [h w]: warm shadows below 0, highlights above."""
    base = np.asarray(colour, np.float32)
    planes = cv2.split(base) if base.ndim == 3 else base
    dark, bright = np.clip(light, -1.3, 0).astype(np.float32), np.clip(light, 0, 1.6).astype(np.float32)
    shaded = [
        plane * (1 + shadow * dark - glow * bright) + 255 * glow * bright
        for plane, shadow, glow in zip(planes, _SHADOW, _GLOW, strict=True)
    ]
    return np.asarray(cv2.merge(shaded))


def blend(under: np.ndarray, over: np.ndarray | Colour, amount: np.ndarray) -> np.ndarray:
    """`over` ([3] or [h w 3]) laid on `under` (likewise), float32 [h w 3], as far as `amount` [h w] 0-1 says."""
    amount = np.ascontiguousarray(amount, np.float32)
    shape = (*amount.shape, 3)
    # OpenCV's loop over pixels: NumPy broadcasts a trailing axis of three at a fifth of the speed.
    below, above = (np.ascontiguousarray(np.broadcast_to(np.asarray(c, np.float32), shape)) for c in (under, over))
    return np.asarray(cv2.blendLinear(below, above, 1 - amount, amount))


class Canvas:
    """A picture float32 [1024 768 3] RGB with its label maps uint8 [1024 768]: parse (CIHP) and densepose (I)."""

    def __init__(self, background: np.ndarray) -> None:
        self.image = background.astype(np.float32)
        self.parse = np.zeros(background.shape[:2], np.uint8)
        self.densepose = np.zeros(background.shape[:2], np.uint8)

    def paint(
        self,
        layer: Layer,
        colour: np.ndarray | Colour,
        light: np.ndarray | None = None,
        label: int | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Blend a layer in; where it covers at least half a pixel, that pixel takes the label."""
        if layer.empty:
            return
        over = colour if light is None else lit(colour, light)
        self.image[layer.window] = blend(self.image[layer.window], over, layer.alpha * opacity)
        if label is not None:
            self.parse[layer.window][layer.alpha >= 0.5] = label

    def part(self, layer: Layer, part: int) -> None:
        """DensePose part of a body shape."""
        if not layer.empty:
            self.densepose[layer.window][layer.alpha >= 0.5] = part

    def ink(self, polygon: Points, colour: Colour, opacity: float = 1.0, within: np.ndarray | None = None) -> None:
        """A detail without a label of its own; `within` (bool, or coverage 0-1) [1024 768] confines it."""
        layer = Layer.of(polygon)
        if within is not None and not layer.empty:
            layer = Layer(layer.alpha * within[layer.window], layer.x0, layer.y0)
        self.paint(layer, colour, opacity=opacity)

    def shade(self, layer: Layer, offset: tuple[float, float], sigma: float, strength: float) -> None:
        """Shadow that a layer about to be painted throws on the person beneath."""
        if layer.empty:
            return
        pad = int(3 * sigma + max(map(abs, offset)))
        x0, y0 = max(layer.x0 - pad, 0), max(layer.y0 - pad, 0)
        x1 = min(layer.x0 + layer.alpha.shape[1] + pad, WIDTH)
        y1 = min(layer.y0 + layer.alpha.shape[0] + pad, HEIGHT)
        field = np.zeros((y1 - y0, x1 - x0), np.float32)
        top, left = layer.y0 - y0, layer.x0 - x0
        field[top : top + layer.alpha.shape[0], left : left + layer.alpha.shape[1]] = layer.alpha
        move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float32)
        field = cv2.warpAffine(field, move, (field.shape[1], field.shape[0]), borderMode=cv2.BORDER_REPLICATE)
        field = soften(field, sigma) * (self.parse[y0:y1, x0:x1] > 0) * strength
        kept = [1 - share * field for share in (0.75, 0.85, 0.8)]
        self.image[y0:y1, x0:x1] *= cv2.merge(kept)

    def person(self) -> np.ndarray:
        """bool [1024 768]."""
        return self.parse > 0

    def pixels(self) -> np.ndarray:
        """The picture, uint8 [1024 768 3] RGB."""
        return np.asarray(np.clip(self.image + 0.5, 0, 255), np.uint8)
