"""Shards written by hand: rows without pictures, of any dataset, split and category."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from schemas import record, shards
from schemas.kinds import TRYON, Kind


def row(number: int, **values: Any) -> dict[str, Any]:
    """A paired record; `values` replace or add columns."""
    made = {
        "record_id": f"vitonhd/train/{number:05d}_00+{number:05d}_00", "dataset": "vitonhd", "split": "train",
        "category": "upper_body", "person_id": f"{number:05d}_00", "garment_id": f"{number:05d}_00", "paired": True,
        "garment_view": "flat", "height": 1024, "width": 768, "provenance": [],
    }  # fmt: skip
    return made | values


def note(column: str, text: str | None, digest: str | None = None) -> dict[str, Any]:
    """A row of `provenance`."""
    return {"column": column, "origin": "annotator", "annotator": None, "digest": digest, "note": text}


def pair(record_id: str, **values: Any) -> dict[str, Any]:
    """An object pair; the parts of its id are its data set, split, clip and object."""
    dataset, split, video_id, object_id, _ = record_id.split("/")
    named = {"dataset": dataset, "split": split, "video_id": video_id, "object_id": object_id}
    return {"record_id": record_id, **named, "dynamics": "video", "provenance": []} | values


def write(
    folder: Path, name: str, rows: Iterable[dict[str, Any]], columns: Iterable[str] = ("quality",), kind: Kind = TRYON
) -> Path:
    """A shard of these rows, in the format that its name says."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("wb") as file:
        writer = shards.ShardWriter(file, record.schema(kind, columns), shards.format_of(name))
        for cells in rows:
            writer.write(cells)
        writer.close()
    return folder / name
