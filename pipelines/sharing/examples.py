"""Some records of a build as small pictures, drawn from its shards for the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.reporting import finished, listing, reading
from schemas import fields, pages
from schemas.folders import Folder
from schemas.kinds import Kind

COUNT, HEIGHT, MOST = 3, 256, 7  # records, pixels of a strip, pictures in it
_LEFT_OUT = (
    "densepose",
    "parse_lip",
    "parse_atr",
    "parse_agnostic",
    "pose_image",
)  # seen in another, or not to be read


@dataclass(frozen=True)
class Example:
    """A record by its id, the columns that its JPEG shows from left to right, and the texts that describe it."""

    record_id: str
    columns: tuple[str, ...]
    caption: str
    jpeg: bytes

    def name(self, number: int) -> str:
        """Of the file in the repository."""
        return f"assets/record-{number}.jpg"


def draw(folder: Folder) -> list[Example]:
    """Of the first, the middle and the last record; the same shards give the same bytes. Raises UsageError."""
    build = finished.read(folder)
    every = listing.of(build)
    last = len(every) - 1
    indices = sorted({last * number // (COUNT - 1) for number in range(COUNT)}) if len(every) else []

    def example(index: int, row: reading.Row, schema: pa.Schema) -> Example:
        columns = _shown(row, schema, build.kind)
        caption = str(row.get("garment_caption") or row.get("caption") or "")
        return Example(str(row["record_id"]), columns, caption, pages.strip(schema, row, columns, HEIGHT))

    drawn = reading.each(folder, every, indices, example)
    return [drawn[index] for index in indices]


def _shown(row: Mapping[str, object], schema: pa.Schema, kind: Kind) -> tuple[str, ...]:
    """Photos first, then what is aligned with them, as far as the record has it."""
    present: Sequence[str] = [
        field.name
        for field in schema
        if fields.is_picture(field) and row.get(field.name) is not None and field.name not in _LEFT_OUT
    ]
    photos = [name for name in kind.photos if name in present]
    return tuple([*photos, *(name for name in kind.ordered(present) if name not in photos)][:MOST])
