"""Hair: behind the neck, over the skull, in front of the shoulders. Head coordinates as in heads.py."""

from dataclasses import dataclass

import numpy as np

from pipelines.drawing.bodies import Skeleton
from pipelines.drawing.canvas import Canvas, Colour, Layer, soften, volume
from pipelines.drawing.curves import Points, ellipse, mirror, spline, stroke
from pipelines.drawing.limbs import darker
from schemas.labels import Cihp


@dataclass(frozen=True)
class Looks:
    """Skin, hair and lip colours (RGB), hair style, eye colour, whether there is a beard."""

    skin: Colour
    hair: Colour
    style: str
    eyes: Colour = (86, 58, 40)
    lips: Colour = (184, 92, 88)
    beard: bool = False
    parting: float = 0.1  # where the hair parts, from the middle, in head heights


_CAP_OUTER = [(0.0, -0.58), (0.19, -0.54), (0.33, -0.4), (0.405, -0.19), (0.405, 0.0)]
_TAILS = {  # hair beside and behind the head, right half, from the temple down
    "bob": [(0.43, 0.1), (0.47, 0.32), (0.42, 0.5), (0.24, 0.56), (0.0, 0.5)],
    "long": [(0.43, 0.15), (0.48, 0.5), (0.5, 0.85), (0.5, 1.2), (0.36, 1.36), (0.18, 1.2), (0.0, 1.0)],
    "wavy": [
        (0.46, 0.1),
        (0.44, 0.28),
        (0.53, 0.45),
        (0.49, 0.64),
        (0.55, 0.85),
        (0.42, 1.0),
        (0.22, 0.92),
        (0.0, 0.9),
    ],
    "ponytail": [(0.4, 0.02), (0.3, 0.1), (0.0, 0.1)],
    "bun": [(0.4, 0.02), (0.3, 0.1), (0.0, 0.1)],
    "short": [(0.395, 0.06), (0.3, 0.14), (0.0, 0.14)],
    "crop": [(0.39, 0.02), (0.3, 0.1), (0.0, 0.1)],
    "curly": [(0.45, 0.1), (0.4, 0.3), (0.0, 0.3)],
}
STYLES = tuple(_TAILS)
COVERS_EARS = {"bob", "long", "wavy", "curly"}


def paint_back_hair(canvas: Canvas, figure: Skeleton, looks: Looks) -> None:
    """What falls behind neck and shoulders; painted before the body."""
    half = [*_CAP_OUTER, *_TAILS[looks.style]]
    shapes = [figure.head_point(spline(mirror(half), samples=6)), *_extras(figure, looks)]
    layer = Layer.of(*shapes)
    canvas.paint(layer, darker(looks.hair, 0.35), volume(layer, 0.16 * figure.scale, 0.4), Cihp.HAIR)


def _extras(figure: Skeleton, looks: Looks) -> list[Points]:
    if looks.style == "bun":
        return [figure.head_point(ellipse((0.0, -0.66), (0.2, 0.17)))]
    if looks.style == "ponytail":
        tail = [
            (0.1, -0.5),
            (0.38, -0.45),
            (0.56, -0.15),
            (0.6, 0.25),
            (0.52, 0.6),
            (0.42, 0.35),
            (0.42, 0.0),
            (0.3, -0.25),
        ]
        return [figure.head_point(spline(tail))]
    if looks.style == "curly":
        angle = np.linspace(-0.15, 1.15, 13) * np.pi
        return [figure.head_point(ellipse((-0.42 * np.cos(t), -0.18 - 0.36 * np.sin(t)), (0.15, 0.15))) for t in angle]
    return []


def _hairline(looks: Looks) -> list[tuple[float, float]]:
    """From the person's left temple over the forehead to the right one, head coordinates."""
    p = looks.parting
    low = 0.0 if looks.style in COVERS_EARS else -0.07
    left = [(0.372, low), (0.335, -0.14), (0.3, -0.24), (0.5 * (p + 0.3), -0.31)]
    right = [(0.5 * (p - 0.3), -0.33), (-0.29, -0.22), (-0.335, -0.12), (-0.372, low)]
    return [*left, (p, -0.385 if looks.style != "crop" else -0.33), *right]


def paint_front_hair(canvas: Canvas, figure: Skeleton, looks: Looks) -> None:
    """The cap over the skull, side locks, and a shine."""
    lift = -0.02 if looks.style == "crop" else 0.0
    outer = [(x, y - lift) for x, y in _CAP_OUTER[1:]]
    cap = [*[(-x, y) for x, y in outer[::-1]], (0.0, -0.58 - lift), *outer, *_hairline(looks)]
    shapes = [figure.head_point(spline(cap, samples=6)), *_locks(figure, looks)]
    if looks.style == "curly":
        shapes += _extras(figure, looks)[1:-1]
    layer = Layer.of(*shapes)
    canvas.shade(layer, (0.015 * figure.scale, 0.03 * figure.scale), 0.025 * figure.scale, 0.35)
    canvas.paint(layer, looks.hair, volume(layer, 0.1 * figure.scale, 0.42, 0.3), Cihp.HAIR)
    _strands(canvas, figure, looks, layer)


