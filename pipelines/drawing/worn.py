"""Tops and dresses on a figure: the torso piece and the sleeves, cloth bent around the body.

The flat picture of a garment is the same garment on a mannequin that isn't drawn (`Fitting.flat`).
"""

import numpy as np

from pipelines.drawing.bodies import FOREARM, SIDES, UPPER_ARM, V_ARMPIT, V_WAIST
from pipelines.drawing.canvas import Layer, slope, volume
from pipelines.drawing.cloth import dye
from pipelines.drawing.curves import Points, ellipse, limb, mirror, moved, spline, stroke, unit
from pipelines.drawing.fitting import Fitting, creases, flutes, hem_edge, smooth, torso_colours
from pipelines.drawing.garments import EASE
from pipelines.drawing.limbs import arm_bones, arm_widths, darker

_NECKLINES = {  # (half-width beside the neck, depth in front, squareness)
    "Round Neck": (0.13, 0.2), "V Neck": (0.12, 0.56), "U Neck": (0.2, 0.46), "Shirt Collar": (0.08, 0.14),
    "Turtle Neck": (0.04, 0.05),
}  # fmt: skip


def neckline(fit: Fitting) -> Points:
    """The right half of the front neck edge, from the middle up to the shoulder, trunk coordinates."""
    beside, depth = _NECKLINES[fit.garment.neckline or "Round Neck"]
    a = fit.figure.body.neck + beside
    if fit.garment.neckline == "V Neck":
        return np.array([(0.0, depth), (0.03, depth - 0.05), (0.5 * a, 0.5 * depth - 0.03), (a, -0.035)])
    if fit.garment.neckline == "U Neck":
        return np.array([(0.0, depth), (0.45 * a, depth - 0.03), (0.85 * a, 0.55 * depth), (a, 0.03)])
    return np.array([(0.0, depth), (0.5 * a, 0.82 * depth), (0.88 * a, 0.3 * depth), (a, -0.04)])


def torso_outline(fit: Fitting, neck: Points) -> Points:
    """Closed outline in trunk coordinates of a top or dress, from a neck edge to the hem."""
    body, garment = fit.figure.body, fit.garment
    ease = EASE[garment.fit]
    if garment.sleeve_length:
        shoulder = [
            (0.55 * body.shoulder, 0.0),
            (0.87 * body.shoulder, 0.035),
            (body.shoulder + 0.06, 0.12),
            (body.shoulder + 0.03, 0.36),
        ]
    else:
        edge = 0.74 * body.shoulder
        shoulder = [(edge, 0.045), (edge - 0.03, 0.22), (edge + 0.02, 0.44)]
    # Arms hang before the sides, so the seams need not stand away from the body at the armpit.
    start = V_ARMPIT + 0.06
    rows = np.linspace(start, garment.hem, max(int((garment.hem - start) / 0.16), 4))
    sides = np.stack([fit.half(rows) - ease * 0.3 * np.exp(-((rows - start) ** 2) / 0.02), rows], axis=1)
    hem = hem_edge(fit)
    return mirror(np.concatenate([smooth(np.concatenate([neck, shoulder])), sides, hem]))


def paint_torso(fit: Fitting) -> None:
    """The body of a top or dress, with neck edge, folds, buttons, collar."""
    place, garment = fit.figure.trunk.place, fit.garment
    edge = neckline(fit)
    if fit.flat:
        _back_of_neck(fit, edge)
    layer = Layer.of(place(torso_outline(fit, edge)))
    if not fit.flat:
        fit.canvas.shade(layer, (0, 0.02 * fit.scale), 0.035 * fit.scale, 0.55)
    light = _torso_light(fit, layer)
    fit.canvas.paint(layer, torso_colours(fit, layer), light, garment.label)
    _trims(fit, layer, edge)


def _torso_light(fit: Fitting, layer: Layer) -> np.ndarray:
    light = volume(layer, 0.2 * fit.scale, 0.42, 0.25) * fit.depth
    light += creases(fit, layer, _torso_creases(fit))
    if not fit.flat:
        light += _bust(fit, layer)
    if fit.garment.flare:
        light += flutes(fit, layer)
    return light


def _bust(fit: Fitting, layer: Layer) -> np.ndarray:
    amount, c = fit.figure.body.bust, fit.figure.body.chest
    if not amount:
        return np.zeros_like(layer.alpha)
    shapes = [fit.figure.trunk.place(ellipse((s * 0.5 * c, 0.82), (0.42 * c, 0.3))) for s in SIDES.values()]
    return slope(layer.cover(*shapes), 0.11 * fit.scale) * 0.3 * amount


