"""Shards of records whose pictures hold the record's number, without a manifest, in row groups of seven."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schemas import codecs, record, shards
from schemas.kinds import TRYON

COLUMNS = ("person_image", "agnostic_mask", "parse", "keypoints", "caption")
SIDE = 160  # float32 [160 160] of a record is more than what has no slab
PHOTO = np.zeros((24, 16, 3), np.uint8)


def row(number: int, photo: np.ndarray | None = None) -> dict[str, Any]:
    """A record; its photo, 24 × 16 pixels unless told otherwise, holds the number."""
    photo = PHOTO + np.uint8(number % 256) if photo is None else photo
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[: number % 24] = 255
    return {
        "record_id": f"r{number:03d}",
        "dataset": "made",
        "split": "train",
        "category": ("upper_body", "dresses", None)[number % 3],
        "paired": number % 2 == 0,
        "person_image": {"bytes": codecs.encode_png(photo), "path": f"{number}.png"},
        "garment_image": {"bytes": codecs.encode_png(photo), "path": f"{number}.png"},
        "agnostic_mask": {"bytes": codecs.encode_mask(mask), "path": "m.png"},
        "parse": {"bytes": codecs.encode_label_map(mask % 20, "cihp"), "path": "p.png"},
        "keypoints": np.full(75, number, np.float32),
        "caption": f"number {number}" if number % 5 else None,
        "quality": {"person_area": number / 100},
        "height": photo.shape[0],
        "width": photo.shape[1],
    }


def write(
    folder: Path, rows: list[dict[str, Any]], of: int = 2, form: str = "parquet", columns: Sequence[str] = COLUMNS
) -> Path:
    """`of` shards, between which the rows are dealt out."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = record.schema(TRYON, [*columns, "quality"])
    for number in range(of):
        with (folder / f"train-{number:05d}-of-{of:05d}.{form}").open("wb") as file:
            writer = shards.ShardWriter(file, schema, form)
            for index, item in enumerate(rows[number::of]):
                writer.write(item)
                if index % 7 == 6:
                    writer._flush()
            writer.close()
    return folder


def large(item: dict[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """A `prepare`: two tensors that get slabs, a small and an empty one, and a draw; in a module that workers find."""
    values = torch.full((SIDE, SIDE), float(item["record_id"][1:]))
    draw = torch.rand(3, generator=generator)
    small = {"draw": draw, "none": torch.zeros(0), "small": values[0, :2].clone()}
    return {"large": values, "half": values.half(), **small}
