"""What stands behind the people: plain studio walls and cluttered places, softly out of focus."""

from collections.abc import Callable

import cv2
import numpy as np

from pipelines.drawing.canvas import HEIGHT, WIDTH, Colour, Layer, blend, lit, volume
from pipelines.drawing.curves import ellipse, spline, stroke

_SIZE = (HEIGHT // 2, WIDTH // 2)  # drawn at half size, then enlarged: soft by itself


def _box(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float64)


def _fill(image: np.ndarray, shape: np.ndarray, colour: Colour, round_by: float = 0.0, opacity: float = 1.0) -> None:
    layer = Layer.of(shape, size=_SIZE)
    if layer.empty:
        return
    over = lit(colour, volume(layer, round_by, 0.5)) if round_by else colour
    image[layer.window] = blend(image[layer.window], over, layer.alpha * opacity)


def _gradient(top: Colour, bottom: Colour) -> np.ndarray:
    t = np.linspace(0, 1, _SIZE[0], dtype=np.float32)[:, None, None]
    rows = np.asarray(top, np.float32) * (1 - t) + np.asarray(bottom, np.float32) * t
    return np.repeat(rows, _SIZE[1], axis=1)


def _studio(tint: Colour) -> Callable[[np.random.Generator, bool], np.ndarray]:
    def paint(rng: np.random.Generator, full: bool) -> np.ndarray:
        image = _gradient(tint, tuple(c * 0.95 for c in tint))
        y, x = np.mgrid[: _SIZE[0], : _SIZE[1]].astype(np.float32)
        glow = np.exp(-(((x - 150) / 260) ** 2 + ((y - 170) / 330) ** 2))
        image += (255 - image) * (0.35 * glow)[..., None]
        if full:  # the paper bends into the floor
            floor = np.clip((y - 440) / 40, 0, 1)
            image *= 1 - 0.07 * floor[..., None]
        return image

    return paint


def _room(rng: np.random.Generator, full: bool) -> np.ndarray:
    image = _gradient((214, 204, 190), (196, 184, 170))
    ground = 450 if full else 520
    _fill(image, _box(0, ground, 384, 80), (150, 112, 80))
    _fill(image, _box(0, ground - 12, 384, 12), (238, 234, 226))
    _shelf(image, rng, 14, 60, 118)
    _shelf(image, rng, 14, 160, 118)
    _window(image, 262, 40, 108, 190)
    _fill(image, _box(176, 66, 58, 76), (110, 84, 62))
    _fill(image, _box(182, 72, 46, 64), (226, 214, 190))
    _fill(image, spline([(186, 132), (198, 104), (208, 116), (218, 94), (225, 132)]), (96, 132, 128))
    _plant(image, rng, 332, ground - 6, 1.3)
    _lamp(image, 62, ground)
    return image


def _shelf(image: np.ndarray, rng: np.random.Generator, x: float, y: float, width: float) -> None:
    _fill(image, _box(x, y + 58, width, 7), (122, 88, 60))
    at = x + 4
    while at < x + width - 16:
        w, h = rng.uniform(7, 14), rng.uniform(34, 54)
        colour = tuple(rng.uniform(60, 210, 3))
        _fill(image, _box(at, y + 58 - h, w, h), colour, 5)
        _fill(image, _box(at + 1, y + 58 - h * 0.8, w - 2, 4), (240, 230, 200), opacity=0.7)
        at += w + 1.5


def _window(image: np.ndarray, x: float, y: float, w: float, h: float) -> None:
    _fill(image, _box(x - 7, y - 7, w + 14, h + 14), (244, 242, 236))
    _fill(image, _box(x, y, w, h), (178, 212, 234))
    _fill(
        image,
        spline([(x, y + h), (x, y + h * 0.7), (x + w * 0.4, y + h * 0.55), (x + w, y + h * 0.72), (x + w, y + h)]),
        (140, 172, 120),
    )
    _fill(image, ellipse((x + w * 0.65, y + h * 0.25), (22, 9)), (246, 248, 250))
    _fill(image, ellipse((x + w * 0.5, y + h * 0.29), (16, 7)), (246, 248, 250))
    _fill(image, _box(x + w / 2 - 3, y, 6, h), (244, 242, 236))
    _fill(image, _box(x, y + h / 2 - 3, w, 6), (244, 242, 236))


def _plant(image: np.ndarray, rng: np.random.Generator, x: float, y: float, size: float) -> None:
    for _ in range(16):
        angle, reach = rng.uniform(-1.25, 1.25), rng.uniform(45, 85) * size
        tip = np.array([x + np.sin(angle) * reach, y - 40 * size - np.cos(angle) * reach])
        root = np.array([x, y - 40 * size])
        bend = (root + tip) / 2 + np.array([0, -12 * size])
        _fill(image, stroke([root, bend, tip], 13 * size), (rng.uniform(48, 92), rng.uniform(110, 156), 78), 4)
    _fill(
        image,
        spline(
            [(x - 24 * size, y - 44 * size), (x + 24 * size, y - 44 * size), (x + 17 * size, y), (x - 17 * size, y)],
            samples=2,
        ),
        (196, 110, 78),
        12,
    )


def _lamp(image: np.ndarray, x: float, ground: float) -> None:
    _fill(image, _box(x - 2, ground - 180, 4, 180), (70, 62, 58))
    _fill(image, ellipse((x, ground), (26, 6)), (70, 62, 58))
    _fill(
        image,
        np.array([(x - 20, ground - 236), (x + 20, ground - 236), (x + 34, ground - 176), (x - 34, ground - 176)]),
        (246, 222, 164),
        14,
    )


def _street(rng: np.random.Generator, full: bool) -> np.ndarray:
    image = _gradient((176, 208, 232), (232, 232, 222))
    ground = 440 if full else 505
    x = -10.0
    while x < 384:
        w, h = rng.uniform(66, 104), rng.uniform(230, 400)
        colour = tuple(np.array([188, 142, 118]) + rng.uniform(-34, 40, 3))
        _fill(image, _box(x, ground - h, w, h), colour)
        _fill(image, _box(x - 3, ground - h, w + 6, 8), tuple(0.75 * c for c in colour))
        for wy in np.arange(ground - h + 22, ground - 60, 46):
            for wx in np.arange(x + 10, x + w - 18, 26):
                _fill(image, _box(wx - 2, wy - 2, 19, 31), (240, 236, 226))
                _fill(image, _box(wx, wy, 15, 27), (94, 116, 138) if rng.random() < 0.7 else (246, 216, 140))
        _awning(image, rng, x, w, ground)
        x += w
    _fill(image, _box(0, ground, 384, 90), (164, 160, 156))
    _fill(image, _box(0, ground, 384, 7), (204, 200, 194))
    _tree(image, rng, 40, ground)
    _tree(image, rng, 350, ground)
    return image


def _awning(image: np.ndarray, rng: np.random.Generator, x: float, w: float, ground: float) -> None:
    colour = tuple(rng.uniform(70, 200, 3))
    stripes = max(int(w // 12), 2)
    for i in range(stripes):
        left = x + 4 + i * (w - 8) / stripes
        _fill(image, _box(left, ground - 74, (w - 8) / stripes + 0.5, 22), colour if i % 2 else (242, 238, 230))
    _fill(image, _box(x + 8, ground - 52, w - 16, 52), (82, 78, 80))


def _tree(image: np.ndarray, rng: np.random.Generator, x: float, ground: float) -> None:
    _fill(
        image, stroke([(x, ground + 8), (x + 3, ground - 90), (x - 2, ground - 190)], 15, taper=False), (104, 78, 58), 6
    )
    for _ in range(14):
        at = (x + rng.uniform(-38, 38), ground - 225 + rng.uniform(-50, 45))
        green = rng.uniform(0.8, 1.15)
        _fill(image, ellipse(at, (rng.uniform(22, 36), rng.uniform(20, 32))), (92 * green, 138 * green, 82 * green), 10)


def _garden(rng: np.random.Generator, full: bool) -> np.ndarray:
    image = _gradient((190, 220, 236), (222, 232, 214))
    horizon = 360 if full else 420
    _fill(
        image,
        spline([(-40, 520), (-40, 250), (80, 210), (190, 262), (300, 214), (430, 260), (430, 520)]),
        (134, 168, 138),
    )
    _fill(image, _box(0, horizon, 384, 200), (146, 180, 104))
    for x in range(6, 384, 26):
        _fill(image, _box(x, horizon - 74, 15, 92), (236, 228, 214), 5)
    for y in (horizon - 58, horizon - 16):
        _fill(image, _box(0, y, 384, 9), (222, 212, 196))
    for _ in range(60):
        at = np.array([rng.uniform(0, 384), rng.uniform(horizon + 6, 512)])
        _fill(image, stroke([at, at - (0, 14), at - (rng.uniform(-5, 5), 26)], 4), (92, 136, 70))
        _fill(
            image,
            ellipse(at - (0, 26), (6, 6)),
            ((226, 96, 104), (246, 206, 92), (196, 148, 214), (250, 246, 240))[rng.integers(4)],
            3,
        )
    _tree(image, rng, 30, horizon)
    _tree(image, rng, 360, horizon - 20)
    return image


BACKGROUNDS: dict[str, Callable[[np.random.Generator, bool], np.ndarray]] = {
    "studio grey": _studio((226, 226, 226)), "studio warm": _studio((232, 222, 208)),
        "studio blue": _studio((200, 214, 226)),
    "studio rose": _studio((234, 212, 208)), "room": _room, "street": _street, "garden": _garden,
}  # fmt: skip
CLUTTERED = ("room", "street", "garden")


def background(name: str, rng: np.random.Generator, full: bool) -> np.ndarray:
    """float32 [1024 768 3] RGB, 0-255; `full`: the frame shows a floor to stand on."""
    image = BACKGROUNDS[name](rng, full)
    image = cv2.GaussianBlur(image, (0, 0), 1.6 if name in CLUTTERED else 3.0)
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
