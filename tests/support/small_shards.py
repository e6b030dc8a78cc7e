"""A finished folder of small shards, written without a pipeline."""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from support.helpers import draw

import vton_models
from schemas import codecs, fields, kinds, record, shards
from schemas.kinds import TRYON


def row(number: int, split: str = "train") -> dict[str, Any]:
    """A paired record with an agnostic mask."""
    drawn = draw(number)
    name = f"{split}/{number:05d}"
    values = {
        "record_id": f"small/{name}",
        "dataset": "small",
        "split": split,
        "category": "upper_body" if number % 3 else "dresses",
        "person_id": f"{number:05d}",
        "garment_id": f"{number:05d}",
        "paired": True,
        "garment_view": "flat",
        "height": 128,
        "width": 96,
    }
    pictures = {"person_image": drawn["person"], "garment_image": drawn["garment"]}
    cells = {key: {"bytes": codecs.encode_png(value), "path": f"{key}.png"} for key, value in pictures.items()}
    mask = {"bytes": codecs.encode_mask(drawn["mask"]), "path": "mask.png"}
    return values | cells | {"agnostic_mask": mask}


def write(
    folder: Path,
    count: int,
    change: Callable[[int, dict[str, Any]], None] | None = None,
    extra: Iterable[pa.Field] = (),
    columns: Iterable[str] = (),
) -> Path:
    """One train shard of `count` records; `change(number, row)` may alter each, and fills `extra` and `columns`."""
    folder.mkdir(parents=True)
    path = folder / "train-00000-of-00001.parquet"
    with (
        path.open("wb") as file,
        shards.ShardWriter(file, record.schema(TRYON, ["agnostic_mask", *columns], extra), "parquet") as writer,
    ):
        for number in range(count):
            made = row(number)
            if change:
                change(number, made)
            writer.write(made)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = {"name": path.name, "bytes": path.stat().st_size, "sha256": digest, "rows": count, "split": "train"}
    manifest = {"dataset": "small", "licence": "CC0-1.0", "shards": [listed]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def for_system(name: str, folder: Path, count: int = 4) -> Path:
    """Try-on records with every column that a system needs."""
    from support.model_records import example  # which imports torch

    needed = vton_models.load(name).Config.tiny().reads("tryon").needed
    further = [column for column in needed if column not in row(0)]
    label_map = partial(codecs.encode_label_map, space="cihp")
    encoders = {"image": codecs.encode_png, "mask": codecs.encode_mask, "label_map": label_map}

    def change(number: int, cells: dict[str, Any]) -> None:
        pictures = example(number, 128, 96)
        for column in further:
            encode = encoders[fields.kind(kinds.TRYON.fields[column])]
            cells[column] = {"bytes": encode(pictures[column]), "path": f"{column}.png"}

    return write(folder, count, change, columns=further)
