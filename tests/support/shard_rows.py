"""Shards written by hand: rows without pictures, of any dataset, split and category."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from schemas import record, shards
from schemas.kinds import TRYON


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


def write(folder: Path, name: str, rows: Iterable[dict[str, Any]], columns: Iterable[str] = ("quality",)) -> Path:
    """A shard of these rows, in the format that its name says."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("wb") as file:
        writer = shards.ShardWriter(file, record.schema(TRYON, columns), shards.format_of(name))
        for cells in rows:
            writer.write(cells)
        writer.close()
    return folder / name
