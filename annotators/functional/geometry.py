"""Bringing a photo and everything aligned with it to a stored size, and back."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from annotators.functional import boxes

FITS = ("crop", "pad", "stretch")


@dataclass(frozen=True)
class Geometry:
    """stored = (source − (x0, y0)) × scale, in continuous pixels: the corner of the first pixel is (0, 0).

    `height`, `width` are those of the stored picture; (x0, y0) is negative where it was padded.
    """

    source_height: int
    source_width: int
    x0: float
    y0: float
    scale_x: float
    scale_y: float
    height: int
    width: int

    def to_stored(self, points: np.ndarray) -> np.ndarray:
        """Points [n 2] (x, y) of the source → of the stored picture."""
        return (points - (self.x0, self.y0)) * (self.scale_x, self.scale_y)

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Points [n 2] (x, y) of the stored picture → of the source."""
        return points / (self.scale_x, self.scale_y) + (self.x0, self.y0)


def identity(height: int, width: int) -> Geometry:
    return Geometry(height, width, 0.0, 0.0, 1.0, 1.0, height, width)


def fit(source: tuple[int, int], size: tuple[int, int], how: str) -> Geometry:
    """How a source (height, width) lands in `size`: "crop" fills it, "pad" fits inside, both centred; "stretch" warps.

    Padded pictures take whole pixels, so that the geometry is exact: their two scales may differ by a fraction.
    Raises ValueError for another `how`.
    """
    if how not in FITS:
        raise ValueError(f"fit {how!r}; allowed are {', '.join(FITS)}")
    (source_height, source_width), (height, width) = source, size
    scale_y, scale_x = height / source_height, width / source_width
    if how == "crop":
        scale_x = scale_y = max(scale_x, scale_y)
    elif how == "pad":
        return _padded(source, size)
    x0 = (source_width - width / scale_x) / 2
    y0 = (source_height - height / scale_y) / 2
    return Geometry(source_height, source_width, x0, y0, scale_x, scale_y, height, width)


def _padded(source: tuple[int, int], size: tuple[int, int]) -> Geometry:
    inner = boxes.fit(*source, *size)
    scale_y, scale_x = inner[0] / source[0], inner[1] / source[1]
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    return Geometry(*source, -left / scale_x, -top / scale_y, scale_x, scale_y, *size)


def photo(pixels: np.ndarray, geometry: Geometry, fill: int = 255) -> np.ndarray:
    """uint8 [h w 3] RGB → the stored size, Lanczos; padding is `fill`."""
    return _warp(Image.fromarray(pixels), geometry, Image.Resampling.LANCZOS, (fill,) * 3)


def mask(pixels: np.ndarray, geometry: Geometry) -> np.ndarray:
    """uint8 [h w] 0/255 → the stored size: bilinear, then ≥ 128; padding is 0."""
    soft = _warp(Image.fromarray(pixels), geometry, Image.Resampling.BILINEAR, 0)
    return np.where(soft >= 128, np.uint8(255), np.uint8(0))


def label_map(pixels: np.ndarray, geometry: Geometry) -> np.ndarray:
    """uint8 ids [h w] or [h w c] → the stored size, nearest; padding is 0."""
    if pixels.ndim == 3:
        return np.stack([label_map(pixels[..., c], geometry) for c in range(pixels.shape[2])], axis=-1)
    return _warp(Image.fromarray(pixels), geometry, Image.Resampling.NEAREST, 0)


def keypoints(points: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Keypoints [n 3] (x, y of pixel centres, score) → the stored picture's; absent ones (0, 0) stay so."""
    moved = points.astype(np.float32, copy=True)
    present = points[:, :2].any(axis=1)
    moved[present, :2] = geometry.to_stored(points[present, :2] + 0.5) - 0.5
    return moved


def _warp(
    image: Image.Image, geometry: Geometry, resample: Image.Resampling, fill: int | tuple[int, ...]
) -> np.ndarray:
    """The part of the source that shows, resized into its place on a canvas of `fill`."""
    left, top = max(geometry.x0, 0.0), max(geometry.y0, 0.0)
    right = min(geometry.x0 + geometry.width / geometry.scale_x, geometry.source_width)
    bottom = min(geometry.y0 + geometry.height / geometry.scale_y, geometry.source_height)
    corners = geometry.to_stored(np.array([[left, top], [right, bottom]]))
    (x0, y0), (x1, y1) = np.rint(corners).astype(int)
    x0, y0 = min(x0, geometry.width - 1), min(y0, geometry.height - 1)
    shape = (max(1, min(x1, geometry.width) - x0), max(1, min(y1, geometry.height) - y0))
    resized = image.resize(shape, resample, box=(left, top, right, bottom), reducing_gap=None)
    canvas = Image.new(image.mode, (geometry.width, geometry.height), fill)
    canvas.paste(resized, (int(x0), int(y0)))
    return np.array(canvas)
