"""The cast, and how one person is drawn: from the background forward, labels in step with the paint."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.drawing.backgrounds import background
from pipelines.drawing.bodies import BODIES, CROWN, POSES, SIDES, Skeleton, keypoints, skeleton
from pipelines.drawing.bottoms import paint_pants, paint_skirt
from pipelines.drawing.canvas import HEIGHT, WIDTH, Canvas, Colour, Layer, soften
from pipelines.drawing.cloth import Cloth
from pipelines.drawing.curves import ellipse, moved
from pipelines.drawing.fitting import Fitting
from pipelines.drawing.garments import BLACK, CREAM, DENIM, GARMENTS, GREY, NAVY, RED, WHITE, Garment
from pipelines.drawing.hair import COVERS_EARS, Looks, paint_back_hair
from pipelines.drawing.heads import paint_head, skull_outline
from pipelines.drawing.limbs import (
    arm_outlines,
    dp,
    leg_outlines,
    paint_arm,
    paint_leg,
    paint_neck,
    paint_shoe,
    paint_trunk,
    trunk_outline,
)
from pipelines.drawing.worn import paint_sleeve, paint_torso, strap_region

PORCELAIN, FAIR, OLIVE, TAN, BROWN, DEEP = (
    (246, 216, 200), (236, 194, 168), (214, 168, 132), (188, 136, 98), (142, 94, 66), (98, 64, 48),
)  # fmt: skip
BLOND, COPPER, CHESTNUT, DARK, JET, SILVER = (
    (214, 176, 112), (168, 84, 44), (110, 70, 44), (62, 44, 36), (34, 30, 34), (176, 174, 176),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Who stands how and where, wearing what; the garment of the same id is the record's own."""

    split: str
    body: str
    pose: str
    looks: Looks
    place: str
    other: Garment | None = None  # what else is worn
    full: bool = False
    shoes: Colour = WHITE
    zoom: float = 1.0
    shift: float = 0.0


def _jeans(colour: Colour = DENIM, fit: str = "slim-fit") -> Garment:
    return Garment(
        "pants", Cloth("solid", (colour,), material="Denim", trim=(196, 160, 110)), "Jeans", "Blue", fit=fit, hem=5.5
    )


def _trousers(colour: Colour) -> Garment:
    return Garment("pants", Cloth("solid", (colour,)), "Pants", "Black", hem=5.5)


def _skirt(colour: Colour) -> Garment:
    return Garment("skirt", Cloth("solid", (colour,)), "Skirt", "Black", hem=3.2, flare=0.2)


def _tee(colour: Colour, sleeve: str = "Short Sleeve", line: str = "Round Neck") -> Garment:
    return Garment(
        "top", Cloth("solid", (colour,)), "T-shirts", "White", sleeve=sleeve, neckline=line, fit="slim-fit", hem=2.2
    )


