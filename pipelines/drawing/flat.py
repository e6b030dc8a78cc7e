"""The garment alone, laid flat: worn by a mannequin that isn't drawn, arms a little away from the sides."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.drawing.bodies import SIDES, Arm, Body, Pose, skeleton
from pipelines.drawing.bottoms import paint_pants, paint_skirt, pants_outlines, skirt_outline
from pipelines.drawing.canvas import HEIGHT, WIDTH, Canvas
from pipelines.drawing.curves import Points
from pipelines.drawing.fitting import Fitting
from pipelines.drawing.garments import GARMENTS, Garment
from pipelines.drawing.worn import neckline, paint_sleeve, paint_torso, sleeve_outlines, torso_outline

BACKGROUND = 246  # what VITON-HD's garment photos show after decoding
_BODY = Body("mannequin", 0.72, 0.66, 0.62, 0.70, arm=1.15, leg=1.05, neck=0.2)
_SHAPED = Body("shaped mannequin", 0.70, 0.60, 0.48, 0.70, arm=1.1, leg=1.05, neck=0.2)
_ARM = Arm((0.30, 1.22), (0.06, 1.03))
_POSE = Pose("flat", _ARM, _ARM, left_leg=(0.03, 0.04), right_leg=(0.03, 0.04))
_FILL = 0.85  # of the frame's height; less where the width would exceed `_WIDE`
_WIDE = 0.9


@dataclass(frozen=True)
class FlatGarment:
    """Picture uint8 [1024 768 3] on grey 246, mask uint8 [1024 768] 0/255: exactly what isn't background."""

    image: np.ndarray
    mask: np.ndarray


def draw_garment(garment_id: str) -> FlatGarment:
    """The flat picture of one of `GARMENTS`; the same every time."""
    garment, seed = GARMENTS[garment_id], int(garment_id[:5])
    corners = np.concatenate(_outlines(_laid(garment, 1.0, (0.0, 0.0), seed)))
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(_FILL * HEIGHT / (high - low)[1], _WIDE * WIDTH / (high - low)[0])
    neck = np.array([WIDTH / 2, HEIGHT / 2]) - scale * (low + high) / 2
    fit = _laid(garment, scale, (float(neck[0]), float(neck[1])), seed)
    _PAINT[garment.kind](fit)
    mask = np.where(fit.canvas.parse > 0, np.uint8(255), np.uint8(0))
    return FlatGarment(_on_background(fit.canvas, mask), mask)


def _laid(garment: Garment, scale: float, neck: tuple[float, float], seed: int) -> Fitting:
    canvas = Canvas(np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.float32))
    body = _SHAPED if garment.fit == "slim-fit" or garment.flare else _BODY
    figure = skeleton(body, _POSE, scale, neck)
    return Fitting(canvas, figure, garment, np.random.default_rng(seed), flat=True)


def _outlines(fit: Fitting) -> list[Points]:
    """What the garment will cover, pixels."""
    if fit.garment.kind == "pants":
        return pants_outlines(fit)
    if fit.garment.kind == "skirt":
        return [skirt_outline(fit)]
    torso = fit.figure.trunk.place(torso_outline(fit, neckline(fit)))
    return [torso, *(outline for side in SIDES for outline in sleeve_outlines(fit, side))]


def _paint_upper(fit: Fitting) -> None:
    paint_torso(fit)
    for side in SIDES:
        paint_sleeve(fit, side)


_PAINT: dict[str, Callable[[Fitting], None]] = {
    "pants": paint_pants,
    "skirt": paint_skirt,
    "top": _paint_upper,
    "dress": _paint_upper,
}


def _on_background(canvas: Canvas, mask: np.ndarray) -> np.ndarray:
    """Background exactly 246 outside the mask and never inside it, so that mask and picture agree to the pixel."""
    pixels, ground = canvas.pixels(), np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    same = cv2.inRange(pixels, (BACKGROUND,) * 3, (BACKGROUND,) * 3)
    cv2.copyTo(ground - 1, cv2.bitwise_and(same, mask), pixels)
    cv2.copyTo(pixels, mask, ground)
    return ground
