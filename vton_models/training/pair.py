"""One pair of photos as a finished folder of shards, so that the one training loop can read it."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas import codecs, package, record, shards
from schemas.cli.flags import UsageError
from schemas.folders import atomic
from schemas.kinds import TRYON

COMMAND = "customize"
_SHARD = "train-00000-of-00001.parquet"
_MANIFEST = "manifest.json"


def check(folder: Path) -> None:
    """Raises UsageError for a folder that is there and isn't such a pair: it would be replaced."""
    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise UsageError(f"{folder} was not made by `{COMMAND}`, and would be replaced; allowed is another --output")


def write(folder: Path, pair: Mapping[str, Any]) -> None:
    """A shard of one record of split train: `pair` has its columns as decoded values. The folder appears whole."""
    check(folder)
    height, width = pair["person_image"].shape[:2]
    fixed = {"dataset": COMMAND, "split": "train", "paired": True, "height": height, "width": width}
    schema = record.schema(TRYON, [name for name in pair if name in TRYON.fields])
    row = {name: _cell(name, value) for name, value in pair.items()} | fixed
    buffer = io.BytesIO()
    with shards.ShardWriter(buffer, schema, "parquet") as writer:
        writer.write(row)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    listed = {"name": _SHARD, "bytes": len(content), "sha256": digest, "rows": 1, "split": "train"}
    manifest = {"dataset": COMMAND, "command": COMMAND, "package": package.described(), "shards": [listed]}
    with atomic.new_folder(folder) as new:
        atomic.write(new / _SHARD, content)
        atomic.write_json(new / _MANIFEST, manifest)


def _cell(name: str, value: Any) -> Any:
    """Pictures as PNG, masks as ours; the rest as it is."""
    if name.endswith("_image"):
        return {"bytes": codecs.encode_png(value), "path": f"{name}.png"}
    if name.endswith("_mask"):
        return {"bytes": codecs.encode_mask(value), "path": f"{name}.png"}
    return value


def _is_ours(folder: Path) -> bool:
    from vton_models.networks import weights

    files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if _MANIFEST not in files or files - {_MANIFEST, _SHARD}:
        return False
    return weights.read_json(folder / _MANIFEST).get("command") == COMMAND
