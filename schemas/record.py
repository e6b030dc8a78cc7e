"""The columns of a try-on record, and its journey between arrays and an Arrow row."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import codecs, fields, labels

SCHEMA_VERSION = "3"

IDS = ("record_id", "dataset", "split", "category", "person_id", "garment_id")

_TRYON = (
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
    fields.table(
        "provenance",
        column=pa.string(),
        origin=pa.string(),
        annotator=pa.string(),
        digest=pa.string(),
        note=pa.string(),
    ),
)
TRYON: dict[str, pa.Field] = {field.name: field for field in _TRYON}

# In every shard, whatever the source ships and the annotators make.
BASE = (
    *("record_id", "dataset", "split", "category", "garment_type", "person_id", "garment_id", "paired"),
    *("person_image", "garment_image", "garment_view", "height", "width", "geometry", "provenance"),
)

# Pictures aligned with the garment's photo; all other pictures are aligned with the person's.
GARMENT_ALIGNED = frozenset({"garment_image", "garment_mask", "high_frequency_map"})

# What each annotator may write, so that `--skip` and `--recompute` know the names before an annotator is there.
ANNOTATOR_COLUMNS: dict[str, tuple[str, ...]] = {
    "caption": ("caption", "garment_caption", "captions"),
    "caption_tags": ("caption", "garment_caption"),
    "tags": ("tags",),
    "parsing": ("parse", "parse_lip", "parse_atr"),
    "densepose": ("densepose", "densepose_image"),
    "pose": ("keypoints", "person_box", "keypoints_face", "keypoints_hands", "pose_image"),
    "person_mask": ("person_mask",),
    "garment_mask": ("garment_mask",),
    "agnostic": ("agnostic_image", "agnostic_mask", "parse_agnostic"),
    "high_frequency": ("high_frequency_map",),
    "quality": ("quality",),
}


# How notes in `provenance` begin that the findings look for.
WRONG_SIZE = "stored at another size"
SHIPPED_UNREADABLE = "the shipped file was unreadable"


def schema(columns: Iterable[str], extra: Iterable[pa.Field] = ()) -> pa.Schema:
    """The Arrow schema of a shard: BASE, the named columns and the annotators' `extra` fields, in a fixed order.

    Raises ValueError for a column that neither the record nor `extra` knows.
    """
    known = TRYON | {field.name: field for field in extra if field.name not in TRYON}
    wanted = set(columns) | set(BASE) | (set(known) - set(TRYON))
    unknown = sorted(wanted - set(known))
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; columns are {', '.join(known)}")
    ordered = [field for name, field in known.items() if name in wanted]
    return fields.with_huggingface(pa.schema(ordered))


def encode(field: pa.Field, value: Any, name: str) -> Any:
    """A decoded value → what Arrow stores; computed pictures become PNG files called `name`. None stays None."""
    if value is None:
        return None
    kind = fields.kind(field)
    if kind == "image":
        return {"bytes": codecs.encode_png(value), "path": name}
    if kind == "mask":
        return {"bytes": codecs.encode_mask(value), "path": name}
    if kind == "label_map":
        return {"bytes": codecs.encode_label_map(value, fields.label_space(field)), "path": name}
    if kind in ("keypoints", "box"):
        numbers = np.asarray(value, np.float32).ravel()
        if numbers.size != fields.length(field):
            raise ValueError(f"{field.name} has {numbers.size} numbers; allowed is {fields.length(field)}")
        return numbers
    return value


def decode(field: pa.Field, cell: Any) -> Any:
    """What Arrow stored → arrays as `schemas.fields` describes them. Raises codecs.CodecError for damaged bytes."""
    if cell is None:
        return None
    kind = fields.kind(field)
    if kind == "image":
        return codecs.decode_image(cell["bytes"])
    if kind == "mask":
        return codecs.decode_mask(cell["bytes"])
    if kind == "label_map":
        return codecs.decode_label_map(cell["bytes"], fields.label_space(field))
    if kind in ("keypoints", "box"):
        numbers = np.asarray(cell, np.float32)
        if numbers.size != fields.length(field):
            raise codecs.CodecError(f"{numbers.size} numbers; allowed is {fields.length(field)}")
        return numbers.reshape(-1, 3) if kind == "keypoints" else numbers
    return cell


def problems(row: Mapping[str, Any], shard_schema: pa.Schema) -> list[str]:
    """What is wrong with a stored row, a line each: undecodable cells, wrong sizes, ids or polarity, missing basics."""
    found = [f"{name} is empty" for name in ("record_id", "person_image", "garment_image") if row.get(name) is None]
    decoded: dict[str, Any] = {}
    for field in shard_schema:
        try:
            decoded[field.name] = decode(field, row.get(field.name))
        except codecs.CodecError as error:
            found.append(f"{field.name}: {error}")
    found += _size_problems(decoded, shard_schema)
    found += _value_problems(decoded)
    return found


def _size_problems(decoded: Mapping[str, Any], shard_schema: pa.Schema) -> list[str]:
    found = []
    person, garment = decoded.get("person_image"), decoded.get("garment_image")
    if person is not None and (decoded["height"], decoded["width"]) != person.shape[:2]:
        found.append(f"height, width say {decoded['height']}x{decoded['width']}, person_image is {_size(person)}")
    for field in filter(fields.is_picture, shard_schema):
        reference = garment if field.name in GARMENT_ALIGNED else person
        value = decoded.get(field.name)
        if value is not None and reference is not None and value.shape[:2] != reference.shape[:2]:
            found.append(f"{field.name} is {_size(value)}, its photo {_size(reference)}")
    return found


def _value_problems(decoded: Mapping[str, Any]) -> list[str]:
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


def inverted(person_image: np.ndarray, agnostic_image: np.ndarray, agnostic_mask: np.ndarray) -> bool:
    """True when the repainted (changed) pixels lie mostly where the mask is 0."""
    changed = np.abs(person_image.astype(np.int16) - agnostic_image).max(axis=2) > 24
    inside, outside = changed[agnostic_mask >= 128], changed[agnostic_mask < 128]
    return bool(inside.size and outside.size and outside.mean() > inside.mean() + 0.1)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"
