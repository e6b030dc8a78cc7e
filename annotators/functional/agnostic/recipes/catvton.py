"""CatVTON's AutoMasker (Chong 2024, arXiv:2407.15886; Zheng-Chong/CatVTON, `model/cloth_masker.py`).

From DensePose's body parts and two label maps of the same photo: hulls around what may be repainted, softened at their
edges. Hands, feet and face are kept whatever the labels say of garments; other labels are kept until then.
"""

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from annotators.functional import boxes, masks
from annotators.functional.agnostic import inputs
from annotators.functional.agnostic.recipe import (
    MASK_TYPES,
    REGIONS,
    Recipe,
    Record,
    Settings,
    check_choice,
    check_label_map,
)
from schemas.labels import Atr, Category, Lip
from schemas.labels import DensePose as Part

BY_CATEGORY = {Category.UPPER_BODY: "upper", Category.LOWER_BODY: "lower", Category.DRESSES: "overall"}

_TORSO = (Part.TORSO_BACK, Part.TORSO_FRONT)
_ARMS = tuple(part for part in Part if "ARM" in part.name)
_LEGS = tuple(part for part in Part if "LEG" in part.name)
_ENDS = (Part.RIGHT_HAND, Part.LEFT_HAND, Part.LEFT_FOOT, Part.RIGHT_FOOT)

_LIP_ARMS, _ATR_ARMS = (Lip.LEFT_ARM, Lip.RIGHT_ARM), (Atr.LEFT_ARM, Atr.RIGHT_ARM)
_LIP_LEGS, _ATR_LEGS = (Lip.LEFT_LEG, Lip.RIGHT_LEG), (Atr.LEFT_LEG, Atr.RIGHT_LEG)
_LIP_ALWAYS = (
    Lip.HAIR, Lip.HAT, Lip.GLOVE, Lip.SUNGLASSES, Lip.LEFT_SHOE, Lip.RIGHT_SHOE, Lip.SCARF, Lip.SOCKS,
)  # fmt: skip
_ATR_ALWAYS = (Atr.HAIR, Atr.HAT, Atr.SUNGLASSES, Atr.BAG, Atr.LEFT_SHOE, Atr.RIGHT_SHOE, Atr.SCARF)


@dataclass(frozen=True)
class Kind:
    """What one mask type keeps, what it repaints by label, and the body parts it repaints."""

    lip_kept: tuple[Lip, ...]
    atr_kept: tuple[Atr, ...]
    lip_cloth: tuple[Lip, ...]
    atr_cloth: tuple[Atr, ...]
    parts: tuple[Part, ...]


KINDS = {
    "upper": Kind(
        (*_LIP_LEGS, Lip.SKIRT, Lip.PANTS),
        (*_ATR_LEGS, Atr.SKIRT, Atr.PANTS),
        (Lip.UPPER_CLOTHES, Lip.COAT, Lip.DRESS, Lip.JUMPSUITS),
        (Atr.UPPER_CLOTHES, Atr.DRESS),
        _TORSO + _ARMS,
    ),
    "lower": Kind(
        (*_LIP_ARMS, Lip.FACE, Lip.UPPER_CLOTHES, Lip.COAT),
        (*_ATR_ARMS, Atr.FACE, Atr.UPPER_CLOTHES),
        (Lip.PANTS, Lip.SKIRT, Lip.DRESS, Lip.JUMPSUITS),
        (Atr.PANTS, Atr.SKIRT, Atr.DRESS),
        _LEGS,
    ),
    "overall": Kind(
        (),
        (),
        (Lip.UPPER_CLOTHES, Lip.DRESS, Lip.PANTS, Lip.SKIRT, Lip.COAT, Lip.JUMPSUITS),
        (Atr.UPPER_CLOTHES, Atr.DRESS, Atr.PANTS, Atr.SKIRT),
        _TORSO + _LEGS + _ARMS,
    ),
    "inner": Kind(
        (*_LIP_LEGS, Lip.DRESS, Lip.COAT, Lip.SKIRT, Lip.PANTS, Lip.JUMPSUITS),
        (*_ATR_LEGS, Atr.DRESS, Atr.SKIRT, Atr.PANTS),
        (Lip.UPPER_CLOTHES,),
        (Atr.UPPER_CLOTHES,),
        _TORSO,
    ),
    "outer": Kind(
        (*_LIP_LEGS, Lip.UPPER_CLOTHES, Lip.DRESS, Lip.PANTS, Lip.SKIRT, Lip.JUMPSUITS),
        (*_ATR_LEGS, Atr.DRESS, Atr.PANTS, Atr.SKIRT),
        (Lip.COAT,),
        (),
        _TORSO + _ARMS,
    ),
}

_LABELS = tuple(range(1, 256))  # whatever isn't background
_FACE, _LIMB, _KEPT, _CLOTH, _PERSON = 1, 2, 4, 8, 16  # bits
_SOFT = 25  # grey levels of the blurred hulls, from which on they count
_COARSE = 4  # body parts are dilated at a quarter of the size


