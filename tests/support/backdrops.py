"""A garment before backgrounds of all kinds, with its exact mask: grounds, lights, papers, shadows, frames."""

from collections.abc import Callable

import cv2
import numpy as np

from schemas import codecs

Ground = Callable[[int, int, np.random.Generator], np.ndarray]  # height, width → float32 [h w 3], 0–255


def plain(*colour: int) -> Ground:
    return lambda height, width, generator: np.full((height, width, 3), colour, np.float32)


def _of_grey(level: np.ndarray) -> np.ndarray:
    return np.repeat(level.astype(np.float32)[..., None], 3, axis=2)


def linear(start: float, end: float, across: bool = False) -> Ground:
    def draw(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        level = start + (end - start) * np.linspace(0, 1, width if across else height)
        return _of_grey(np.tile(level, (height, 1)) if across else np.tile(level[:, None], (1, width)))

    return draw


def radial(middle: float, corner: float, power: float = 2, x: float = 0.5, y: float = 0.5) -> Ground:
    """A lamp on the paper, or a lens's vignette."""

    def draw(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        rows, columns = np.mgrid[0:height, 0:width]
        away = np.hypot((columns / width - x) * width, (rows / height - y) * height)
        return _of_grey(middle + (corner - middle) * (away / np.hypot(height, width) * 2) ** power)

    return draw


def coloured(start: tuple[int, int, int], end: tuple[int, int, int]) -> Ground:
    def draw(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        return np.tile(np.float32(start) + share * (np.float32(end) - np.float32(start)), (1, width, 1))

    return draw


def paper(level: float, grain: float, scale: int = 1) -> Ground:
    """Noise of that standard deviation, in spots of `scale` pixels."""

    def draw(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        small = generator.normal(0, grain, (-(-height // scale), -(-width // scale))).astype(np.float32)
        return _of_grey(level + cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))

    return draw


def soft(mask: np.ndarray) -> np.ndarray:
    """float32 [h w 1]: the mask with an outline as cameras see it."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None] / 255


def scene(
    garment: np.ndarray,
    mask: np.ndarray,
    ground: Ground,
    shadow: tuple[int, int, float, float] | None = None,
    quality: int | None = None,
    frame: tuple[int, int] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """uint8 [h w 3]: garment uint8 [h w 3], where the mask is set, before a ground.

    `shadow`: right, down, blur in pixels, and how much of the light it takes; `quality`: of JPEG; `frame`: pixels and
    level of a border around all.
    """
    height, width = mask.shape
    below = ground(height, width, np.random.default_rng(seed))
    if shadow is not None:
        right, down, blur, strength = shadow
        moved = cv2.warpAffine(mask, np.float32([[1, 0, right], [0, 1, down]]), (width, height))
        below = below * (1 - strength * cv2.GaussianBlur(moved.astype(np.float32) / 255, (0, 0), blur))[..., None]
    share = soft(mask)
    photo = np.clip(np.rint(garment * share + below * (1 - share)), 0, 255).astype(np.uint8)
    if frame is not None:
        pixels, level = frame
        photo[:pixels] = photo[-pixels:] = photo[:, :pixels] = photo[:, -pixels:] = level
    if quality is None:
        return photo
    encoded = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return codecs.decode_image(encoded.tobytes())


GROUNDS: dict[str, Ground] = {
    "white": plain(255, 255, 255),
    "vitonhd": plain(246, 246, 246),
    "grey": plain(200, 200, 200),
    "dark grey": plain(90, 90, 90),
    "black": plain(8, 8, 8),
    "green": plain(60, 170, 90),
    "pink": plain(235, 200, 205),
    "steep": linear(110, 240),
    "down": linear(250, 200),
    "across": linear(160, 230, across=True),
    "lamp": radial(250, 180),
    "vignette": radial(235, 120, 4),
    "lamp at the side": radial(245, 150, 1.5, 0.2, 0.15),
    "sunset": coloured((250, 220, 200), (200, 215, 240)),
    "grain": paper(225, 3),
    "coarse grain": paper(225, 4, 6),
}
