"""Bare skin and shoes: trunk, neck, arms with hands, legs, feet. Each paints picture, parse and DensePose together."""

from collections.abc import Callable

import numpy as np

from pipelines.drawing.bodies import SIDES, V_ARMPIT, V_CHEST, V_CROTCH, V_HIP, V_WAIST, Skeleton
from pipelines.drawing.canvas import Canvas, Colour, Layer, lit, volume
from pipelines.drawing.curves import Points, limb, mirror, spline, stroke, tube, unit
from schemas.labels import Cihp, DensePose

UPPER_ARM_WIDTHS = (0.138, 0.15, 0.148, 0.135, 0.122)
FOREARM_WIDTHS = (0.122, 0.132, 0.118, 0.095, 0.078)
THIGH_SHAPE = (1.0, 0.95, 0.84, 0.69, 0.56)  # half-widths as shares of half a hip
SHIN_SHAPE = (0.56, 0.56, 0.6, 0.48, 0.34, 0.285)

_Hand = tuple[list[Points], list[Points]]  # shapes, and the lines between the fingers
CIHP_ARM = {"left": Cihp.LEFT_ARM, "right": Cihp.RIGHT_ARM}
CIHP_LEG = {"left": Cihp.LEFT_LEG, "right": Cihp.RIGHT_LEG}
CIHP_SHOE = {"left": Cihp.LEFT_SHOE, "right": Cihp.RIGHT_SHOE}


def dp(side: str, part: str) -> int:
    """DensePose id of the part on that side of the person, e.g. dp("left", "hand")."""
    return DensePose[f"{side}_{part}".upper()]


def darker(colour: Colour, amount: float) -> Colour:
    """The colour in shadow; amount 0-1."""
    return tuple(lit(colour, np.full((1, 1), -amount, np.float32))[0, 0])


def trunk_outline(figure: Skeleton) -> Points:
    """Neck base, shoulders, waist, hips: closed, pixels."""
    body = figure.body
    levels = [V_ARMPIT, 0.7, V_CHEST, 1.15, V_WAIST, 1.85, V_HIP]
    sides = [(float(body.half_width(v)), v) for v in levels]
    top = [(0.0, -0.02), (body.neck + 0.04, -0.025), (0.55 * body.shoulder, 0.03)]
    shoulder = [(0.86 * body.shoulder, 0.07), (body.shoulder, 0.15), (body.shoulder - 0.03, 0.3)]
    end = [(body.hip * 0.86, 2.5), (0.12, V_CROTCH + 0.1), (0.0, V_CROTCH + 0.08)]
    return spline(figure.trunk.place(mirror(top + shoulder + sides + end)), samples=5)


def neck_outline(figure: Skeleton) -> Points:
    """From under the jaw down to the collar bones."""
    n = figure.body.neck
    right, left = figure.head_point([(n * 0.9, 0.2), (-n * 0.9, 0.2)])
    base = [(n * 0.96, -0.17), (n + 0.015, -0.09), (n + 0.1, -0.015), (n + 0.25, 0.04), (0, 0.22)]
    return spline([left, right, *figure.trunk.place(np.array([*base, *((-a, v) for a, v in base[3::-1])]))], samples=5)


def paint_trunk(canvas: Canvas, figure: Skeleton, skin: Colour) -> None:
    layer = Layer.of(trunk_outline(figure))
    canvas.paint(layer, skin, volume(layer, 0.22 * figure.scale, 0.4), Cihp.NECK)
    canvas.part(layer, DensePose.TORSO_FRONT)
    _bones(canvas, figure, skin)


def _bones(canvas: Canvas, figure: Skeleton, skin: Colour) -> None:
    """Collar bones and the notch between them."""
    width = 0.022 * figure.scale
    for sign in SIDES.values():
        line = figure.trunk.place(np.array([(0.06, 0.13), (0.22, 0.1), (0.42, 0.06)]) * (sign, 1))
        canvas.ink(stroke(line, width), darker(skin, 0.5), 0.45)
        canvas.ink(stroke(line - (0, width), width), (255, 240, 225), 0.22)


def paint_neck(canvas: Canvas, figure: Skeleton, skin: Colour) -> None:
    layer = Layer.of(neck_outline(figure))
    canvas.paint(layer, skin, volume(layer, 0.1 * figure.scale, 0.35) - 0.04, Cihp.NECK)
    top, low = figure.trunk.at(0, -0.25), figure.trunk.at(0, 0.15)
    middle = (top + low) / 2
    upper = layer.keep(np.array([(0, 0), (768, 0), (768, middle[1]), (0, middle[1])]))
    canvas.part(layer, DensePose.TORSO_FRONT)
    for side, sign in SIDES.items():
        edge = middle[0] + sign * 768
        half = np.array([(middle[0], 0), (edge, 0), (edge, 1024), (middle[0], 1024)])
        canvas.part(upper.keep(half), DensePose.HEAD_LEFT if side == "left" else DensePose.HEAD_RIGHT)