def catvton_mask(densepose_parts: np.ndarray, lip: np.ndarray, atr: np.ndarray, category: str) -> np.ndarray:
    """uint8 [h w] 0/255 from three maps of one photo: DensePose parts 0–24, LIP ids, ATR ids, all uint8 [h w].

    `category` is upper, lower, overall, inner or outer. Works at any size; upstream fails where a quarter of it,
    rounded, doesn't give it back. Raises ValueError for another category and for maps of different sizes.
    """
    check_choice("category", category, MASK_TYPES)
    for name, label_map in (("densepose_parts", densepose_parts), ("lip", lip), ("atr", atr)):
        check_label_map(name, label_map)
        if label_map.shape != lip.shape:
            raise ValueError(f"{name} of {label_map.shape} beside lip of {lip.shape}; allowed is one size")
    kind, longest = KINDS[category], max(lip.shape)
    kernel, softness = _odd(longest // 250), _odd(longest // 25)
    body = _coarsely_dilated(densepose_parts, kind.parts, kernel)
    mask = np.zeros_like(lip)
    taken = [found for found in map(boxes.of_mask, (densepose_parts, lip, atr, body)) if found]
    if taken:
        box = boxes.clip(boxes.grow(reduce(boxes.union, taken), softness + kernel), *lip.shape)
        parts, lip, atr, body = (boxes.crop(array, box) for array in (densepose_parts, lip, atr, body))
        ends = masks.dilate(masks.of_labels(parts, _ENDS), kernel)
        np.copyto(boxes.crop(mask, box), masks.dilate(_mask(_layers(lip, atr, kind), ends, body, softness), kernel))
    return mask


def _mask(layers: np.ndarray, ends: np.ndarray, body: np.ndarray, softness: int) -> np.ndarray:
    """uint8 [h w] 0/255 of the part of the frame that the person takes; all but the last dilation."""
    strong = (layers & _FACE) | (layers & _LIMB & ends)
    not_strong = masks.where_unset(strong)
    not_kept = masks.where_unset(layers & _KEPT) & not_strong
    hulls = _hulls((layers & _PERSON & not_kept) | body) & not_kept
    mask = _softened(hulls, softness) | masks.where_set(layers & _CLOTH)
    return mask & not_strong


def _odd(size: int) -> int:
    """The next odd number."""
    return size | 1


def _layers(lip: np.ndarray, atr: np.ndarray, kind: Kind) -> np.ndarray:
    """uint8 [h w]: bits of what either label map says."""
    lip_kept, atr_kept = kind.lip_kept + _LIP_ALWAYS, kind.atr_kept + _ATR_ALWAYS
    layers = masks.layers(lip, (Lip.FACE,), _LIP_ARMS + _LIP_LEGS, lip_kept, kind.lip_cloth, _LABELS)
    layers |= masks.layers(atr, (), _ATR_ARMS + _ATR_LEGS, atr_kept, kind.atr_cloth, _LABELS)
    return layers


def _coarsely_dilated(parts: np.ndarray, chosen: tuple[Part, ...], kernel: int) -> np.ndarray:
    """uint8 [h w] 0/255: the chosen parts, dilated twice at a quarter of the size, nearest down and up."""
    height, width = (max(1, round(length / _COARSE)) for length in parts.shape)
    small = masks.of_labels(parts[::_COARSE, ::_COARSE][:height, :width], chosen)
    return cv2.resize(masks.dilate(small, kernel, 2), parts.shape[::-1], interpolation=cv2.INTER_NEAREST)


def _hulls(mask: np.ndarray) -> np.ndarray:
    """The filled convex hull of each piece of the mask."""
    filled = np.zeros_like(mask)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for outline in outlines:
        cv2.fillPoly(filled, [cv2.convexHull(outline)], 255)
    return filled


def _softened(mask: np.ndarray, softness: int) -> np.ndarray:
    """The mask blurred and cut at a tenth: edges move outwards, thin pieces vanish."""
    soft = np.zeros_like(mask)
    box = boxes.of_mask(mask)
    if box is not None:
        box = boxes.clip(boxes.grow(box, softness), *mask.shape)
        blurred = cv2.GaussianBlur(boxes.crop(mask, box), (softness, softness), 0)
        cv2.threshold(blurred, _SOFT - 1, 255, cv2.THRESH_BINARY, dst=boxes.crop(soft, box))
    return soft


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    kind = BY_CATEGORY[Category(category)] if settings.mask_type == "auto" else settings.mask_type
    maps = inputs.densepose_parts(record), inputs.lip(record), inputs.atr(record)
    return {"agnostic_mask": catvton_mask(*maps, kind)}


RECIPE = Recipe(
    _draw,
    reads=("parse", "densepose_image"),
    may_read=("parse_lip", "parse_atr", "densepose"),
    regions={**REGIONS, "inner": Category.UPPER_BODY, "outer": Category.UPPER_BODY},
)
