"""Kinds of records: which columns each has, and what else differs between them.

Every shard names its kind in the metadata of its schema; one that names none holds try-on records, since shards were
written before there was another kind. A further kind is one more module here and its name in KINDS.
"""

import pyarrow as pa

from schemas.cli.flags import UsageError
from schemas.kinds.kind import METADATA, Kind
from schemas.kinds.object_pair import OBJECT_PAIR
from schemas.kinds.tryon import TRYON

__all__ = ["KINDS", "OBJECT_PAIR", "TRYON", "Kind", "check", "named", "of"]

KINDS: dict[str, Kind] = {kind.name: kind for kind in (TRYON, OBJECT_PAIR)}


def of(schema: pa.Schema) -> Kind:
    """The kind of the records of a shard with this schema. Raises UsageError for one that this version doesn't know."""
    return named((schema.metadata or {}).get(METADATA, TRYON.name.encode()).decode(errors="replace"))


def check(schema: pa.Schema, shown: str) -> None:
    """Raises UsageError, naming the shard as `shown`, for a schema that no build writes: of an unknown kind, without a
    column that every record of its kind has, or with a known column of another type."""
    try:
        kind = of(schema)
    except UsageError as error:
        raise UsageError(f"{shown}: {error}") from None
    for name in (*kind.base, *schema.names):
        own = kind.fields.get(name)
        if name not in schema.names:
            raise UsageError(f"{shown} has no column {name}; allowed are the shards of a build")
        if own is not None and schema.field(name).type != own.type:
            raise UsageError(f"{shown}: column {name} is {schema.field(name).type}; allowed is {own.type}")


def named(name: str) -> Kind:
    """The kind of this name. Raises UsageError for another name."""
    if name not in KINDS:
        raise UsageError(f"unknown kind of records {name!r}; allowed are {', '.join(KINDS)}")
    return KINDS[name]
