"""Heads: skull, ears and face. Head coordinates: x right, y down, in head heights from the head's centre."""

from collections.abc import Callable

import numpy as np

from pipelines.drawing.bodies import Skeleton
from pipelines.drawing.canvas import Canvas, Colour, Layer, volume
from pipelines.drawing.curves import Points, ellipse, mirror, moved, spline, stroke
from pipelines.drawing.hair import Looks, paint_front_hair
from pipelines.drawing.limbs import darker
from schemas.labels import Cihp, DensePose

Ink = Callable[..., None]  # (points in head coordinates, colour, opacity = 1): paints within the face


def skull_outline(figure: Skeleton) -> Points:
    """Face without ears, chin to crown, pixels."""
    j = figure.body.jaw
    half = [
        (0, -0.5),
        (0.2, -0.47),
        (0.325, -0.3),
        (0.352, -0.05),
        (0.34, 0.12),
        (0.295 * j, 0.28),
        (0.19 * j, 0.43),
        (0.08 * j, 0.495),
        (0, 0.5),
    ]
    return figure.head_point(spline(mirror(half), samples=6))


def _ears(figure: Skeleton) -> list[Points]:
    return [figure.head_point(ellipse((sign * 0.355, 0.035), (0.052, 0.1), sign * -8)) for sign in (1, -1)]


def paint_head(canvas: Canvas, figure: Skeleton, looks: Looks) -> None:
    skull = Layer.of(skull_outline(figure), *_ears(figure))
    canvas.shade(Layer.of(skull_outline(figure)), (0.02 * figure.scale, 0.1 * figure.scale), 0.05 * figure.scale, 0.4)
    canvas.paint(skull, looks.skin, volume(skull, 0.15 * figure.scale, 0.38, 0.3) + 0.03, Cihp.FACE)
    _head_parts(canvas, figure)
    for sign in (1, -1):
        fold = figure.head_point([(sign * 0.365, -0.03), (sign * 0.375, 0.03), (sign * 0.36, 0.09)])
        canvas.ink(stroke(fold, 0.02 * figure.scale), darker(looks.skin, 0.6), 0.6)
    _features(canvas, figure, looks)
    paint_front_hair(canvas, figure, looks)


def _head_parts(canvas: Canvas, figure: Skeleton) -> None:
    whole = Layer.of(skull_outline(figure), *_ears(figure), figure.head_point(ellipse((0, -0.17), (0.385, 0.385))))
    top, bottom = figure.head_point([(0, -0.9), (0, 0.9)])
    canvas.part(whole, DensePose.HEAD_LEFT)
    canvas.part(whole.keep(np.array([top, (-900, top[1]), (-900, bottom[1]), bottom])), DensePose.HEAD_RIGHT)


def _features(canvas: Canvas, figure: Skeleton, looks: Looks) -> None:
    turn = 0.06 * figure.pose.head_turn
    inside = Layer.of(skull_outline(figure)).frame()

    def ink(points: Points, colour: Colour, opacity: float = 1.0) -> None:
        canvas.ink(figure.head_point(moved(points, turn, 0)), colour, opacity, inside)

    shadow, deep = darker(looks.skin, 0.45), darker(looks.skin, 0.8)
    blush = tuple(0.55 * c + 0.45 * r for c, r in zip(looks.skin, (240, 96, 84), strict=True))
    for sign in (1, -1):
        for size in (1.0, 0.75, 0.5):
            ink(ellipse((sign * 0.21, 0.165), (0.11 * size, 0.075 * size)), blush, 0.09)
        _eye(ink, sign, looks, shadow)
    ink(spline([(0.01, -0.02), (0.035, 0.08), (0.07, 0.15), (0.03, 0.18), (0.005, 0.12)]), shadow, 0.4)
    ink(stroke([(-0.055, 0.15), (-0.035, 0.175), (0, 0.185), (0.035, 0.175), (0.055, 0.15)], 0.02), deep, 0.6)
    ink(stroke([(-0.01, -0.02), (-0.008, 0.06), (-0.005, 0.13)], 0.025), (255, 245, 232), 0.3)
    if looks.beard:
        _beard(ink, figure, looks)
    _mouth(ink, looks, deep)


def _eye(ink: Ink, sign: int, looks: Looks, shadow: Colour) -> None:
    x = sign * 0.155

    def at(points: list[tuple[float, float]]) -> np.ndarray:
        return np.array(points) * (sign, 1) + (x, 0.0)

    ink(spline(at([(-0.09, 0.01), (-0.03, -0.065), (0.06, -0.055), (0.1, 0.0), (0, 0.05)])), shadow, 0.28)
    ink(
        spline(at([(-0.078, 0.012), (-0.03, -0.032), (0.03, -0.036), (0.08, 0.0), (0.03, 0.03), (-0.03, 0.032)])),
        (250, 246, 242),
    )
    ink(ellipse((x, -0.002), (0.034, 0.036)), looks.eyes)
    ink(ellipse((x, -0.002), (0.017, 0.018)), (24, 18, 16))
    ink(ellipse((x - 0.012, -0.014), (0.009, 0.01)), (255, 255, 255))
    ink(stroke(at([(-0.08, 0.014), (-0.03, -0.034), (0.03, -0.04), (0.095, -0.008)]), 0.026), darker(looks.hair, 0.6))
    ink(stroke(at([(-0.03, 0.033), (0.03, 0.031), (0.08, 0.002)]), 0.01), shadow, 0.8)
    brow = at([(-0.085, -0.085), (-0.01, -0.117), (0.06, -0.113), (0.11, -0.078)])
    ink(stroke(brow, 0.032), darker(looks.hair, 0.25), 0.85)


def _mouth(ink: Ink, looks: Looks, deep: Colour) -> None:
    ink(spline([(-0.115, 0.298), (-0.045, 0.276), (0, 0.284), (0.045, 0.276), (0.115, 0.298), (0, 0.312)]), looks.lips)
    ink(
        spline([(-0.1, 0.302), (0, 0.31), (0.1, 0.302), (0.045, 0.346), (-0.045, 0.346)]),
        tuple(0.85 * c + 36 for c in looks.lips),
    )
    ink(stroke([(-0.125, 0.293), (-0.04, 0.308), (0.04, 0.308), (0.125, 0.293)], 0.014), darker(looks.lips, 0.9), 0.9)
    ink(stroke([(-0.03, 0.328), (0.03, 0.328)], 0.014), (255, 230, 225), 0.4)
    ink(stroke([(-0.04, 0.375), (0, 0.382), (0.04, 0.375)], 0.014), deep, 0.25)


def _beard(ink: Ink, figure: Skeleton, looks: Looks) -> None:
    j = figure.body.jaw
    outer = [(0, 0.53), (0.09 * j, 0.52), (0.21 * j, 0.45), (0.31 * j, 0.29), (0.355, 0.08)]
    inner = [(0.31, 0.1), (0.25, 0.24), (0.15, 0.265), (0.06, 0.225), (0, 0.235)]
    ink(spline(mirror(outer + inner), samples=5), darker(looks.hair, 0.1), 0.82)
