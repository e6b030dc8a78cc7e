"""The object pair: one object in two pictures, from two frames of a clip or two views (AnyDoor, arXiv:2307.09481).

In a still both pictures are the same one: its target columns are null.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from schemas import fields
from schemas.kinds.kind import Kind

STILL = "still"
DYNAMICS = (STILL, "video", "high_quality")  # a photo; ordinary video; views of high quality. Decides noise levels

_COLUMNS = (
    fields.text("record_id"),
    fields.word("dataset"),
    fields.word("split"),
    fields.text("video_id"),
    fields.text("object_id"),
    fields.number("reference_frame", pa.int32()),
    fields.number("target_frame", pa.int32()),
    fields.word("dynamics"),
    fields.image("reference_image"),
    fields.mask("reference_mask"),
    fields.image("target_image"),
    fields.mask("target_mask"),
    fields.image("high_frequency_map"),
    fields.text("caption"),
    fields.number("height", pa.int32()),
    fields.number("width", pa.int32()),
    fields.struct(
        "quality",
        reference_sharpness=pa.float32(),
        target_sharpness=pa.float32(),
        reference_exposure=pa.float32(),
        target_exposure=pa.float32(),
        reference_area=pa.float32(),
        target_area=pa.float32(),
        reference_hash=pa.string(),
        target_hash=pa.string(),
    ),
    fields.PROVENANCE,
)


def problems(decoded: Mapping[str, Any]) -> list[str]:
    """Dynamics that aren't any, empty masks, a target that is there by halves, or where there should be another."""
    found = []
    dynamics = decoded.get("dynamics")
    if dynamics not in DYNAMICS:
        found.append(f"dynamics {dynamics!r}; allowed are {', '.join(DYNAMICS)}")
    targets = [name for name in ("target_image", "target_mask") if decoded.get(name) is not None]
    if dynamics == STILL and targets:
        found.append(f"{targets[0]} is there; a still has none, its target is its reference")
    if dynamics in DYNAMICS and dynamics != STILL and len(targets) < 2:
        found.append(f"target_image or target_mask is empty; only a {STILL} may lack them")
    for name in ("reference_mask", "target_mask"):
        mask = decoded.get(name)
        if mask is not None and not mask.any():
            found.append(f"{name} sets no pixel")
    return found


OBJECT_PAIR = Kind(
    name="object_pair",
    title="object pairs",
    columns=_COLUMNS,
    base=(
        *("record_id", "dataset", "split", "video_id", "object_id", "reference_frame", "target_frame", "dynamics"),
        *("reference_image", "reference_mask", "target_image", "target_mask", "provenance"),
    ),
    photos=("reference_image", "target_image"),
    aligned={"target_mask": "target_image"},
    ids=("record_id", "dataset", "split", "video_id", "object_id"),
    required=("record_id", "video_id", "object_id", "reference_image", "reference_mask"),
    identities={"reference_image": "video_id", "target_image": "video_id"},
    told=("dynamics", "caption"),
    problems=problems,
)