PEOPLE: dict[str, Person] = {
    "00001_00": Person("train", "average", "standing", Looks(FAIR, CHESTNUT, "long"), "studio grey", _jeans()),
    "00002_00": Person("train", "athletic", "arms_crossed", Looks(OLIVE, JET, "short", beard=True, lips=(164, 88, 80)),
                       "street", _trousers((58, 60, 70))),
    "00003_00": Person("train", "curvy", "hands_on_hips", Looks(BROWN, JET, "curly", lips=(150, 66, 66)), "studio warm",
                       _jeans((52, 62, 88)), zoom=0.95),
    "00004_00": Person("train", "broad", "hand_in_pocket", Looks(PORCELAIN, COPPER, "crop", beard=True, eyes=(70,
        110, 130), lips=(190, 112, 104)),
                       "room", _jeans((60, 66, 80), "normal-fit")),
    "00005_00": Person("train", "slim", "one_hand_on_hip", Looks(TAN, DARK, "ponytail"), "studio blue", _skirt(BLACK)),
    "00006_00": Person("train", "plus", "clasped", Looks(PORCELAIN, BLOND, "bob", eyes=(80, 120, 100)),
        "garden", _trousers((70, 74, 60))),
    "00011_00": Person("train", "average", "walking", Looks(DEEP, JET, "bun", lips=(132, 58, 58)), "street",
                       _tee(WHITE), full=True, shoes=(196, 60, 56)),
    "00012_00": Person("train", "curvy", "hands_on_hips", Looks(FAIR, COPPER, "wavy", eyes=(80, 120, 96)),
        "studio rose",
                       _tee((44, 44, 50), "Sleeveless", "U Neck"), full=True, shoes=BLACK),
    "00015_00": Person("train", "slim", "arms_out", Looks(OLIVE, DARK, "bob"), "garden", full=True, shoes=RED),
    "00016_00": Person("train", "plus", "standing", Looks(TAN, JET, "long"), "studio grey", full=True, shoes=CREAM),
    "00007_00": Person("test", "slim", "waving", Looks(DEEP, DARK, "curly", lips=(140, 62, 62)),
        "room", _jeans((90, 112, 150)),
                       zoom=0.88, shift=-60),
    "00008_00": Person("test", "average", "hand_to_chin", Looks(PORCELAIN, SILVER, "bun", eyes=(90, 120, 140)),
        "studio blue",
                       _trousers((96, 84, 74))),
    "00009_00": Person("test", "athletic", "hands_behind", Looks(BROWN, JET, "crop", lips=(146, 80, 72)), "studio grey",
                       _trousers((196, 180, 150))),
    "00010_00": Person("test", "curvy", "arms_out", Looks(OLIVE, CHESTNUT, "wavy"), "street", _jeans((44, 48, 60)),
        zoom=0.94),
    "00013_00": Person("test", "broad", "hand_in_pocket", Looks(FAIR, BLOND, "short", eyes=(90, 130, 160),
        lips=(188, 110, 102)), "room",
                       _tee(NAVY, "Long Sleeve", "Round Neck"), full=True, shoes=(110, 74, 52)),
    "00014_00": Person("test", "slim", "one_hand_on_hip", Looks(PORCELAIN, JET, "long"), "studio warm",
                       _tee(CREAM, "Short Sleeve", "V Neck"), full=True, shoes=(180, 60, 70)),
    "00017_00": Person("test", "average", "clasped", Looks(FAIR, BLOND, "ponytail", eyes=(84, 124, 150)),
        "garden", full=True,
                       shoes=(120, 84, 60)),
    "00018_00": Person("test", "curvy", "waving", Looks(BROWN, DARK, "bun", lips=(150, 70, 70)),
        "studio rose", full=True, shoes=GREY),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A drawn person: picture uint8 [1024 768 3], parse (CIHP), densepose (I) uint8, keypoints float32 [25 3]."""

    image: np.ndarray
    parse: np.ndarray
    densepose: np.ndarray
    keypoints: np.ndarray


def figure_of(person: Person) -> Skeleton:
    """Where the person's joints lie in the frame."""
    scale = (124.0 if person.full else 194.0) * person.zoom
    crown = 74.0 if person.looks.style == "bun" and not person.full else 57.0
    return skeleton(BODIES[person.body], POSES[person.pose], scale, (WIDTH / 2 + person.shift, crown + -CROWN * scale))


def draw_person(person_id: str) -> Scene:
    """The picture and labels of one of `PEOPLE`; the same every time."""
    person, rng = PEOPLE[person_id], np.random.default_rng(int(person_id[:5]))
    figure = figure_of(person)
    canvas = Canvas(background(person.place, rng, person.full))
    _cast_shadow(canvas, figure, person)
    worn = [garment for garment in (GARMENTS[person_id], person.other) if garment]
    _paint_figure(canvas, figure, person, [Fitting(canvas, figure, garment, rng) for garment in worn])
    canvas.image += cv2.merge([1.6 * rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)] * 3)
    points = keypoints(figure, _hidden(canvas, figure, person), (HEIGHT, WIDTH))
    return Scene(canvas.pixels(), canvas.parse, canvas.densepose, points)


