"""The journey of a record between arrays and an Arrow row."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import codecs, fields, kinds, tensors
from schemas.kinds import Kind

SCHEMA_VERSION = "5"  # raised also when the same arrays are encoded to other bytes

# How notes in `provenance` begin that the findings look for.
WRONG_SIZE = "stored at another size"
SHIPPED_UNREADABLE = "the shipped file was unreadable"
INVERTED = "the mask was inverted"
OTHER_SPACE = "ids of another label space"
OFF_PERSON = "joints off the person"
TORN = "no garment mask"
MASK_AGAINST_ALPHA = "the picture's alpha contradicts this mask"
ALPHA_LEFT_OUT = "alpha isn't the garment's mask"
SIDES_ASSUMED = "left and right assumed as in a front view"
ASSUMED_CATEGORY = "upper_body is assumed"


def schema(kind: Kind, columns: Iterable[str], extra: Iterable[pa.Field] = ()) -> pa.Schema:
    """The Arrow schema of a shard: the kind's base, the named columns and the annotators' `extra` fields, in its order.

    Raises ValueError for a column that neither the kind nor `extra` knows.
    """
    others = {field.name: field for field in extra if field.name not in kind.fields}
    known = {**kind.fields, **others}
    chosen = {*columns, *kind.base, *others}
    unknown = sorted(chosen - set(known))
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; columns are {', '.join(known)}")
    return kind.schema(field for name, field in known.items() if name in chosen)


def encode(field: pa.Field, value: Any, name: str) -> Any:
    """A decoded value → what Arrow stores; pictures become PNG files called `name`, tensors .npy. None stays None."""
    if value is None:
        return None
    kind = fields.kind(field)
    if kind == "image":
        return {"bytes": codecs.encode_png(value), "path": name}
    if kind == "mask":
        return {"bytes": codecs.encode_mask(value), "path": name}
    if kind == "tensor":
        return {"bytes": tensors.encode(value), "path": name}
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
    if kind == "tensor":
        return tensors.decode(cell["bytes"])
    if kind == "label_map":
        return codecs.decode_label_map(cell["bytes"], fields.label_space(field))
    if kind in ("keypoints", "box"):
        numbers = np.asarray(cell, np.float32)
        if numbers.size != fields.length(field):
            raise codecs.CodecError(f"{numbers.size} numbers; allowed is {fields.length(field)}")
        return numbers.reshape(-1, 3) if kind == "keypoints" else numbers
    return cell


def problems(
    row: Mapping[str, Any], shard_schema: pa.Schema, decode_cell: Callable[[pa.Field, Any], Any] = decode
) -> list[str]:
    """What is wrong with a stored row, a line each: undecodable cells, missing basics, wrong sizes or values.

    `decode_cell` decodes as `decode` does.
    """
    kind = kinds.of(shard_schema)
    problems_of = [f"{name} is empty" for name in kind.required if row.get(name) in (None, "")]
    decoded: dict[str, Any] = {}
    for field in shard_schema:
        try:
            decoded[field.name] = decode_cell(field, row.get(field.name))
        except codecs.CodecError as error:
            problems_of.append(f"{field.name}: {error}")
    return [*problems_of, *_size_problems(kind, decoded, shard_schema), *kind.problems(decoded)]


def _size_problems(kind: Kind, decoded: Mapping[str, Any], shard_schema: pa.Schema) -> list[str]:
    found = []
    main = decoded.get(kind.photos[0])
    has_size = "height" in decoded and "width" in decoded
    if main is not None and has_size and (decoded["height"], decoded["width"]) != main.shape[:2]:
        told = f"{decoded['height']}x{decoded['width']}"
        found.append(f"height, width say {told}, {kind.photos[0]} is {_size(main)}")
    for field in filter(fields.is_picture, shard_schema):
        value, photo = decoded.get(field.name), decoded.get(kind.photo_of(field.name))
        if value is not None and photo is not None and value.shape[:2] != photo.shape[:2]:
            found.append(f"{field.name} is {_size(value)}, its photo {_size(photo)}")
    return found


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"
