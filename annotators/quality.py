"""What a record's pictures measure: sharpness, exposure, areas, hashes, how they sit in the frame; for the findings.

No weights. What the record has no column for stays null.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.functional import agnostic, masks, quality
from schemas import kinds
from schemas.labels import Category, Cihp

READS = ("person_image", "garment_image")
MAY_READ = ("person_mask", "parse", "garment_mask", "garment_view", "keypoints", "agnostic_mask", "category")
# *_sharpness: variance of the Laplacian at 512 px; *_exposure: mean luma, 0–1; *_area: share of the frame, 0–1;
# *_hash: 256-bit pHash, hex; people: how many are seen; person_at_side, garment_at_side: largest share of a side of
# the frame that they cover (of the left and right one, of any); head_room: the neck's distance from the top, as a share
# of the height, 0 when it isn't seen; arm_over_garment: largest share of a forearm in front of the torso;
# uncovered_garment: share of the worn upper garment that the agnostic mask leaves visible; garment_background_luma,
# garment_background_tint: median luma of a flat garment photo's border, and the largest less the smallest of its
# channels' medians, 0–255; agnostic_area: share of the frame to repaint; upper_area, lower_area, dress_area: shares of
# the frame that the parse calls such a garment. Null when unknown.
FIELDS = (kinds.TRYON.fields["quality"],)
# A jumpsuit is a dress here, as in the map from LIP's ids to CIHP's, which have none.
AREAS: dict[str, tuple[Cihp, ...]] = {
    "upper_area": (Cihp.UPPER_CLOTHES, Cihp.COAT),
    "lower_area": (Cihp.PANTS, Cihp.SKIRT),
    "dress_area": (Cihp.DRESS,),
}


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return annotate


def annotate(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{"quality": dict} per record."""
    return [{"quality": _measure(columns)} for columns in records]


def _measure(columns: Mapping[str, Any]) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    person, garment = _person(columns), columns.get("garment_mask")
    for role, mask in (("person", person), ("garment", garment)):
        looks = quality.looks(columns[f"{role}_image"])
        measured[f"{role}_sharpness"] = looks.sharpness
        measured[f"{role}_exposure"] = looks.exposure
        measured[f"{role}_area"] = None if mask is None else masks.share(mask)
        measured[f"{role}_hash"] = looks.perceptual_hash
    measured["people"] = _people(columns, person)
    measured["person_at_side"] = None if person is None else quality.at_side(person, ("left", "right"))
    measured["garment_at_side"] = None if garment is None else quality.at_side(garment)
    joints, height = columns.get("keypoints"), columns["person_image"].shape[0]
    measured["head_room"] = None if joints is None else quality.head_room(joints, height)
    measured["arm_over_garment"] = None if joints is None else quality.arm_over_torso(joints)
    measured["uncovered_garment"] = _uncovered(columns)
    return measured | _background(columns) | _areas(columns)


def _person(columns: Mapping[str, Any]) -> np.ndarray | None:
    """The person's mask, else everything in the parse that isn't background."""
    mask, parse = columns.get("person_mask"), columns.get("parse")
    if mask is None and parse is not None:
        return masks.as_mask(parse)
    return mask


def _people(columns: Mapping[str, Any], person: np.ndarray | None) -> int | None:
    """What the `pose` annotator of the same run counted, or more where the mask falls apart into people.

    Keypoints that are there but null were looked for in vain: nobody.
    """
    if "keypoints" in columns and columns["keypoints"] is None:
        return 0
    counts = [columns.get("people"), None if person is None else quality.large_parts(person)]
    return max((count for count in counts if count is not None), default=None)


def _uncovered(columns: Mapping[str, Any]) -> float | None:
    """Unknown for trousers and skirts: which part of the parse they are isn't settled."""
    parse, mask = columns.get("parse"), columns.get("agnostic_mask")
    if parse is None or mask is None or columns.get("category") == Category.LOWER_BODY:
        return None
    return agnostic.uncovered_garment(parse, mask)


def _background(columns: Mapping[str, Any]) -> dict[str, float | None]:
    """Of garments photographed by themselves: behind a wearer there is a room."""
    worn = columns.get("garment_view") == "worn"
    luma, tint = (None, None) if worn else quality.background(columns["garment_image"])
    return {"garment_background_luma": luma, "garment_background_tint": tint}


def _areas(columns: Mapping[str, Any]) -> dict[str, float | None]:
    parse, mask = columns.get("parse"), columns.get("agnostic_mask")
    shares = [None] * len(AREAS) if parse is None else quality.label_areas(parse, list(AREAS.values()))
    return {"agnostic_area": None if mask is None else masks.share(mask), **dict(zip(AREAS, shares, strict=True))}
