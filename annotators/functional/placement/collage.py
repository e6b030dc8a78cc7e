"""What AnyDoor's networks see of a pair: the reference cut out, and the scene with the object's details laid into it.

Resizes are OpenCV's bilinear ones without antialiasing, as upstream's are.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.functional import boxes, frequency
from annotators.functional.boxes import Box
from annotators.functional.placement import outlines
from annotators.functional.placement.draws import Draws
from annotators.functional.placement.perturbation import perturb

REFERENCE_SIDE = 224
SIDE = 512
PAD, KEEP, GENERATE = -1, 0, 1  # the values of a hint's mask
SHAPED = 0.7  # how often training shows the target's perturbed mask in place of its box


@dataclass(frozen=True)
class Form:
    """How the three upstream programs differ: ratios in tenths, the upper one left out."""

    reference_ratios: tuple[int, int]
    crop_ratios: tuple[int, int]
    padded_by_cast: bool  # the padding's -1 was cast to a byte: it counts as set, and the mask is resized bilinearly
    margin: int  # pixels of the crop's rim that stitching leaves


TRAINING = Form((11, 15), outlines.CROP_RATIOS, padded_by_cast=False, margin=5)
DEMO = Form((11, 15), outlines.CROP_RATIOS, padded_by_cast=False, margin=3)
SCRIPT = Form((12, 13), (15, 30), padded_by_cast=True, margin=5)


@dataclass(frozen=True)
class Reference:
    """image: uint8 [224 224 3], white around the object; mask: uint8 [224 224], 0 to 255, soft at the rim."""

    image: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Placement:
    """Where the object goes, in pixels of the scene: its box, and the crop of the scene that the network sees."""

    box: Box
    crop: Box

    @property
    def box_in_crop(self) -> Box:
        return outlines.inside(self.box, self.crop)


@dataclass(frozen=True)
class Composite:
    """uint8 [s s 3] scene and collage (the scene with the details in the box), int8 [s s] mask −1, 0, 1; s is 512."""

    scene: np.ndarray
    collage: np.ndarray
    mask: np.ndarray


def cut_reference(image: np.ndarray, mask: np.ndarray, ratio: float, background: bool = False) -> Reference:
    """The object of uint8 [h w 3] and mask [h w] (non-zero = set) on a white square, with `ratio` times its room.

    With `background` what is around it in its box stays.
    """
    box = outlines.of_mask(mask)
    inside = boxes.crop(np.asarray(mask != 0, np.uint8), box)
    shown = boxes.crop(image, box)
    white = shown if background else np.where(inside[..., None] > 0, shown, np.uint8(255))
    margins = [_margins(side, ratio) for side in inside.shape]
    white = np.pad(white, (*margins, (0, 0)), constant_values=255)
    inside = np.pad(inside * np.uint8(255), margins)
    size = (REFERENCE_SIDE, REFERENCE_SIDE)
    return Reference(
        cv2.resize(outlines.pad_to_square(white, 255), size), cv2.resize(outlines.pad_to_square(inside, 0), size)
    )


def _margins(side: int, ratio: float) -> tuple[int, int]:
    more = int(side * ratio) - side
    return more // 2, more - more // 2


def details(reference: Reference) -> np.ndarray:
    """uint8 [224 224 3]: the reference's high-frequency map."""
    return frequency.of_coverage(reference.image, reference.mask / 255)


def place(target_mask: np.ndarray, crop_ratios: tuple[int, int], draws: Draws) -> Placement:
    """Box and crop of a target by its mask [h w], non-zero = set."""
    height, width = target_mask.shape
    by = outlines.ratio(outlines.BOX_RATIOS, draws)
    box = outlines.expand(outlines.of_mask(target_mask), by, height, width)
    return around(box, (height, width), crop_ratios, draws)


def around(box: Box, scene: tuple[int, ...], crop_ratios: tuple[int, int], draws: Draws) -> Placement:
    """The crop around a box of a scene of this height and width."""
    crop = outlines.expand(box, outlines.ratio(crop_ratios, draws), *scene)
    return Placement(box, outlines.square(crop, *scene))


def compose(
    scene: np.ndarray,
    detail: np.ndarray,
    placement: Placement,
    shape: np.ndarray | None = None,
    form: Form = TRAINING,
    side: int = SIDE,
) -> Composite:
    """Scene uint8 [h w 3] and details uint8 [224 224 3], as a network sees them that takes pictures of `side` pixels.

    `shape`, a mask [crop height, crop width] (non-zero = set), takes the box's place in the composite's mask.
    """
    x0, y0, x1, y1 = placement.box_in_crop
    cropped = boxes.crop(scene, placement.crop)
    collage = cropped.copy()
    collage[y0:y1, x0:x1] = cv2.resize(detail, (x1 - x0, y1 - y0))
    mask = np.zeros(cropped.shape[:2], np.uint8)
    if shape is None:
        mask[y0:y1, x0:x1] = GENERATE
    else:
        mask[shape != 0] = GENERATE
    return Composite(_squared(cropped, side), _squared(collage, side), _resized_mask(mask, form, side))


def _squared(picture: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(outlines.pad_to_square(picture, 0), (side, side))


def _resized_mask(mask: np.ndarray, form: Form, side: int) -> np.ndarray:
    if form.padded_by_cast:
        return np.asarray(cv2.resize(outlines.pad_to_square(mask, 255), (side, side)) > 0, np.int8)
    padded = outlines.pad_to_square(mask.astype(np.int8), PAD)
    return cv2.resize(padded, (side, side), interpolation=cv2.INTER_NEAREST)


def training_composite(
    reference: Reference, scene: np.ndarray, target_mask: np.ndarray, draws: Draws
) -> tuple[Composite, Placement]:
    """Of a reference, augmented or not, and its target: uint8 [h w 3] and mask [h w], non-zero = set."""
    placement = place(target_mask, TRAINING.crop_ratios, draws)
    return compose(scene, details(reference), placement, training_shape(target_mask, placement, draws)), placement


def training_shape(target_mask: np.ndarray, placement: Placement, draws: Draws) -> np.ndarray | None:
    """For `compose`: the target's perturbed mask, or None where its box is shown, in three of ten cases."""
    if draws.uniform(0, 1) < SHAPED:
        return perturb(boxes.crop(target_mask, placement.crop), draws)
    return None
