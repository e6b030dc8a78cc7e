"""An object pair: both pictures with the object's outline, and what AnyDoor would be trained on with them.

Chance (how wide the crop is, whether the target's shape or its box is shown) follows from the record's id, so that a
page drawn twice is the same page.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from annotators.functional.placement import collage, outlines
from annotators.functional.placement.collage import Composite, Placement, Reference
from pipelines.pictures import Drawing, Values, View, _layers
from schemas import codecs

OUTLINE, BOX, CROP = 0, 3, 1  # colours of the page: pink, yellow, blue
SHOWN = ("reference_mask", "target_mask", "box ×1.1", "crop")
SHADES = {collage.KEEP: 0, collage.PAD: 128, collage.GENERATE: 255}  # of the composite's mask


@dataclass(frozen=True)
class Trained:
    """What the networks see of a pair."""

    reference: Reference
    composite: Composite


def facts(row: Mapping[str, Any]) -> Iterator[str]:
    """Frames, sizes, and the shares of the pictures that the masks cover."""
    roles = [role for role in ("reference", "target") if row.get(f"{role}_image") is not None]
    frames = [row.get(f"{role}_frame") for role in roles]
    if frames and None not in frames:
        yield f"frame {' → '.join(map(str, frames))}"
    yield " → ".join(dict.fromkeys(_size(row[f"{role}_image"]) for role in roles))
    measured = row.get("quality") or {}
    areas = [measured[f"{role}_area"] for role in roles if measured.get(f"{role}_area") is not None]
    if areas:
        yield f"object covers {' → '.join(f'{area:.1%}' for area in areas)}"


def _size(cell: Mapping[str, Any]) -> str:
    try:
        height, width = codecs.image_size(cell["bytes"])
    except codecs.CodecError:
        return "unreadable"
    return f"{height}×{width}"


def views(row: Mapping[str, Any], values: Values) -> Iterator[View]:
    """Of a still, whose target is its reference, and of a target that is but a box, too."""
    reference = _present(row, "reference_image", "reference_mask")
    target = _present(row, "target_image", "target_mask", "target_box") or reference
    if len(reference) < 2 or len(target) < 2:
        return

    record_id = str(row.get("record_id"))

    @cache
    def shown() -> Trained:
        image, mask = map(values, reference)
        return trained(record_id, image, mask, values(target[0]), _mask(target, values))

    outline = dict(_layers.outlines(reference[1:2], values, OUTLINE))
    yield View("reference", partial(values, reference[0]), reference, outline, main=True)
    placed = dict(_placed(record_id, target, values))
    yield View("target, its box ×1.1 and the crop", partial(values, target[0]), target, placed, main=True)
    if row.get("high_frequency_map") is not None:
        yield View("high-frequency map", lambda: values("high_frequency_map"), ("high_frequency_map",))
    yield View("reference, cut out", lambda: shown().reference.image)
    yield View("crop with the details in its box", lambda: shown().composite.collage)
    yield View("white: to be painted, grey: beyond the picture", lambda: shades(shown().composite.mask))


def _placed(record_id: str, target: tuple[str, ...], values: Values) -> Iterator[tuple[str, Drawing]]:
    """The object's outline, and where it would be put into the picture."""
    if target[1].endswith("mask"):
        yield from _layers.outlines(target[1:2], values, OUTLINE)

    @cache
    def place() -> Placement:
        return placement(record_id, _mask(target, values))

    def photo() -> tuple[int, int]:
        height, width = values(target[0]).shape[:2]
        return height, width

    yield "box ×1.1", lambda width, height: _layers.box("box ×1.1", place().box, photo(), width, height, BOX)
    yield "crop", lambda width, height: _layers.box("crop", place().crop, photo(), width, height, CROP)


def _present(row: Mapping[str, Any], *columns: str) -> tuple[str, ...]:
    return tuple(column for column in columns if row.get(column) is not None)


def _mask(target: tuple[str, ...], values: Values) -> np.ndarray:
    """The target's mask, else its filled box."""
    if target[1].endswith("mask"):
        return np.asarray(values(target[1]))
    height, width = values(target[0]).shape[:2]
    x0, y0, x1, y1 = (max(0, round(float(side))) for side in values(target[1]))
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def trained(
    record_id: str, image: np.ndarray, mask: np.ndarray, target_image: np.ndarray, target_mask: np.ndarray
) -> Trained:
    """Of pictures uint8 [h w 3] and their masks [h w], non-zero = set; the reference isn't augmented.

    Raises ValueError where a mask has another size than its picture.
    """
    for picture, its_mask in ((image, mask), (target_image, target_mask)):
        if its_mask.shape != picture.shape[:2]:
            raise ValueError(f"mask of {its_mask.shape} for a picture of {picture.shape[:2]}")
    ratio, generator = _chance(record_id)
    reference = collage.cut_reference(image, mask, ratio)
    composite, _ = collage.training_composite(reference, target_image, target_mask, generator)
    return Trained(reference, composite)


def placement(record_id: str, target_mask: np.ndarray) -> Placement:
    """Where `trained` puts the object."""
    _, generator = _chance(record_id)
    return collage.place(target_mask, collage.TRAINING.crop_ratios, generator)


def _chance(record_id: str) -> tuple[float, np.random.Generator]:
    """The reference's ratio, which is drawn first, and what all else is drawn from."""
    seed = hashlib.sha256(record_id.encode()).digest()[:8]
    generator = np.random.default_rng(int.from_bytes(seed, "big"))
    return outlines.ratio(collage.TRAINING.reference_ratios, generator), generator


def shades(mask: np.ndarray) -> np.ndarray:
    """The composite's mask int8 [h w] as grey uint8 [h w 3]."""
    grey = np.zeros(mask.shape, np.uint8)
    for value, shade in SHADES.items():
        grey[mask == value] = shade
    return np.repeat(grey[..., None], 3, axis=2)
