"""A finished folder of object pairs, drawn and written by hand: one still, and pairs from two clips."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from schemas import codecs, record, shards
from schemas.kinds import OBJECT_PAIR

HEIGHT, WIDTH = 48, 64


def _drawn(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cells of a picture with a disc on noise, and of the disc's mask."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    y, x = generator.integers(16, 32, 2)
    disc = (rows - y) ** 2 + (columns - x) ** 2 < 100
    picture = generator.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    picture[disc] = generator.integers(120, 255, 3)
    mask = np.where(disc, np.uint8(255), np.uint8(0))
    return (
        {"bytes": codecs.encode_png(picture), "path": f"{seed}.png"},
        {"bytes": codecs.encode_mask(mask), "path": f"{seed}-mask.png"},
    )


def row(number: int, dynamics: str = "video", **changed: Any) -> dict[str, Any]:
    """A stored record; a still has no target."""
    reference_image, reference_mask = _drawn(2 * number)
    target_image, target_mask = _drawn(2 * number + 1)
    values: dict[str, Any] = {
        "record_id": f"clips/train/{number:03d}",
        "dataset": "clips",
        "split": "train",
        "video_id": f"clip{number // 2}",
        "object_id": "1",
        "dynamics": dynamics,
        "reference_image": reference_image,
        "reference_mask": reference_mask,
        "height": HEIGHT,
        "width": WIDTH,
        "provenance": [],
    }
    if dynamics != "still":
        values |= {"reference_frame": 0, "target_frame": 5, "target_image": target_image, "target_mask": target_mask}
    return values | changed


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """One train shard with a manifest, so that commands take it for a finished build."""
    folder.mkdir(parents=True)
    path = folder / "train-00000-of-00001.parquet"
    schema = record.schema(OBJECT_PAIR, {"caption", "height", "width"})
    with path.open("wb") as file, shards.ShardWriter(file, schema, "parquet") as writer:
        for cells in rows:
            writer.write(cells)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    listed = {"name": path.name, "split": "train", "rows": len(rows), "bytes": len(data), "sha256": digest}
    counts = {"records": len(rows), "rejects": 0, "records_by_split": {"train": len(rows)}, "findings_by_kind": {}}
    manifest = {
        "kind": OBJECT_PAIR.name,
        "dataset": "clips",
        "command": "by_hand",
        "package": {"name": "none", "version": "0"},
        "configuration": {"format": "parquet", "shard_size": 256},
        "columns": {},
        "shards": [listed],
        "counts": counts,
        "fingerprint": "0",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