def _torso_creases(fit: Fitting) -> list[Points]:
    """Pulls from the armpits, a few bends at the waist, hanging folds at the hem; trunk coordinates."""
    rng, hem = fit.rng, min(fit.garment.hem, 2.5)
    lines = []
    for sign in SIDES.values():
        c, w = float(fit.half(0.7)), float(fit.half(V_WAIST))
        for _ in range(3):
            drop, reach = rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.6)
            lines.append(
                [
                    (sign * c * 0.97, 0.6),
                    (sign * c * (1 - reach / 2), 0.6 + drop * 0.35),
                    (sign * c * (1 - reach), 0.6 + drop),
                ]
            )
        for _ in range(3):
            v, reach = rng.uniform(V_WAIST - 0.3, V_WAIST + 0.25), rng.uniform(0.3, 0.8)
            lines.append(
                [(sign * w * 0.98, v), (sign * w * (1 - reach / 2), v + 0.1), (sign * w * (1 - reach), v + 0.06)]
            )
        for _ in range(2):
            a = sign * rng.uniform(0.2, 0.9) * float(fit.half(hem))
            lines.append([(a, hem - 0.02), (a * 0.97, hem - 0.25), (a * 0.9, hem - rng.uniform(0.4, 0.7))])
    return [np.array(line) for line in lines]


def _trims(fit: Fitting, layer: Layer, edge: Points) -> None:
    """Neck rib, hem stitches, buttons and collar, within the garment's own pixels."""
    garment, place = fit.garment, fit.figure.trunk.place
    inside = fit.canvas.parse == garment.label
    trim = darker(garment.cloth.trim_colour, 0.12)
    around = np.concatenate([(edge * (-1, 1))[::-1][:-1], edge])
    if garment.neckline not in ("Shirt Collar", "Turtle Neck"):
        rib = spline(place(moved(around, 0, 0.025)), closed=False, samples=5)
        fit.canvas.ink(stroke(rib[::3], 0.06 * fit.scale, taper=False), trim, 0.9, inside)
        fit.canvas.ink(
            stroke(moved(rib[::3], 0, 0.034 * fit.scale), 0.012 * fit.scale, taper=False),
            darker(trim, 0.5),
            0.6,
            inside,
        )
    if garment.kind == "top":
        _hem_band(fit, inside)
    if garment.details == "Buttons":
        _placket(fit, inside)
    if garment.neckline == "Shirt Collar":
        _collar(fit)
    if garment.neckline == "Turtle Neck":
        _turtle(fit)


def _hem_band(fit: Fitting, inside: np.ndarray) -> None:
    garment = fit.garment
    hem = hem_edge(fit)
    whole = np.concatenate([hem, (hem * (-1, 1))[::-1][1:]])
    if garment.details == "Rib trim":
        line = fit.figure.trunk.place(moved(whole, 0, -0.06))
        fit.canvas.ink(
            stroke(line[::3], 0.14 * fit.scale, taper=False), darker(garment.cloth.trim_colour, 0.05), 1.0, inside
        )
    line = fit.figure.trunk.place(moved(whole, 0, -0.05))
    fit.canvas.ink(
        stroke(line[::3], 0.013 * fit.scale, taper=False), darker(garment.cloth.trim_colour, 0.6), 0.45, inside
    )


def _placket(fit: Fitting, inside: np.ndarray) -> None:
    """Button strip down the front: whole, or a polo's short one."""
    low = 0.85 if "Polo" in fit.garment.item else (V_WAIST if fit.garment.kind == "dress" else fit.garment.hem)
    place, dark = fit.figure.trunk.place, darker(fit.garment.cloth.trim_colour, 0.6)
    for a in (-0.06, 0.06):
        line = place(np.array([(a, 0.12), (a, 0.5 * low), (a, low)]))
        fit.canvas.ink(stroke(line, 0.013 * fit.scale, taper=False), dark, 0.5, inside)
    for v in np.arange(0.26, low - 0.05, 0.27):
        button = place(ellipse((0.0, v), (0.026, 0.026)))
        fit.canvas.ink(moved(button, 0.006 * fit.scale, 0.008 * fit.scale), (30, 26, 26), 0.35, inside)
        fit.canvas.ink(button, (240, 236, 226), 1.0, inside)


