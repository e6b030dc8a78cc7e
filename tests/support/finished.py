"""Finished shards made of rows, without a build: for tests of what reads shards."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support.helpers import HEIGHT, WIDTH, draw

from schemas import codecs, kinds, record, shards

PICTURES = {"person_image", "garment_image", "densepose_image", "agnostic_image", "pose_image", "warped_garment_image"}


def row(person: str, garment: str, split: str = "test", seed: int = 0, **changed: Any) -> dict[str, Any]:
    """A stored record with every common annotation; a column given as None is absent."""
    drawn = draw(seed)
    parse = drawn["parse"]
    values: dict[str, Any] = {
        "record_id": f"made/{split}/{person}+{garment}",
        "dataset": "made",
        "split": split,
        "category": "upper_body",
        "person_id": person,
        "garment_id": garment,
        "paired": person == garment,
        "garment_view": "flat",
        "parse": parse,
        "keypoints": drawn["keypoints"] + np.float32(1 / 3) * (drawn["keypoints"] > 0),
        "agnostic_image": np.where((parse == 5)[..., None], np.uint8(128), drawn["person"]),
        "agnostic_mask": np.where(parse == 5, np.uint8(255), np.uint8(0)),
        "parse_agnostic": np.where(parse == 5, np.uint8(0), parse),
        "garment_mask": drawn["mask"],
        "height": HEIGHT,
        "width": WIDTH,
    }
    values |= changed
    stored = {name: record.encode(kinds.TRYON.fields[name], value, f"{name}.png") for name, value in values.items()}
    jpegs = {
        "person_image": drawn["person"],
        "garment_image": drawn["garment"],
        "densepose_image": drawn["person"] // 4,
    }
    photos = {name: {"bytes": codecs.encode_jpeg(value), "path": "x.jpg"} for name, value in jpegs.items()}
    return photos | stored


def write(
    folder: Path,
    rows: list[dict[str, Any]],
    per_shard: int = 2,
    file_format: str = "parquet",
    extra: Sequence[pa.Field] = (),
) -> Path:
    """A folder that `rewrite.open_finished` opens; rows of one split after another, which may fill `extra` columns."""
    folder.mkdir(parents=True)
    columns = {name for each in rows for name in each} - {field.name for field in extra}
    schema = record.schema(kinds.TRYON, columns, extra)
    listed = []
    for split in dict.fromkeys(each["split"] for each in rows):
        own = [each for each in rows if each["split"] == split]
        cuts = [own[start : start + per_shard] for start in range(0, len(own), per_shard)]
        for index, cut in enumerate(cuts):
            name = f"{split}-{index:05d}-of-{len(cuts):05d}.{file_format}"
            size, digest = _shard(folder / name, cut, schema, file_format)
            listed.append({"name": name, "split": split, "rows": len(cut), "bytes": size, "sha256": digest})
    manifest = {"shards": listed, "configuration": {}, "dataset": "made", "fingerprint": "0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _shard(path: Path, rows: list[dict[str, Any]], schema: Any, file_format: str) -> tuple[int, str]:
    with path.open("wb") as file:
        writer = shards.ShardWriter(file, schema, file_format)
        for each in rows:
            writer.write(each)
        writer.close()
    return path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