def arm_bones(figure: Skeleton, side: str) -> tuple[Points, Points, Points]:
    """Shoulder, elbow, wrist in pixels."""
    joints = figure.joints
    return joints[f"shoulder_{side}"], joints[f"elbow_{side}"], joints[f"wrist_{side}"]


def arm_widths(figure: Skeleton, ease: float = 0.0) -> tuple[list[float], list[float]]:
    """Half-widths of upper arm and forearm, with a sleeve's ease; the shoulder's cap grows less than the rest."""
    arm = figure.body.arm
    upper, lower = ([w * arm + ease for w in widths] for widths in (UPPER_ARM_WIDTHS, FOREARM_WIDTHS))
    upper[0] = UPPER_ARM_WIDTHS[0] * arm**0.4 + 0.3 * ease
    upper[1] -= 0.35 * ease
    return upper, lower


def arm_outlines(figure: Skeleton, side: str) -> tuple[Points, Points]:
    shoulder, elbow, wrist = arm_bones(figure, side)
    upper, lower = arm_widths(figure)
    return limb(shoulder, elbow, upper, figure.scale), limb(elbow, wrist, lower, figure.scale)


def hand_shapes(figure: Skeleton, side: str) -> tuple[list[Points], list[Points]]:
    """(polygons of the hand, pen lines between its fingers), pixels."""
    wrist, along = figure.joints[f"wrist_{side}"], figure.joints[f"hand_{side}"]
    across = np.array([-along[1], along[0]])
    outward = np.array([SIDES[side], 0.0])
    # The thumb points up on a level hand and to the body's middle on a hanging one.
    if across @ (-0.7 * outward + (0, -1)) < 0:
        across = -across
    size = figure.scale * (0.98 + 0.12 * figure.body.arm)
    axes = np.stack([along, across])
    kind = figure.pose.arm(side).hand
    shapes, lines = _HANDS[kind]()
    return ([p @ axes * size + wrist for p in shapes], [p @ axes * size + wrist for p in lines])


def _hand(lengths: list[float], spread: float, curl: float, thumb: list[tuple[float, float]]) -> _Hand:
    """Local shapes: x along the hand, y towards the thumb, head heights."""
    palm = [
        (-0.05, -0.07),
        (0.1, -0.1),
        (0.27, -0.112),
        (0.33, -0.06),
        (0.33, 0.06),
        (0.28, 0.105),
        (0.12, 0.108),
        (-0.05, 0.07),
    ]
    roots = (-0.08, -0.027, 0.027, 0.078)
    fingers, lines = [], []
    for i, (root, length) in enumerate(zip(roots, lengths, strict=True)):
        lean = spread * (i - 1.4)
        middle = (0.28 + 0.55 * length, root * 0.97 + (0.6 * lean + 0.3 * curl) * length)
        tip = (0.28 + length, root * 0.9 + (lean + curl) * length)
        bones = spline([(0.2, root), middle, tip], closed=False, samples=5)
        fingers.append(tube(bones, np.linspace(0.034, 0.024, len(bones)), round_start=True, round_end=True))
        if i:
            edge = 0.5 * (root + roots[i - 1])
            lines.append(
                stroke([(0.26, edge), (0.28 + 0.7 * length, edge * 0.95 + (lean + 0.4 * curl) * 0.7 * length)], 0.013)
            )
    bones = spline(thumb, closed=False, samples=5)
    thumb_shape = tube(bones, np.linspace(0.044, 0.026, len(bones)), round_start=True, round_end=True)
    return [spline(palm, samples=5), thumb_shape, *fingers], lines


_HANDS: dict[str, Callable[[], _Hand]] = {
    "relaxed": lambda: _hand([0.25, 0.31, 0.32, 0.29], 0.02, 0.12, [(0.04, 0.06), (0.17, 0.13), (0.33, 0.14)]),
    "flat": lambda: _hand([0.25, 0.32, 0.34, 0.3], 0.03, 0.0, [(0.04, 0.06), (0.15, 0.14), (0.27, 0.19)]),
    "hip": lambda: _hand([0.23, 0.3, 0.32, 0.29], 0.06, -0.12, [(0.02, 0.04), (0.1, 0.08), (0.16, 0.09)]),
    "open": lambda: _hand([0.25, 0.32, 0.34, 0.3], 0.2, 0.0, [(0.02, 0.06), (0.13, 0.17), (0.23, 0.28)]),
    "grip": lambda: _hand([0.1, 0.14, 0.15, 0.13], 0.04, -0.15, [(0.04, 0.06), (0.17, 0.12), (0.3, 0.11)]),
}


