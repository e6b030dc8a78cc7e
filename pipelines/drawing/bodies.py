"""Body shapes, poses, and the skeleton that both together give. Lengths are in head heights.

Trunk coordinates are (a, v): a to the picture's right from the middle line, v down from the base of the neck.
LEFT and RIGHT are the person's own; in poses, "outward" points away from the middle line on either side.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from pipelines.drawing.curves import Points, profile, unit
from schemas.labels import Body25

V_SHOULDER, V_ARMPIT, V_CHEST, V_WAIST, V_HIP, V_CROTCH = 0.2, 0.56, 0.85, 1.45, 2.25, 2.62
CROWN, HEAD = -1.34, 1.1  # top of the head in trunk coordinates, and its size
THIGH, SHIN, UPPER_ARM, FOREARM = 1.74, 1.68, 1.26, 1.04
SIDES = {"left": 1, "right": -1}  # the person's left lies on the picture's right


@dataclass(frozen=True)
class Body:
    """Half-widths at shoulder joint, chest, waist, hip; `arm`, `leg` are thickness factors, `bust` a shading depth."""

    name: str
    shoulder: float
    chest: float
    waist: float
    hip: float
    arm: float = 1.0
    leg: float = 1.0
    neck: float = 0.2
    bust: float = 0.0
    jaw: float = 1.0

    @cached_property
    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        c, w, h = self.chest, self.waist, self.hip
        rows = [(0.3, c * 1.02), (V_ARMPIT, c), (V_CHEST, c), (1.15, 0.45 * c + 0.55 * w), (V_WAIST, w)]
        return profile([*rows, (1.85, 0.35 * w + 0.65 * h), (V_HIP, h), (V_CROTCH, h * 0.99), (3.1, h * 0.95)])

    def half_width(self, v: np.ndarray | float) -> np.ndarray:
        """Of the trunk without arms, at height v; constant beyond its ends."""
        return np.asarray(np.interp(v, *self._widths))


BODIES = {
    body.name: body
    for body in (
        Body("slim", 0.66, 0.53, 0.42, 0.60, arm=0.88, leg=0.9, neck=0.18, bust=0.5),
        Body("average", 0.70, 0.57, 0.47, 0.65, bust=0.8),
        Body("curvy", 0.69, 0.61, 0.48, 0.75, arm=1.06, leg=1.12, neck=0.19, bust=1.0),
        Body("athletic", 0.84, 0.68, 0.55, 0.62, arm=1.2, leg=1.05, neck=0.25, jaw=1.12),
        Body("broad", 0.82, 0.74, 0.71, 0.75, arm=1.28, leg=1.15, neck=0.27, jaw=1.15),
        Body("plus", 0.74, 0.72, 0.66, 0.84, arm=1.25, leg=1.25, neck=0.22, bust=1.0, jaw=1.1),
    )
}


@dataclass(frozen=True)
class Arm:
    """Elbow: (outward, down) from the shoulder. Wrist: from `origin`: the elbow, or the outline at waist or hip,
    or the middle line ("centre", at absolute v), or the other shoulder ("far"). `depth`: see people.py."""

    elbow: tuple[float, float]
    wrist: tuple[float, float]
    origin: str = "elbow"
    depth: str = "side"
    hand: str = "relaxed"
    bend: float = 0.0  # degrees that the hand turns outward from the forearm's direction


@dataclass(frozen=True)
class Pose:
    """Arms and stance; sway is the hips' shift, tilts in degrees clockwise, feet (outward knee, outward ankle)."""

    name: str
    left: Arm
    right: Arm
    sway: float = 0.0
    shoulder_tilt: float = 0.0
    hip_tilt: float = 0.0
    head_tilt: float = 0.0
    head_turn: float = 0.0
    left_leg: tuple[float, float] = (0.0, -0.02)
    right_leg: tuple[float, float] = (0.0, -0.02)

    def arm(self, side: str) -> Arm:
        return self.left if side == "left" else self.right


_HANGING = Arm((0.17, 1.2), (0.05, 1.03), bend=-4)
_HANGING_WIDE = Arm((0.33, 1.20), (0.13, 1.02), bend=-8)
_ON_HIP = Arm((0.62, 0.88), (0.13, 0.1), origin="waist", depth="front", hand="hip", bend=38)
_POCKET = Arm((0.40, 1.16), (-0.13, -0.08), origin="hip", depth="pocket", hand="grip")
_BEHIND = Arm((0.27, 1.18), (-0.62, 0.72), depth="behind")
_CLASPED = Arm((0.17, 1.14), (0.22, 2.02), origin="centre", depth="front", bend=-6)