def _paint_figure(canvas: Canvas, figure: Skeleton, person: Person, fittings: list[Fitting]) -> None:
    looks, arms = person.looks, {side: figure.pose.arm(side) for side in SIDES}
    upper = next(f for f in fittings if f.garment.kind in ("top", "dress"))
    lower = next((f for f in fittings if f.garment.kind in ("pants", "skirt")), None)
    tucked = lower is not None and lower is fittings[0]
    paint_back_hair(canvas, figure, looks)
    for side in SIDES:
        if arms[side].depth == "behind":
            paint_arm(canvas, figure, side, looks.skin)
            paint_sleeve(upper, side)
    for side in SIDES:
        paint_leg(canvas, figure, side, looks.skin)
        paint_shoe(canvas, figure, side, person.shoes)
    paint_trunk(canvas, figure, looks.skin)
    paint_neck(canvas, figure, looks.skin)
    if tucked:
        paint_torso(upper)
    for side in SIDES:
        if arms[side].depth == "pocket":
            paint_arm(canvas, figure, side, looks.skin)
            paint_sleeve(upper, side)
    if lower:
        (paint_pants if lower.garment.kind == "pants" else paint_skirt)(lower)
    for side in SIDES:
        if arms[side].depth == "side":
            paint_arm(canvas, figure, side, looks.skin, strap_region(upper) if tucked else None)
    if not tucked:
        paint_torso(upper)
    for side in SIDES:
        if arms[side].depth == "side":
            paint_sleeve(upper, side)
    paint_head(canvas, figure, looks)
    _front_arms(canvas, figure, looks, upper)


def _front_arms(canvas: Canvas, figure: Skeleton, looks: Looks, upper: Fitting) -> None:
    """Arms before the trunk: the ones called "front" below the ones called "over"."""
    for depth in ("front", "over"):
        for side in SIDES:
            if figure.pose.arm(side).depth == depth:
                bare = None if upper.garment.sleeve_length else strap_region(upper)
                canvas.shade(Layer.of(*arm_outlines(figure, side)), (0, 0.07 * figure.scale), 0.06 * figure.scale, 0.5)
                paint_arm(canvas, figure, side, looks.skin, bare)
                paint_sleeve(upper, side)


def _cast_shadow(canvas: Canvas, figure: Skeleton, person: Person) -> None:
    """On the wall behind, and on the floor under the feet."""
    scale = figure.scale
    limbs = [p for side in SIDES for p in (*arm_outlines(figure, side), *leg_outlines(figure, side))]
    body = Layer.of(trunk_outline(figure), skull_outline(figure), *limbs).frame()
    move = np.array([[1, 0, 0.14 * scale], [0, 1, 0.08 * scale]], np.float32)
    wall = cv2.warpAffine(soften(body, 0.16 * scale), move, (WIDTH, HEIGHT))
    strength = 0.16 if person.place.startswith("studio") else 0.1
    canvas.image *= cv2.merge([1 - strength * wall] * 3)
    if person.full:
        soles = [moved(figure.joints[f"ankle_{side}"], 0, 0.36 * scale) for side in SIDES]
        floor = Layer.of(*(ellipse(sole, (0.5 * scale, 0.09 * scale)) for sole in soles)).frame()
        canvas.image *= cv2.merge([1 - 0.45 * soften(floor, 0.07 * scale)] * 3)


def _hidden(canvas: Canvas, figure: Skeleton, person: Person) -> set[str]:
    """Joints that nobody could see: ears under hair, elbows and wrists behind another part of the body."""
    hidden = {"RIGHT_EAR", "LEFT_EAR"} if person.looks.style in COVERS_EARS else set()
    for side in SIDES:
        own = [dp(side, part) for part in ("upper_arm_outer", "lower_arm_inner", "lower_arm_outer", "hand")]
        for joint in ("elbow", "wrist"):
            x, y = np.rint(figure.joints[f"{joint}_{side}"]).astype(int)
            if 0 <= x < WIDTH and 0 <= y < HEIGHT and canvas.densepose[y, x] not in own:
                hidden.add(f"{side}_{joint}".upper())
    return hidden