def _collar(fit: Fitting) -> None:
    n = fit.figure.body.neck
    if fit.flat:  # the stand at the back, between the two points
        stand = [(0.0, -0.13), (0.6 * n, -0.14), (n + 0.04, -0.15), (n + 0.06, 0.0), (0.5 * n, 0.03), (0.0, 0.04)]
        _patch(fit, Layer.of(fit.figure.trunk.place(mirror(stand))), 0.03, dark=0.3)
    for sign in SIDES.values():
        flap = [
            (0.0, 0.15),
            (n * 0.6, 0.0),
            (n + 0.02, -0.15),
            (n + 0.08, -0.13),
            (n + 0.17, 0.02),
            (n + 0.14, 0.3),
            (0.16, 0.3),
        ]
        placed = fit.figure.trunk.place(np.array(flap) * (sign, 1))
        _patch(fit, Layer.of(placed), 0.04)
        fit.canvas.ink(
            stroke(smooth(placed[4:])[::2], 0.012 * fit.scale), darker(fit.garment.cloth.trim_colour, 0.7), 0.5
        )


def _turtle(fit: Fitting) -> None:
    n = fit.figure.body.neck
    band = mirror(
        [
            (0.0, -0.27),
            (n * 0.7, -0.29),
            (n + 0.03, -0.33),
            (n + 0.05, -0.18),
            (n + 0.09, -0.02),
            (n * 0.6, 0.06),
            (0, 0.08),
        ]
    )
    if fit.flat:
        _patch(
            fit,
            Layer.of(fit.figure.trunk.place(spline(mirror([(0, -0.36), (n, -0.35), (n, -0.25), (0, -0.22)])))),
            0.04,
            dark=0.5,
        )
    _patch(fit, Layer.of(fit.figure.trunk.place(spline(band, samples=5))), 0.08)


def _patch(fit: Fitting, layer: Layer, radius: float, dark: float = 0.0) -> None:
    """A separate piece of the same cloth in trim colours: collars."""
    garment = fit.garment
    fit.canvas.shade(layer, (0, 0.02 * fit.scale), 0.02 * fit.scale, 0.5)
    if garment.cloth.trim or garment.cloth.material == "Knit":
        colour = np.array(garment.cloth.trim_colour, np.float32)
    else:
        colour = torso_colours(fit, layer)
    fit.canvas.paint(layer, colour, volume(layer, radius * fit.scale, 0.4) - dark, garment.label)


def _back_of_neck(fit: Fitting, edge: Points) -> None:
    """Inside of the back, seen through the neck hole of a garment laid flat."""
    a, top = edge[-1] + np.array([0.02, 0.0])
    low = edge[0][1]
    behind = [(0.0, top + 0.05), (0.6 * a, top + 0.03), (a, top + 0.01)]
    hole = mirror([*behind, (a, 0.4 * low), (0.4 * a, low + 0.05), (0.0, low + 0.06)])
    layer = Layer.of(fit.figure.trunk.place(spline(hole, samples=4)))
    fit.canvas.paint(layer, torso_colours(fit, layer), np.full_like(layer.alpha, -0.45), fit.garment.label)
    tag = fit.figure.trunk.place(moved([(-0.05, 0.07), (0.05, 0.07), (0.05, 0.13), (-0.05, 0.13)], 0, top))
    fit.canvas.ink(tag, (236, 232, 224))


def paint_sleeve(fit: Fitting, side: str) -> None:
    """The sleeve over an arm; nothing for sleeveless garments."""
    shapes = sleeve_outlines(fit, side)
    if not shapes:
        return
    layer = Layer.of(*shapes)
    if not fit.flat:
        fit.canvas.shade(layer, (0.0, 0.03 * fit.scale), 0.03 * fit.scale, 0.5)
    u, v, along = _sleeve_coordinates(fit, side, layer)
    light = volume(layer, 0.1 * fit.scale, 0.45, 0.3) * fit.depth
    light *= np.clip(0.2 + along / 0.4, 0.2, 1)  # the shoulder stays one with the torso piece
    light += creases(fit, layer, _sleeve_creases(fit, side), on_trunk=False)
    fit.canvas.paint(layer, dye(fit.garment.cloth.plain(), u, v, 1 / fit.scale), light, fit.garment.label)
    _cuff(fit, side, layer, along)


