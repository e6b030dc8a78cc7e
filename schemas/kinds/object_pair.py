"""The object pair: one object in two pictures, from two frames of a clip or two views (AnyDoor, arXiv:2307.09481).

In a still both pictures are the same one: its target columns are null. A scene that an object is yet to come into has
a box, `target_box`, and may have no mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas import fields
from schemas.kinds.kind import Kind

STILL = "still"
DYNAMICS = (STILL, "video", "high_quality")  # a photo; ordinary video; views of high quality. Decides noise levels


@dataclass(frozen=True)
class Character:
    """What the paper's table of datasets says of one: what it consists of, whether the object varies, its quality."""

    type: str
    variation: str
    quality: str


# Of each of DYNAMICS. Video of high quality, such as MOSE, is trained on as views are; shards don't tell them apart.
CHARACTERS = {
    STILL: Character("image", "no", "high"),
    "video": Character("video", "yes", "low"),
    "high_quality": Character("multi-view or video", "yes", "high"),
}

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
    fields.box("target_box"),
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
    """Dynamics that aren't any, empty masks, a target by halves or where none should be, a box outside."""
    found = []
    dynamics = decoded.get("dynamics")
    if dynamics not in DYNAMICS:
        found.append(f"dynamics {dynamics!r}; allowed are {', '.join(DYNAMICS)}")
    targets = [name for name in ("target_image", "target_mask", "target_box") if decoded.get(name) is not None]
    if dynamics == STILL and targets:
        found.append(f"{targets[0]} is there; a still has none, its target is its reference")
    if dynamics in DYNAMICS and dynamics != STILL and (len(targets) < 2 or targets[0] != "target_image"):
        found.append(f"target_image or target_mask is empty, without a target_box; only a {STILL} may lack them")
    found += _box_problems(decoded.get("target_box"), decoded.get("target_image"))
    for name in ("reference_mask", "target_mask"):
        mask = decoded.get(name)
        if mask is not None and not mask.any():
            found.append(f"{name} sets no pixel")
    return found


def _box_problems(box: Any, picture: Any) -> list[str]:
    """A box of numbers that enclose no pixel of the picture, or lie outside of it."""
    if box is None or picture is None:
        return []
    x0, y0, x1, y1 = (float(value) for value in box)
    height, width = picture.shape[:2]
    if 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height:
        return []
    return [f"target_box {x0:g} {y0:g} {x1:g} {y1:g} is no box inside a picture of {height}x{width}"]


OBJECT_PAIR = Kind(
    name="object_pair",
    title="object pairs",
    columns=_COLUMNS,
    base=(
        *("record_id", "dataset", "split", "video_id", "object_id", "reference_frame", "target_frame", "dynamics"),
        *("reference_image", "reference_mask", "target_image", "target_mask", "provenance"),
    ),
    photos=("reference_image", "target_image"),
    aligned={"target_mask": "target_image", "target_box": "target_image"},
    ids=("record_id", "dataset", "split", "video_id", "object_id"),
    required=("record_id", "video_id", "object_id", "reference_image", "reference_mask"),
    identities={"reference_image": "video_id", "target_image": "video_id"},
    told=("dynamics", "caption"),
    problems=problems,
)