POSES = {
    pose.name: pose
    for pose in (
        Pose("standing", _HANGING, _HANGING, left_leg=(0.02, 0.02), right_leg=(0.02, 0.02)),
        Pose("arms_out", _HANGING_WIDE, _HANGING_WIDE, head_turn=0.4, left_leg=(0.1, 0.16), right_leg=(0.08, 0.12)),
        Pose("hands_on_hips", _ON_HIP, _ON_HIP, head_tilt=-3, left_leg=(0.1, 0.15), right_leg=(0.1, 0.15)),
        Pose(
            "one_hand_on_hip", _ON_HIP, Arm((0.2, 1.23), (0.1, 1.02), bend=-5), sway=0.09, shoulder_tilt=2.5,
            hip_tilt=-4, head_tilt=5, head_turn=-0.5, left_leg=(-0.05, -0.18), right_leg=(0.14, 0.1),
        ),
        Pose(
            "arms_crossed", Arm((0.03, 1.08), (0.5, 0.99), origin="far", depth="front", hand="hip"),
            Arm((0.03, 1.05), (0.44, 0.98), origin="far", depth="over", hand="flat", bend=-14), head_turn=0.3,
        ),
        Pose(
            "waving", Arm((0.62, 0.72), (0.05, -0.98), depth="front", hand="open", bend=8), _HANGING,
            shoulder_tilt=-3, head_tilt=4, head_turn=0.4, left_leg=(0.03, 0.05),
        ),
        Pose(
            "hand_to_chin", Arm((0.10, 1.14), (-0.49, -0.94), depth="over", hand="grip", bend=-8),
            Arm((0.10, 1.15), (-0.98, -0.05), depth="front", hand="flat"), head_tilt=4, head_turn=0.5,
        ),
        Pose(
            "hand_in_pocket", _HANGING, _POCKET, sway=-0.07, shoulder_tilt=-2, hip_tilt=3.5, head_tilt=-4,
            head_turn=0.5, left_leg=(0.16, 0.16), right_leg=(0.03, 0.0),
        ),
        Pose("hands_behind", _BEHIND, _BEHIND, head_tilt=3, head_turn=-0.4),
        Pose("clasped", _CLASPED, Arm((0.17, 1.20), (0.16, 2.08), origin="centre", depth="over", bend=-6),
            head_tilt=-4),
        Pose(
            "walking", Arm((0.24, 1.2), (0.16, 1.0), bend=-6), Arm((0.2, 1.2), (-0.14, 1.0), bend=-3), sway=0.05,
            hip_tilt=-3, shoulder_tilt=2, head_turn=-0.4, left_leg=(-0.04, -0.22), right_leg=(0.04, -0.12),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Trunk:
    """The bent, tilted axis between neck and hips, and the way from trunk coordinates to pixels and back."""

    neck: tuple[float, float]  # pixels
    scale: float  # pixels per head height
    pose: Pose

    def _axis(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sideways shift of the middle line, and its tilt in radians, at height v."""
        t = np.clip(v / V_HIP, 0, 1)
        tilt = self.pose.shoulder_tilt * (1 - t) + self.pose.hip_tilt * t
        # Below the hips the shift fades: cloth hangs back towards the feet.
        fade = np.clip((v - V_HIP) / 3, 0, 1)
        return self.pose.sway * t * t * (3 - 2 * t) * (1 - 0.7 * fade), np.radians(tilt * (1 - fade))

    def place(self, points: ArrayLike) -> Points:
        """(a, v) [n 2] → pixels [n 2]."""
        a, v = np.asarray(points, np.float64).T
        shift, tilt = self._axis(v)
        x = self.neck[0] + self.scale * (shift + a * np.cos(tilt))
        y = self.neck[1] + self.scale * (v + a * np.sin(tilt))
        return np.stack([x, y], axis=1)

    def at(self, a: float, v: float) -> Points:
        return np.asarray(self.place([(a, v)])[0])

    def unplace(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels → (a, v), by fixed-point iteration (the tilt is small)."""
        dx, dy = (x - self.neck[0]) / self.scale, (y - self.neck[1]) / self.scale
        if not (self.pose.sway or self.pose.shoulder_tilt or self.pose.hip_tilt):
            return dx, dy
        v = dy
        for _ in range(2):
            shift, tilt = self._axis(v)
            a = (dx - shift) / np.cos(tilt)
            v = dy - a * np.sin(tilt)
        return a, v


@dataclass(frozen=True)
class Skeleton:
    """A body in a pose at a place in the frame: every joint in pixels."""

    body: Body
    pose: Pose
    scale: float
    neck: tuple[float, float]
    joints: dict[str, Points] = field(default_factory=dict)

    @cached_property
    def trunk(self) -> Trunk:
        return Trunk(self.neck, self.scale, self.pose)

    def head_point(self, points: ArrayLike) -> Points:
        """Head coordinates (x, y in head heights from the head's centre) → pixels."""
        tilt = np.radians(self.pose.head_tilt)
        turned = (
            HEAD
            * np.asarray(points, np.float64)
            @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        )
        pivot = HEAD * np.array([0.5 * np.sin(tilt), -0.5 * np.cos(tilt) + 0.5])
        return np.asarray(self.trunk.at(0, CROWN + 0.5 * HEAD) + self.scale * (turned + pivot))


def skeleton(body: Body, pose: Pose, scale: float, neck: tuple[float, float]) -> Skeleton:
    """Joints by name: shoulder, elbow, wrist, hand_tip, hip, knee, ankle with _left/_right."""
    bare = Skeleton(body, pose, scale, neck)
    joints: dict[str, Points] = {}
    for side, sign in SIDES.items():
        joints |= _arm_joints(bare, pose.arm(side), side, sign)
        joints |= _leg_joints(bare, side, sign)
    return Skeleton(body, pose, scale, neck, joints)


def _arm_joints(bare: Skeleton, arm: Arm, side: str, sign: int) -> dict[str, Points]:
    body, trunk = bare.body, bare.trunk
    shoulder = np.array([body.shoulder, V_SHOULDER])
    elbow = shoulder + arm.elbow
    origin = {
        "elbow": elbow,
        "waist": np.array([body.waist, V_WAIST]),
        "hip": np.array([body.hip, V_HIP]),
        "centre": np.zeros(2),
        "far": np.array([-body.shoulder, V_SHOULDER]),
    }[arm.origin]
    points = trunk.place(np.stack([shoulder, elbow, origin + arm.wrist]) * (sign, 1))
    direction = unit(points[2] - points[1])
    angle = np.radians(-arm.bend * sign)
    c, s = np.cos(angle), np.sin(angle)
    direction = np.array([c * direction[0] - s * direction[1], s * direction[0] + c * direction[1]])
    names = (f"shoulder_{side}", f"elbow_{side}", f"wrist_{side}", f"hand_{side}")
    return dict(zip(names, [*points, direction], strict=True))


def _leg_joints(bare: Skeleton, side: str, sign: int) -> dict[str, Points]:
    knee_out, ankle_out = bare.pose.left_leg if side == "left" else bare.pose.right_leg
    hip = bare.trunk.at(sign * bare.body.hip * 0.52, V_HIP)
    knee = hip + np.array([sign * (knee_out - 0.02), THIGH]) * bare.scale
    ankle = knee + np.array([sign * (ankle_out - knee_out), SHIN]) * bare.scale
    return {f"hip_{side}": hip, f"knee_{side}": knee, f"ankle_{side}": ankle}


_HEAD_JOINTS = {"NOSE": (0.0, 0.13), "RIGHT_EYE": (-0.155, 0.0), "LEFT_EYE": (0.155, 0.0)}
_EARS = {"RIGHT_EAR": (-0.375, 0.04), "LEFT_EAR": (0.375, 0.04)}
_TOES = {"BIG_TOE": (0.02, 0.30), "SMALL_TOE": (0.13, 0.24), "HEEL": (-0.01, 0.08)}


def keypoints(figure: Skeleton, hidden: set[str], shape: tuple[int, int]) -> np.ndarray:
    """BODY_25 float32 [25 3] in pixels; joints named in `hidden` or outside the frame (height, width) are zeros."""
    found: dict[str, Points] = {"NECK": figure.trunk.at(0, V_SHOULDER), "MID_HIP": figure.trunk.at(0, V_HIP)}
    turn = np.array([0.06 * figure.pose.head_turn, 0])
    found |= {name: figure.head_point(np.array([at]) + turn)[0] for name, at in _HEAD_JOINTS.items()}
    found |= {name: figure.head_point(np.array([at]))[0] for name, at in _EARS.items()}
    for side, sign in SIDES.items():
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            found[f"{side}_{joint}".upper()] = figure.joints[f"{joint}_{side}"]
        for toe, (out, down) in _TOES.items():
            found[f"{side}_{toe}".upper()] = (
                figure.joints[f"ankle_{side}"] + np.array([sign * out, down]) * figure.scale
            )
    points = np.zeros((len(Body25), 3), np.float32)
    for name, (x, y) in found.items():
        if name not in hidden and 0 <= x < shape[1] and 0 <= y < shape[0]:
            points[Body25[name]] = x, y, 0.9
    return points
