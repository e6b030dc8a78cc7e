"""Trousers and skirts on a figure."""

import numpy as np

from pipelines.drawing.bodies import SHIN, SIDES, THIGH, V_CROTCH, V_HIP
from pipelines.drawing.canvas import Layer, volume
from pipelines.drawing.cloth import dye
from pipelines.drawing.curves import Points, ellipse, limb, mirror, moved, stroke
from pipelines.drawing.fitting import Fitting, creases, flutes, hem_edge, smooth, torso_colours
from pipelines.drawing.limbs import darker, leg_widths


def skirt_outline(fit: Fitting) -> Points:
    """Closed outline, pixels."""
    rows = np.linspace(fit.garment.top, fit.garment.hem, 18)
    sides = np.stack([fit.half(rows), rows], axis=1)
    return fit.figure.trunk.place(mirror(np.concatenate([[(0.0, fit.garment.top + 0.02)], sides, hem_edge(fit)])))


def pants_outlines(fit: Fitting) -> list[Points]:
    """Hips and both legs, pixels."""
    legs = [outline for side in SIDES for outline in _pants_leg(fit, side)]
    return [fit.figure.trunk.place(_pants_hips(fit)), *legs]


def paint_skirt(fit: Fitting) -> None:
    garment = fit.garment
    layer = Layer.of(skirt_outline(fit))
    fit.canvas.shade(layer, (0, 0.05 * fit.scale), 0.06 * fit.scale, 0.6)
    light = volume(layer, 0.2 * fit.scale, 0.45) * fit.depth + flutes(fit, layer)
    fit.canvas.paint(layer, torso_colours(fit, layer), light, garment.label)
    _waistband(fit)


def _waistband(fit: Fitting) -> None:
    garment, v = fit.garment, fit.garment.top
    half = float(fit.half(v)) + 0.005
    band = [
        (-half, v - 0.01),
        (0, v + 0.015),
        (half, v - 0.01),
        (float(fit.half(v + 0.12)) + 0.005, v + 0.12),
        (0, v + 0.15),
        (-float(fit.half(v + 0.12)) - 0.005, v + 0.12),
    ]
    curve = np.concatenate([smooth(np.array(band[:3])), smooth(np.array(band[3:]))])
    layer = Layer.of(fit.figure.trunk.place(curve))
    fit.canvas.shade(layer, (0, 0.02 * fit.scale), 0.015 * fit.scale, 0.5)
    fit.canvas.paint(
        layer, torso_colours(fit, layer), volume(layer, 0.2 * fit.scale, 0.3) * fit.depth - 0.06, garment.label
    )


def paint_pants(fit: Fitting) -> None:
    whole = Layer.of(*pants_outlines(fit))
    fit.canvas.shade(whole, (0, 0.03 * fit.scale), 0.03 * fit.scale, 0.5)
    light = volume(whole, 0.15 * fit.scale, 0.5) * fit.depth
    light += creases(fit, whole, _pants_creases(fit), on_trunk=False)
    fit.canvas.paint(whole, _pants_colours(fit, whole), light, fit.garment.label)
    _inseam(fit)
    _waistband(fit)
    _pants_details(fit)


def _pants_hips(fit: Fitting) -> Points:
    """Down to the widest point; from there on the legs make the outline."""
    rows = np.linspace(fit.garment.top, V_HIP, 9)
    half = fit.figure.body.half_width(rows) + 0.03
    sides = np.stack([half, rows], axis=1)
    crotch = [(0.8 * half[-1], 2.5), (0.1, V_CROTCH + 0.2), (0.0, V_CROTCH + 0.16)]
    return mirror(np.concatenate([[(0.0, fit.garment.top)], sides, crotch]))


_LEGS = {
    "slim": (0.015, 0.02, 0.035),
    "straight": (0.03, 0.05, 0.11),
    "wide": (0.05, 0.13, 0.2),
}  # ease at hip, knee, hem


def _pants_leg(fit: Fitting, side: str) -> tuple[Points, ...]:
    hip, knee, ankle = (fit.figure.joints[f"{joint}_{side}"] for joint in ("hip", "knee", "ankle"))
    at_hip, at_knee, at_hem = _LEGS["slim" if fit.garment.fit == "slim-fit" else fit.garment.leg]
    thigh, shin = leg_widths(fit.figure)
    thigh = [w + e for w, e in zip(thigh, np.linspace(at_hip, at_knee, len(thigh)), strict=True)]
    shin = [w + e for w, e in zip(shin, np.linspace(at_knee, at_hem, len(shin)), strict=True)]
    end = min((fit.garment.hem - V_HIP - THIGH) / SHIN, 0.97)
    if end <= 0:
        return (limb(hip, knee, thigh, fit.scale, (fit.garment.hem - V_HIP) / THIGH),)
    return limb(hip, knee, thigh, fit.scale), limb(knee, ankle, shin, fit.scale, end)


