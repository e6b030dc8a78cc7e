"""The try-on record: a person, a garment, and what annotators make of their two photos."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import fields, labels
from schemas.kinds.kind import Kind

_COLUMNS = (
    fields.text("record_id"),
    fields.word("dataset"),
    fields.word("split"),
    fields.word("category"),
    fields.text("garment_type"),
    fields.text("person_id"),
    fields.text("garment_id"),
    fields.number("paired", pa.bool_()),
    fields.image("source_person_image"),
    fields.image("person_image"),
    fields.image("garment_image"),
    fields.text("garment_view"),
    fields.mask("person_mask"),
    fields.mask("garment_mask"),
    fields.mask("worn_garment_mask"),
    fields.image("warped_garment_image"),
    fields.mask("warped_garment_mask"),
    fields.label_map("parse", "cihp"),
    fields.label_map("parse_lip", "lip"),
    fields.label_map("parse_atr", "atr"),
    fields.keypoints("keypoints", 25),
    fields.box("person_box"),
    fields.keypoints("keypoints_face", 70),
    fields.keypoints("keypoints_hands", 42),
    fields.image("pose_image"),
    fields.image("densepose"),
    fields.image("densepose_image"),
    fields.image("agnostic_image"),
    fields.mask("agnostic_mask"),
    fields.label_map("parse_agnostic", "cihp"),
    fields.image("high_frequency_map"),
    fields.text("caption"),
    fields.text("garment_caption"),
    fields.table("captions", text=pa.string(), model=pa.string()),
    fields.table("tags", name=pa.string(), value=pa.string()),
    fields.number("height", pa.int32()),
    fields.number("width", pa.int32()),
    fields.struct(
        "geometry",
        source_height=pa.int32(),
        source_width=pa.int32(),
        x0=pa.float64(),
        y0=pa.float64(),
        scale_x=pa.float64(),
        scale_y=pa.float64(),
    ),
    fields.struct(
        "quality",
        person_sharpness=pa.float32(),
        garment_sharpness=pa.float32(),
        person_exposure=pa.float32(),
        garment_exposure=pa.float32(),
        person_area=pa.float32(),
        garment_area=pa.float32(),
        person_hash=pa.string(),
        garment_hash=pa.string(),
        people=pa.int32(),
        person_at_side=pa.float32(),
        head_room=pa.float32(),
        arm_over_garment=pa.float32(),
        garment_at_side=pa.float32(),
        uncovered_garment=pa.float32(),
        garment_background_luma=pa.float32(),
        garment_background_tint=pa.float32(),
        agnostic_area=pa.float32(),
        upper_area=pa.float32(),
        lower_area=pa.float32(),
        dress_area=pa.float32(),
    ),
    fields.PROVENANCE,
)


def problems(decoded: Mapping[str, Any]) -> list[str]:
    """A category that isn't one, joints that are no numbers, a mask whose polarity is the wrong one."""
    found = []
    category = decoded.get("category")
    if category is not None and category not in list(labels.Category):
        found.append(f"category {category!r}; allowed are {', '.join(labels.Category)}")
    for column in ("keypoints", "keypoints_face", "keypoints_hands"):
        points = decoded.get(column)
        if points is not None and not (np.isfinite(points).all() and (points[:, 2] >= 0).all()):
            found.append(f"{column} holds NaN, infinity or a negative score")
    image, mask, person = (decoded.get(name) for name in ("agnostic_image", "agnostic_mask", "person_image"))
    if image is None or mask is None or person is None or not image.shape[:2] == mask.shape == person.shape[:2]:
        return found
    if inverted(person, image, mask):
        found.append("agnostic_mask looks inverted: outside it the agnostic image is more changed than inside")
    return found


def inverted(person_image: np.ndarray, agnostic_image: np.ndarray, agnostic_mask: np.ndarray) -> bool | None:
    """Whether the repainted (changed) pixels lie mostly where the mask is 0; None where both sides changed alike."""
    by_channel = (np.maximum(person_image, agnostic_image) - np.minimum(person_image, agnostic_image)) > 24
    changed = by_channel[..., 0] | by_channel[..., 1] | by_channel[..., 2]
    painted = agnostic_mask >= 128
    inside, total = np.count_nonzero(painted), np.count_nonzero(changed)
    outside, changed_inside = painted.size - inside, np.count_nonzero(changed & painted)
    more = (total - changed_inside) / outside - changed_inside / inside if inside and outside else 0.0
    return bool(more > 0) if abs(more) > 0.1 else None


TRYON = Kind(
    name="tryon",
    title="try-on records",
    columns=_COLUMNS,
    base=(
        *("record_id", "dataset", "split", "category", "garment_type", "person_id", "garment_id", "paired"),
        *("person_image", "garment_image", "garment_view", "height", "width", "geometry", "provenance"),
    ),
    photos=("person_image", "garment_image"),
    aligned={"garment_mask": "garment_image", "high_frequency_map": "garment_image"},
    ids=("record_id", "dataset", "split", "category", "person_id", "garment_id"),
    required=("record_id", "person_id", "garment_id", "person_image", "garment_image"),
    identities={"person_image": "person_id", "garment_image": "garment_id"},
    told=("category", "garment_caption", "caption"),
    problems=problems,
    trained=(("paired", "==", True),),  # the person of the photo wears this very garment
)
