"""Arrow field builders, one per kind of column, and the Hugging Face feature metadata that follows from them.

Image-like columns are `struct<bytes, path>`, which Hugging Face `datasets` and its viewer show as pictures; tensors too
are files in such a struct.
"""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas import labels

PICTURE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
# Not a fixed-size list: Parquet files with a null one can't be read back before Arrow 26 (apache/arrow#35692).
_FLOATS = pa.list_(pa.float32())
FLOATS = ("keypoints", "box")  # kinds whose cells are float32 arrays when decoded
WORD = pa.dictionary(pa.int32(), pa.string())  # a string of few distinct values


def image(name: str) -> pa.Field:
    """A photo or drawn picture: uint8 [h w 3] RGB when decoded."""
    return pa.field(name, PICTURE, metadata={"kind": "image"})


def mask(name: str) -> pa.Field:
    """A 1-bit PNG, white = set: uint8 [h w] 0/255 when decoded."""
    return pa.field(name, PICTURE, metadata={"kind": "mask"})


def label_map(name: str, space: str) -> pa.Field:
    """A palette PNG whose indices are ids of `space` (a key of `labels.SPACES`): uint8 [h w] when decoded."""
    if space not in labels.SPACES:
        raise ValueError(f"unknown label space {space!r}; known are {', '.join(labels.SPACES)}")
    return pa.field(name, PICTURE, metadata={"kind": "label_map", "label_space": space})


def keypoints(name: str, points: int) -> pa.Field:
    """`points` × (x px, y px, score 0–1), absent = 0, 0, 0: float32 [points 3] when decoded."""
    return pa.field(name, _FLOATS, metadata={"kind": "keypoints", "length": str(3 * points)})


def box(name: str) -> pa.Field:
    """x0 y0 x1 y1 in pixels of the stored image."""
    return pa.field(name, _FLOATS, metadata={"kind": "box", "length": "4"})


def tensor(name: str, sources: Sequence[str], maker: str) -> pa.Field:
    """What a network makes of other columns, the `sources`: float16 of any shape when decoded, a .npy file on disk.

    `maker` is whatever else decides its values, as text: they are up to date only while that and the sources are the
    same.
    """
    return pa.field(name, PICTURE, metadata={"kind": "tensor", "sources": ",".join(sources), "maker": maker})


def text(name: str) -> pa.Field:
    return pa.field(name, pa.string(), metadata={"kind": "text"})


def word(name: str) -> pa.Field:
    """A string that repeats over many records: dictionary-encoded."""
    return pa.field(name, WORD, metadata={"kind": "text"})


def number(name: str, arrow_type: pa.DataType) -> pa.Field:
    return pa.field(name, arrow_type, metadata={"kind": "number"})


def struct(name: str, /, **members: pa.DataType) -> pa.Field:
    """One value per member: a dict when decoded."""
    return pa.field(name, pa.struct(list(members.items())), metadata={"kind": "struct"})


def table(name: str, /, **members: pa.DataType) -> pa.Field:
    """Any number of rows with these members: a list of dicts when decoded."""
    return pa.field(name, pa.list_(pa.struct(list(members.items()))), metadata={"kind": "table"})


# Of every kind of record: where each column comes from.
PROVENANCE = table(
    "provenance",
    column=pa.string(),
    origin=pa.string(),
    annotator=pa.string(),
    digest=pa.string(),
    note=pa.string(),
)


def kind(field: pa.Field) -> str:
    """ "image", "mask", "label_map", "keypoints", "box", "tensor", "text", "number", "struct" or "table"."""
    return (field.metadata or {}).get(b"kind", b"number").decode()


def is_picture(field: pa.Field) -> bool:
    return kind(field) in ("image", "mask", "label_map")


def is_array(field: pa.Field) -> bool:
    """Whether a cell is an array when decoded."""
    return is_picture(field) or is_tensor(field) or kind(field) in FLOATS


def is_tensor(field: pa.Field) -> bool:
    return kind(field) == "tensor"


def sources(field: pa.Field) -> tuple[str, ...]:
    """The columns that a tensor is made of; empty for all other columns."""
    told = (field.metadata or {}).get(b"sources", b"").decode()
    return tuple(told.split(",")) if told else ()


def maker(field: pa.Field) -> str:
    """What a tensor is made by, as `tensor` was told."""
    return (field.metadata or {}).get(b"maker", b"").decode()


def length(field: pa.Field) -> int:
    """How many numbers a cell of keypoints or of a box has."""
    return int(field.metadata[b"length"])


def label_space(field: pa.Field) -> str:
    """The key of `labels.SPACES` that a label map's ids belong to."""
    return field.metadata[b"label_space"].decode()


def with_huggingface(schema: pa.Schema, also: Mapping[bytes, bytes]) -> pa.Schema:
    """The schema with `datasets`' feature description in its metadata, and what is `also` to stand there.

    Masks declare mode L; label maps declare none, since a cast to L would destroy the ids.
    """
    features = {field.name: _feature(field.type, kind(field)) for field in schema}
    return schema.with_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode(), **also})


def _feature(arrow_type: pa.DataType, field_kind: str = "") -> object:
    if field_kind == "mask":
        return {"mode": "L", "_type": "Image"}
    if field_kind in ("image", "label_map"):
        return {"_type": "Image"}
    if pa.types.is_dictionary(arrow_type):
        return {"dtype": "string", "_type": "Value"}
    if pa.types.is_struct(arrow_type):
        return {member.name: _feature(member.type) for member in arrow_type}
    if pa.types.is_list(arrow_type):
        return [_feature(arrow_type.value_type)]
    names = {pa.float32(): "float32", pa.float64(): "float64"}
    return {"dtype": names.get(arrow_type, str(arrow_type)), "_type": "Value"}