def _pants_colours(fit: Fitting, layer: Layer) -> np.ndarray:
    """Each leg's cloth follows its own bones; the seam between is the middle one."""
    x, y = layer.grid()
    a, v = fit.figure.trunk.unplace(x, y)
    u = np.zeros_like(x)
    for side, sign in SIDES.items():
        hip, knee, ankle = (fit.figure.joints[f"{joint}_{side}"] for joint in ("hip", "knee", "ankle"))
        centre = np.interp(y, [hip[1], knee[1], ankle[1]], [hip[0], knee[0], ankle[0]])
        u = np.where(a * sign > 0, (x - centre) / fit.scale + sign * 0.33, u)
    return dye(fit.garment.cloth, u.astype(np.float32), v.astype(np.float32), 1 / fit.scale)


def _pants_creases(fit: Fitting) -> list[Points]:
    rng, lines, s = fit.rng, [], fit.scale
    for side, sign in SIDES.items():
        hip, knee, ankle = (fit.figure.joints[f"{joint}_{side}"] for joint in ("hip", "knee", "ankle"))
        crotch = fit.figure.trunk.at(0, V_CROTCH)
        for reach in (0.3, 0.45, 0.6):
            lines.append(
                np.array(
                    [
                        crotch,
                        moved(crotch, sign * reach * 0.5 * s, -0.12 * reach * s),
                        moved(crotch, sign * reach * s, -0.55 * reach * s),
                    ]
                )
            )
        for base, spread in ((knee, 0.2), (ankle - (0, 0.2 * s), 0.16)):
            for _ in range(3):
                dy, way = rng.uniform(-spread, spread) * s, rng.choice((-1, 1)) * s
                lines.append(base + np.array([(-0.16 * way, dy), (0.0, dy + 0.05 * s), (0.1 * way, dy + 0.02 * s)]))
        lines.append(np.array([moved(hip, 0, 0.4 * s), (hip + knee) / 2, knee]))
    return lines


def _inseam(fit: Fitting) -> None:
    """The shadow between the legs and the line of the front seam."""
    inside = fit.canvas.parse == fit.garment.label
    dark, s = darker(fit.garment.cloth.colours[0], 0.85), fit.scale
    top, low = fit.figure.trunk.at(0, fit.garment.top + 0.13), fit.figure.trunk.at(0, V_CROTCH + 0.14)
    fit.canvas.ink(stroke([top, (top + low) / 2, low], 0.014 * s, taper=False), dark, 0.5, inside)
    ends = [fit.figure.joints[f"knee_{side}"] for side in SIDES]
    middle = np.mean(ends, axis=0)
    fit.canvas.ink(stroke([low - (0, 0.1 * s), (low + middle) / 2, middle], 0.05 * s), dark, 0.35, inside)


def _pants_details(fit: Fitting) -> None:
    garment, place = fit.garment, fit.figure.trunk.place
    inside = fit.canvas.parse == garment.label
    thread = garment.cloth.trim if garment.cloth.trim else darker(garment.cloth.colours[0], 0.7)
    width = 0.014 * fit.scale
    for sign in SIDES.values():
        hip = fit.figure.body.hip
        line = place(np.array([(hip * 0.55, 1.52), (hip * 0.68, 1.75), (hip * 1.02, 1.88)]) * (sign, 1))
        fit.canvas.ink(stroke(line, width * 1.6, taper=False), darker(garment.cloth.colours[0], 0.8), 0.5, inside)
        fit.canvas.ink(stroke(moved(line, 0, 0.035 * fit.scale), width, taper=False), thread, 0.8, inside)
    fly = place(np.array([(0.1, 1.52), (0.1, 2.0), (0.06, 2.15), (0.0, 2.22)]))
    fit.canvas.ink(stroke(fly, width, taper=False), thread, 0.7, inside)
    fit.canvas.ink(place(ellipse((0.0, garment.top + 0.07), (0.03, 0.03))), (206, 200, 190), 1.0, inside)