def paint_arm(canvas: Canvas, figure: Skeleton, side: str, skin: Colour, hide: Points | None = None) -> None:
    """Arm and hand; `hide` is a polygon (a garment's strap) that stays on top of the shoulder."""
    upper, lower = arm_outlines(figure, side)
    hand, lines = hand_shapes(figure, side)
    whole = Layer.of(upper, lower, *hand)
    upper_layer, lower_layer, hand_layer = Layer.of(upper), Layer.of(lower), Layer.of(*hand)
    if hide is not None:
        whole, upper_layer = whole.cut(hide), upper_layer.cut(hide)
    light = volume(whole, 0.075 * figure.scale, 0.5, 0.3)
    canvas.paint(whole, skin, light, CIHP_ARM[side])
    _hand_details(canvas, skin, lines)
    canvas.part(hand_layer, dp(side, "hand"))
    canvas.part(lower_layer, dp(side, "lower_arm_outer"))
    canvas.part(_inner_half(figure, side, lower_layer), dp(side, "lower_arm_inner"))
    canvas.part(upper_layer, dp(side, "upper_arm_outer"))


def _inner_half(figure: Skeleton, side: str, forearm: Layer) -> Layer:
    """The forearm's half towards the body's middle (or upwards, on a level forearm)."""
    _, elbow, wrist = arm_bones(figure, side)
    along = unit(wrist - elbow)
    normal = np.array([-along[1], along[0]])
    if normal @ (-SIDES[side], -0.3) < 0:
        normal = -normal
    reach = 600.0
    return forearm.keep(np.array([elbow - along * reach, wrist + along * reach, wrist + along * reach + normal * reach,
                                  elbow - along * reach + normal * reach]))  # fmt: skip


def _hand_details(canvas: Canvas, skin: Colour, lines: list[Points]) -> None:
    for line in lines:
        canvas.ink(line, darker(skin, 0.7), 0.6)


def leg_widths(figure: Skeleton) -> tuple[list[float], list[float]]:
    """Half-widths of thigh and shin, from hip to ankle: the thigh starts as wide as half the hips."""
    root = figure.body.hip * 0.52
    slender = figure.body.leg * 0.62 / figure.body.hip  # thick hips need not mean thick ankles
    return [root * w for w in THIGH_SHAPE], [
        root * w * (1 - t + t * slender) for w, t in zip(SHIN_SHAPE, np.linspace(0, 1, 6), strict=True)
    ]


def leg_outlines(figure: Skeleton, side: str) -> tuple[Points, Points]:
    hip, knee, ankle = (figure.joints[f"{joint}_{side}"] for joint in ("hip", "knee", "ankle"))
    thigh, shin = leg_widths(figure)
    return limb(hip, knee, thigh, figure.scale), limb(knee, ankle, shin, figure.scale)


def shoe_shapes(figure: Skeleton, side: str) -> tuple[Points, Points]:
    """(shoe, its sole), pixels, seen from the front with the toes a little outward."""
    ankle, sign, s = figure.joints[f"ankle_{side}"], SIDES[side], figure.scale
    shoe = [
        (-0.1, 0.0),
        (0.1, 0.0),
        (0.135, 0.12),
        (0.19, 0.25),
        (0.185, 0.35),
        (0.09, 0.39),
        (-0.04, 0.37),
        (-0.1, 0.28),
        (-0.11, 0.12),
    ]
    sole = [(0.2, 0.31), (0.19, 0.385), (0.08, 0.43), (-0.06, 0.41), (-0.11, 0.32), (-0.03, 0.36), (0.1, 0.37)]
    shape, edge = (spline(np.array(points) * (sign * s, s) + ankle, samples=6) for points in (shoe, sole))
    return shape, edge


def paint_leg(canvas: Canvas, figure: Skeleton, side: str, skin: Colour) -> None:
    upper, lower = leg_outlines(figure, side)
    layer = Layer.of(upper, lower)
    canvas.paint(layer, skin, volume(layer, 0.12 * figure.scale, 0.5), CIHP_LEG[side])
    s = figure.scale
    knee = figure.joints[f"knee_{side}"] + s * np.array([(-0.08, 0.03), (0, 0.07), (0.08, 0.03)])
    canvas.ink(stroke(knee, 0.018 * s), darker(skin, 0.5), 0.25)
    canvas.part(Layer.of(lower), dp(side, "lower_leg_front"))
    canvas.part(Layer.of(upper), dp(side, "upper_leg_front"))


def paint_shoe(canvas: Canvas, figure: Skeleton, side: str, colour: Colour) -> None:
    shoe, sole = shoe_shapes(figure, side)
    layer, edge = Layer.of(shoe), Layer.of(sole)
    canvas.shade(layer, (0, 0), 0.04 * figure.scale, 0.5)
    canvas.paint(layer, colour, volume(layer, 0.06 * figure.scale, 0.6), CIHP_SHOE[side])
    canvas.paint(edge, (238, 236, 230), volume(edge, 0.02 * figure.scale, 0.3), CIHP_SHOE[side])
    ankle, s = figure.joints[f"ankle_{side}"], figure.scale
    for i in range(3):
        y = 0.1 + 0.06 * i
        canvas.ink(stroke([ankle + np.array([-0.05 + 0.015 * i, y]) * s * (SIDES[side], 1),
                           ankle + np.array([0.07 + 0.02 * i, y + 0.01]) * s * (SIDES[side], 1)], 0.02 * s),
                   (245, 243, 238), 0.85)  # fmt: skip
    canvas.part(layer, dp(side, "foot"))
