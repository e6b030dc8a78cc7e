"""Agnostic pictures: the garment's region of a person photo greyed out, from the parse and the joints.

`hrviton` draws what VITON-HD ships as `agnostic-v3.2` and `agnostic-mask` (recipe of sangyun884/HR-VITON, radii from
the shoulders), `vitonhd` what shadow2496/VITON-HD publishes (fixed radii). Photos uint8 [h w 3] RGB, `parse` uint8
[h w] CIHP ids, `keypoints` float [25 2+] BODY_25 in pixels with absent joints at (0, 0), masks uint8 [h w] 0/255 with
255 = repaint.

Both recipes are written in pixels of 768 × 1024. For other sizes the shapes are drawn on a canvas that has the photo's
aspect and fits inside 768 × 1024, then enlarged or reduced (nearest) to the photo's size and combined there with the
parse: so whatever the parse protects is kept to the pixel at every size.

Shapes are Pillow's (lines have butt ends, coordinates are cut to integers), as in the originals; other libraries draw
other pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from annotators.functional import boxes, masks
from schemas.labels import Body25, Category, Cihp

FRAME_WIDTH, FRAME_HEIGHT = 768, 1024  # the recipes' pixels
GREY = 128
GREY_TOLERANCE = 6  # what JPEG quality 75 leaves of the grey away from its border

GARMENT = (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT)
_KEPT = (
    Cihp.SUNGLASSES, Cihp.FACE, Cihp.PANTS, Cihp.SKIRT,
    Cihp.LEFT_LEG, Cihp.RIGHT_LEG, Cihp.LEFT_SHOE, Cihp.RIGHT_SHOE,
)  # fmt: skip
_REPAINTED = masks.lookup(tuple(set(range(256)) - set(_KEPT)), value=1)
_UNDRESSED = np.arange(256, dtype=np.uint8)
_UNDRESSED[[*GARMENT, Cihp.NECK]] = Cihp.BACKGROUND

_LEFT_ARM = (Body25.LEFT_SHOULDER, Body25.LEFT_ELBOW, Body25.LEFT_WRIST)
_RIGHT_ARM = (Body25.RIGHT_SHOULDER, Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST)
_ARMS = ((Cihp.LEFT_ARM, _LEFT_ARM), (Cihp.RIGHT_ARM, _RIGHT_ARM))
_LEAST_GREY = 0.001  # of the frame
_TELLING = 32.0  # grey levels squared: a photo within 8 levels of grey proves nothing
_FARTHEST = 8  # joints may lie outside the photo, but not by this many of its sides


def hrviton(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask) as VITON-HD ships them.

    Kept: hands beyond the arms' strokes, face, sunglasses, trousers, skirt, legs, shoes; hair and hats are not. Hips
    that are missing are placed under the neck, a missing shoulder mirrors the other about the neck. Raises ValueError
    when neither shoulder is there, and for arrays that don't fit together.
    """
    _check_photo(person_image, parse)
    mask = hrviton_mask(parse, keypoints)
    return paint(person_image, mask), mask


def vitonhd(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask) of the published VITON-HD code: fixed radii, hands are not kept.

    Missing joints and errors as in `hrviton`.
    """
    _check_photo(person_image, parse)
    mask = vitonhd_mask(parse, keypoints)
    return paint(person_image, mask), mask


def hrviton_mask(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The mask of `hrviton`; needs no photo."""
    height, width, points = _recipe_points(parse, keypoints)
    joints = _complete(points)
    r = _radius(joints)
    body = _Canvas(height, width)
    _draw_torso(body, joints, r)
    body.rectangle(joints[Body25.NECK], (-5 * r, -9 * r), (5 * r, 0))
    body.line(joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER], 12 * r)
    for shoulder in (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER):
        body.ellipse(joints[shoulder], 5 * r, 6 * r)
    _draw_arms(body, joints, r)
    strokes = {int(label): _arm_stroke(joints, chain, r, height, width) for label, chain in _ARMS}
    return _erased(body, parse, strokes)