def sleeve_outlines(fit: Fitting, side: str) -> list[Points]:
    """Polygons of a sleeve, pixels; empty for sleeveless garments."""
    shoulder, elbow, wrist = arm_bones(fit.figure, side)
    length, ease = fit.garment.sleeve_length, EASE[fit.garment.fit] * 0.6
    if not length:
        return []
    upper, lower = arm_widths(fit.figure, ease)
    if length <= UPPER_ARM:
        opening = 0.02 + ease
        upper = [w + opening * t for w, t in zip(upper, (0, 0.5, 1, 1, 1), strict=True)]
        return [limb(shoulder, elbow, upper, fit.scale, length / UPPER_ARM)]
    return [
        limb(shoulder, elbow, upper, fit.scale),
        limb(elbow, wrist, lower, fit.scale, min((length - UPPER_ARM) / FOREARM, 0.97)),
    ]


def _sleeve_coordinates(fit: Fitting, side: str, layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(u across, v along in cloth coordinates, distance from the shoulder along the arm), float32 [h w]."""
    shoulder, elbow, wrist = arm_bones(fit.figure, side)
    x, y = layer.grid()
    first, second = unit(elbow - shoulder), unit(wrist - elbow)
    beyond = (x - elbow[0]) * (first + second)[0] + (y - elbow[1]) * (first + second)[1] > 0
    along, across = (np.zeros_like(x) for _ in range(2))
    # Foreshortened segments still show their whole cloth.
    for here, origin, d, bone, start, full in (
        (~beyond, shoulder, first, elbow - shoulder, 0.0, UPPER_ARM),
        (beyond, elbow, second, wrist - elbow, UPPER_ARM, FOREARM),
    ):
        stretch = full / (float(np.linalg.norm(bone)) / fit.scale)
        run = ((x - origin[0]) * d[0] + (y - origin[1]) * d[1]) / fit.scale
        along = np.where(here, start + run * min(stretch, 1.6), along)
        across = np.where(here, ((x - origin[0]) * -d[1] + (y - origin[1]) * d[0]) / fit.scale, across)
    u = across if fit.flat else 0.17 * np.arcsin(np.clip(across / 0.22, -0.97, 0.97)) * 1.3
    return u.astype(np.float32), (along + 0.05).astype(np.float32), along


def _sleeve_creases(fit: Fitting, side: str) -> list[Points]:
    """Short bends across the arm: at the elbow, at the cuff, below the shoulder."""
    shoulder, elbow, wrist = arm_bones(fit.figure, side)
    length, rng, lines = fit.garment.sleeve_length, fit.rng, []
    spots = [(shoulder, elbow, t) for t in (0.3, 0.42)]
    if length > UPPER_ARM:
        spots += [
            (shoulder, elbow, 0.82),
            (shoulder, elbow, 0.93),
            (elbow, wrist, 0.08),
            (elbow, wrist, 0.2),
            (elbow, wrist, 0.7),
        ]
    for start, end, t in spots:
        along = unit(end - start)
        across = np.array([-along[1], along[0]]) * fit.scale * 0.13 * rng.choice((-1, 1))
        centre = start + (t + rng.uniform(-0.03, 0.03)) * (end - start)
        skew = along * fit.scale * rng.uniform(-0.08, 0.08)
        lines.append(
            np.array(
                [centre + across, centre + along * 0.02 * fit.scale, centre - across * rng.uniform(0.0, 0.6) + skew]
            )
        )
    return lines


def _cuff(fit: Fitting, side: str, layer: Layer, along: np.ndarray) -> None:
    garment, length = fit.garment, fit.garment.sleeve_length
    limit = min(length, UPPER_ARM + 0.97 * FOREARM)
    ribbed = garment.cloth.trim is not None or garment.details == "Rib trim"
    band = np.clip((along - (limit - (0.12 if length > 1 else 0.07))) * fit.scale + 0.5, 0, 1)
    if ribbed:
        piece = Layer(layer.alpha * band.astype(np.float32), layer.x0, layer.y0)
        fit.canvas.paint(
            piece, darker(garment.cloth.trim_colour, 0.08), volume(layer, 0.1 * fit.scale, 0.4) * fit.depth
        )
    else:
        line = np.clip(1.2 - np.abs(along - (limit - 0.05)) * fit.scale, 0, 1)
        piece = Layer(layer.alpha * line.astype(np.float32), layer.x0, layer.y0)
        fit.canvas.paint(piece, darker(garment.cloth.trim_colour, 0.6), opacity=0.45)


def strap_region(fit: Fitting) -> Points:
    """Where the torso piece lies over a bare arm's shoulder, pixels."""
    outline = torso_outline(fit, neckline(fit))
    kept = outline[outline[:, 1] < 0.75]
    return fit.figure.trunk.place(kept)