def _locks(figure: Skeleton, looks: Looks) -> list[Points]:
    """Hair that falls in front of the ears and, when long, of the shoulders."""
    shapes = {
        "bob": [(0.34, -0.2), (0.415, -0.1), (0.455, 0.15), (0.455, 0.36), (0.38, 0.5), (0.31, 0.4), (0.345, 0.2),
            (0.35, 0.0)],
        "long": [(0.33, -0.2), (0.415, -0.1), (0.45, 0.3), (0.5, 0.75), (0.47, 1.2), (0.37, 1.35), (0.33, 1.0),
            (0.36, 0.6), (0.35, 0.25), (0.345, 0.0)],
        "wavy": [(0.33, -0.2), (0.43, -0.05), (0.42, 0.25), (0.52, 0.45), (0.47, 0.7), (0.5, 0.9), (0.38, 1.02),
            (0.3, 0.8), (0.37, 0.6), (0.32, 0.42), (0.36, 0.2), (0.345, 0.0)],
    }  # fmt: skip
    if looks.style not in shapes:
        return []
    half = np.array(shapes[looks.style])
    return [figure.head_point(spline(half * (sign, 1), samples=6)) for sign in (1, -1)]


def _strands(canvas: Canvas, figure: Skeleton, looks: Looks, layer: Layer) -> None:
    """Lines along the hair and a soft shine, confined to what was just painted."""
    inside = layer.frame()
    p, width, dark = looks.parting, 0.013 * figure.scale, darker(looks.hair, 0.6)
    lines = _curls() if looks.style == "curly" else []
    for t in np.linspace(0, 1, 6) if looks.style != "curly" else ():
        for sign in (1, -1):
            side = sign * (0.32 + 0.06 * t)
            lines.append([(p, -0.4 - 0.12 * t), (p + 0.6 * (side - p), -0.4 - 0.1 * t), (side, -0.2 + 0.12 * t)])
    if looks.style in ("long", "wavy", "bob"):
        lines += _long_strands(looks.style)
    for line in lines:
        canvas.ink(stroke(figure.head_point(line), width), dark, 0.35, inside)
    if looks.style != "curly":
        _shine(canvas, figure, layer)
    if looks.style == "bun":
        _bun(canvas, figure, looks)


def _shine(canvas: Canvas, figure: Skeleton, layer: Layer) -> None:
    band = stroke(
        figure.head_point([(-0.36, -0.16), (-0.27, -0.36), (-0.08, -0.46), (0.12, -0.47)]), 0.07 * figure.scale
    )
    glow = soften(layer.cover(band), 0.03 * figure.scale) * layer.alpha
    canvas.paint(Layer(glow, layer.x0, layer.y0), (255, 246, 230), opacity=0.3)


def _bun(canvas: Canvas, figure: Skeleton, looks: Looks) -> None:
    bun = Layer.of(figure.head_point(ellipse((0.0, -0.66), (0.2, 0.17))))
    canvas.paint(bun, looks.hair, volume(bun, 0.08 * figure.scale, 0.5), Cihp.HAIR)
    for r in (0.06, 0.12):
        arc = [(-r, -0.62), (-r * 0.6, -0.72), (r * 0.7, -0.72), (r, -0.62)]
        canvas.ink(stroke(figure.head_point(arc), 0.016 * figure.scale), darker(looks.hair, 0.6), 0.5)


def _curls() -> list[list[tuple[float, float]]]:
    """Little arcs all over."""
    spots = [(x, y) for y in (-0.5, -0.42, -0.34) for x in (-0.24, -0.1, 0.04, 0.18)] + [
        (s * 0.4, y) for s in (-1, 1) for y in (-0.3, -0.18, -0.06)
    ]
    return [[(x - 0.05, y), (x - 0.02, y - 0.05), (x + 0.04, y - 0.03), (x + 0.03, y + 0.02)] for x, y in spots]


def _long_strands(style: str) -> list[list[tuple[float, float]]]:
    wave = 0.03 if style == "wavy" else 0.0
    return [
        [(s * (x - 0.02), -0.05), (s * (x + wave), 0.3), (s * (x + 0.02 - wave), 0.65), (s * (x + 0.02), 1.15)]
        for s in (1, -1)
        for x in (0.35, 0.375, 0.4, 0.43)
    ]