def vitonhd_mask(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The mask of `vitonhd`; needs no photo."""
    height, width, points = _recipe_points(parse, keypoints)
    joints, r = _complete(points), 20
    body = _Canvas(height, width)
    _draw_torso(body, joints, r)
    body.rectangle(joints[Body25.NECK], (-7 * r, -7 * r), (7 * r, 7 * r))
    body.line(joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER], 10 * r)
    for shoulder in (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER):
        body.ellipse(joints[shoulder], 5 * r, 5 * r)
    _draw_arms(body, joints, r)
    return _erased(body, parse, {})


def hrviton_parse(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Label map uint8 [h w] CIHP: garment, neck and arms up to the hands set to background, as VITON-HD ships it.

    The radius follows the shoulders. Missing joints are left out of the arms, as upstream does. Raises ValueError when
    neither shoulder is there.
    """
    height, width, points = _recipe_points(parse, keypoints)
    return _parse_agnostic(parse, points, _radius(_complete(points)), height, width)


def vitonhd_parse(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """As `hrviton_parse` with the fixed radius 10 of the published code."""
    height, width, points = _recipe_points(parse, keypoints)
    _complete(points)
    return _parse_agnostic(parse, points, 10, height, width)


def paint(person_image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Copy of the photo [h w 3], grey 128 where the mask [h w] is set."""
    if mask.shape != person_image.shape[:2]:
        raise ValueError(f"mask of {mask.shape} on a photo of {person_image.shape[:2]}")
    painted = np.array(person_image, order="C")
    box = boxes.of_mask(mask)
    if box is not None:
        region = boxes.crop(painted, box)
        cv2.copyTo(np.full_like(region, GREY), np.ascontiguousarray(boxes.crop(mask, box)), region)
    return painted


def mask_from_agnostic(person_image: np.ndarray, agnostic_image: np.ndarray) -> np.ndarray:
    """The mask uint8 [h w] 0/255 that an agnostic picture [h w 3] of this photo was painted with.

    A pixel is erased where the picture is nearer to grey than to the photo, which finds the edge through JPEG; where
    the photo itself is grey, the nearest pixel that tells decides. Specks are dropped. Raises ValueError when sizes
    differ or no area is grey (all channels within 6 of 128).
    """
    if person_image.shape != agnostic_image.shape:
        raise ValueError(f"agnostic picture of {agnostic_image.shape[:2]} for a photo of {person_image.shape[:2]}")
    deviation = cv2.absdiff(agnostic_image, np.full_like(agnostic_image, GREY)).max(axis=2)
    if np.count_nonzero(deviation <= GREY_TOLERANCE) < _LEAST_GREY * deviation.size:
        raise ValueError("the agnostic picture has no grey area")
    evidence = _grey_evidence(person_image, agnostic_image)
    erased, shown = evidence > _TELLING, evidence < -_TELLING
    nearer = _distance_to(erased) < _distance_to(shown)
    mask = masks.keep_components(masks.as_mask(erased | (nearer & ~shown)), smallest_share=0.02)
    if not mask.any():
        raise ValueError("the agnostic picture's grey area can't be told from the photo")
    return mask


def uncovered_garment(parse: np.ndarray, mask: np.ndarray) -> float:
    """Share (0–1) of the worn upper garment's pixels that the mask leaves visible; 0 when there are none.

    Above 0.01 the original garment leaks into training (VITON-HD's own files stay below).
    """
    garment = masks.of_labels(parse, GARMENT)
    total = masks.area(garment)
    return masks.area(cv2.bitwise_and(garment, cv2.bitwise_not(mask))) / total if total else 0.0


def _erased(body: "_Canvas", parse: np.ndarray, strokes: Mapping[int, "_Canvas"]) -> np.ndarray:
    """What the body's shapes cover, less the kept labels, and less each arm label outside its stroke."""
    mask = body.drawn(parse.shape)
    box = boxes.of_mask(mask)
    if box is None:
        raise ValueError("the body lies outside the photo")
    inside, labels = boxes.crop(mask, box), np.ascontiguousarray(boxes.crop(parse, box))
    inside &= cv2.LUT(labels, _REPAINTED)
    for label, stroke in strokes.items():
        skin = (labels == label).view(np.uint8)
        skin_box = boxes.of_mask(skin)
        if skin_box is not None:
            stroked = stroke.drawn(parse.shape, boxes.shift(skin_box, box[0], box[1]))
            boxes.crop(inside, skin_box)[boxes.crop(skin, skin_box) > stroked] = 0
    mask *= 255
    return mask


def _grey_evidence(person_image: np.ndarray, agnostic_image: np.ndarray) -> np.ndarray:
    """float32 [h w]: > 0 where the picture lies nearer to grey than to the photo, by how much (levels squared)."""
    luma_and_chroma = np.array([1, 0.25, 0.25], np.float32)  # JPEG halves the resolution of chroma
    photo, picture = (cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb) for image in (person_image, agnostic_image))
    photo = photo * luma_and_chroma
    to_grey = GREY * luma_and_chroma - photo
    moved = picture * luma_and_chroma - photo
    evidence: np.ndarray = (to_grey * (moved - to_grey / 2)).sum(axis=2)
    return cv2.GaussianBlur(evidence, (0, 0), 0.7)


def _distance_to(chosen: np.ndarray) -> np.ndarray:
    """float32 [h w]: pixels to the nearest chosen one of bool [h w]."""
    return cv2.distanceTransform((~chosen).view(np.uint8), cv2.DIST_L2, 3)


def _draw_torso(body: "_Canvas", joints: np.ndarray, r: int) -> None:
    right, left = joints[Body25.RIGHT_HIP], joints[Body25.LEFT_HIP]
    right_shoulder, left_shoulder = joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER]
    for hip in (right, left):
        body.ellipse(hip, 3 * r, 6 * r)
    body.line(right_shoulder, right, 6 * r)
    body.line(left_shoulder, left, 6 * r)
    body.line(right, left, 12 * r)
    body.polygon((right_shoulder, left_shoulder, left, right))


def _draw_arms(body: "_Canvas", joints: np.ndarray, r: int) -> None:
    for _, chain in _ARMS:
        for start, end in pairwise(chain):
            if joints[start].any() and joints[end].any():
                body.line(joints[start], joints[end], 10 * r)
                body.ellipse(joints[end], 5 * r, 5 * r)


def _arm_stroke(joints: np.ndarray, chain: Sequence[int], r: int, height: int, width: int) -> "_Canvas":
    """The arm without its hand: skin beyond this stroke is kept."""
    stroke = _Canvas(height, width)
    last = chain[0]
    stroke.ellipse(joints[last], 5 * r, 6 * r)
    for start, end in pairwise(chain):
        if joints[start].any() and joints[end].any():
            stroke.line(joints[start], joints[end], 10 * r)
            if end != chain[-1]:
                stroke.ellipse(joints[end], 5 * r, 5 * r)
            last = end
    stroke.ellipse(joints[last], 4 * r, 4 * r)
    return stroke


def _parse_agnostic(parse: np.ndarray, points: np.ndarray, r: int, height: int, width: int) -> np.ndarray:
    undressed = cv2.LUT(parse, _UNDRESSED)
    for (label, chain), (_, other) in zip(_ARMS, reversed(_ARMS), strict=True):
        sleeve = _sleeve(points, (other[0], *chain), r, height, width).drawn(parse.shape)
        undressed[(parse == label) & sleeve.view(bool)] = Cihp.BACKGROUND
    return undressed


def _sleeve(points: np.ndarray, chain: Sequence[int], r: int, height: int, width: int) -> "_Canvas":
    """Stroke from the other shoulder along the arm; an absent joint is bridged."""
    sleeve = _Canvas(height, width)
    previous = chain[0]
    for joint in chain[1:]:
        if points[previous].any() and points[joint].any():
            sleeve.line(points[previous], points[joint], 10 * r)
            radius = 4 * r if joint == chain[-1] else 15 * r
            sleeve.ellipse(points[joint], radius, radius)
            previous = joint
    return sleeve


def _radius(joints: np.ndarray) -> int:
    """Half the stroke's unit, from the distance of the shoulders (HR-VITON)."""
    return int(np.linalg.norm(joints[Body25.LEFT_SHOULDER] - joints[Body25.RIGHT_SHOULDER]) / 16) + 1


def _recipe_points(parse: np.ndarray, keypoints: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Height and width of the recipe's canvas, and the joints float64 [25 2] on it."""
    if parse.ndim != 2 or parse.dtype != np.uint8:
        raise ValueError(f"parse is {parse.dtype} {parse.shape}; allowed is uint8 [h w]")
    if keypoints.ndim != 2 or keypoints.shape[0] != len(Body25) or keypoints.shape[1] < 2:
        raise ValueError(f"keypoints of shape {keypoints.shape}; allowed is [25 3] (BODY_25)")
    points = np.array(keypoints[:, :2], np.float64)
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST * max(parse.shape):
        raise ValueError("a joint is not a number or lies far outside the photo")
    photo_height, photo_width = parse.shape
    height, width = boxes.fit(photo_height, photo_width, FRAME_HEIGHT, FRAME_WIDTH)
    if (height, width) != parse.shape:
        points *= (width / photo_width, height / photo_height)
    return height, width, points


def _complete(points: np.ndarray) -> np.ndarray:
    """New joints: shoulders, neck and hips all present, the hips spread to the shoulders' distance.

    Raises ValueError when both shoulders are absent or lie on one point.
    """
    joints = points.copy()
    neck, right, left = Body25.NECK, Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER
    present = (joints != 0).any(axis=1)
    if not (present[right] or present[left]):
        raise ValueError("both shoulders are missing")
    if not (present[right] and present[left]):
        if not present[neck]:
            raise ValueError("one shoulder and the neck are missing")
        missing, other = (left, right) if present[right] else (right, left)
        joints[missing] = 2 * joints[neck] - joints[other]
    if not present[neck]:
        joints[neck] = (joints[right] + joints[left]) / 2
    span = float(np.linalg.norm(joints[left] - joints[right]))
    if span < 1:
        raise ValueError("the shoulders lie on one point")
    _spread_hips(joints, present, span)
    return joints


def _spread_hips(joints: np.ndarray, present: np.ndarray, span: float) -> None:
    """Hips, in place, `span` apart about their middle; where one is missing, in parallel to the shoulders."""
    right, left = Body25.RIGHT_HIP, Body25.LEFT_HIP
    distance = np.linalg.norm(joints[left] - joints[right])
    if present[right] and present[left] and distance > 0:
        middle = (joints[right] + joints[left]) / 2
        joints[right] = middle + (joints[right] - middle) / distance * span
        joints[left] = middle + (joints[left] - middle) / distance * span
        return
    middle = _hip_middle(joints, present, span)
    half = (joints[Body25.LEFT_SHOULDER] - joints[Body25.RIGHT_SHOULDER]) / 2
    joints[right], joints[left] = middle - half, middle + half


def _hip_middle(joints: np.ndarray, present: np.ndarray, span: float) -> np.ndarray:
    """The mid-hip; else under the neck, at the height of the one hip that is there or 1.5 shoulder widths down."""
    if present[Body25.MID_HIP]:
        return np.array(joints[Body25.MID_HIP])
    neck_x, neck_y = joints[Body25.NECK]
    for hip in (Body25.RIGHT_HIP, Body25.LEFT_HIP):
        if present[hip]:
            return np.array([neck_x, joints[hip][1]])
    return np.array([neck_x, neck_y + 1.5 * span])


class _Canvas:
    """Union of Pillow shapes on one byte per pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.image = Image.new("L", (width, height))
        self.draw = ImageDraw.Draw(self.image)

    def line(self, start: np.ndarray, end: np.ndarray, width: int) -> None:
        self.draw.line((*start, *end), 1, width)

    def ellipse(self, centre: np.ndarray, a: int, b: int) -> None:
        """Axis-aligned, half-axes `a` across and `b` down."""
        x, y = centre
        self.draw.ellipse((x - a, y - b, x + a, y + b), 1)

    def rectangle(self, anchor: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Corners at `anchor` + `start` and + `end`, both included."""
        x, y = anchor
        self.draw.rectangle((x + start[0], y + start[1], x + end[0], y + end[1]), 1)

    def polygon(self, corners: Sequence[np.ndarray]) -> None:
        self.draw.polygon([tuple(corner) for corner in corners], 1)

    def drawn(self, shape: tuple[int, ...], box: boxes.Box | None = None) -> np.ndarray:
        """New uint8 array, 1 where drawn: [h w] of the given shape, or the part of it in `box`."""
        if self.image.size == shape[::-1]:
            return np.array(self.image.crop(box) if box else self.image)
        drawn = masks.resize(np.asarray(self.image), *shape)
        return boxes.crop(drawn, box) if box else drawn


def _check_photo(person_image: np.ndarray, parse: np.ndarray) -> None:
    if person_image.ndim != 3 or person_image.shape[2] != 3 or person_image.dtype != np.uint8:
        raise ValueError(f"photo is {person_image.dtype} {person_image.shape}; allowed is uint8 [h w 3]")
    if person_image.shape[:2] != parse.shape:
        raise ValueError(f"parse of {parse.shape} for a photo of {person_image.shape[:2]}")


@dataclass(frozen=True)
class Recipe:
    """How the `agnostic` annotator calls a recipe.

    `draw` takes a record (a dict of columns) and returns `agnostic_mask` and, if the recipe has one, `parse_agnostic`.
    """

    reads: tuple[str, ...]
    categories: tuple[Category, ...]  # of others the recipe says nothing: null
    draw: Callable[[Mapping[str, Any]], dict[str, np.ndarray]]


def _from_parse(draw_mask: Callable[..., np.ndarray], draw_parse: Callable[..., np.ndarray]) -> Recipe:
    def draw(record: Mapping[str, Any]) -> dict[str, np.ndarray]:
        inputs = record["parse"], record["keypoints"]
        return {"agnostic_mask": draw_mask(*inputs), "parse_agnostic": draw_parse(*inputs)}

    return Recipe(reads=("parse", "keypoints"), categories=(Category.UPPER_BODY,), draw=draw)


RECIPES: dict[str, Recipe] = {
    "hrviton": _from_parse(hrviton_mask, hrviton_parse),
    "vitonhd": _from_parse(vitonhd_mask, vitonhd_parse),
}
