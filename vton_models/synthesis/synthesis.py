"""A model's own results as training data: each shard again, its persons also shown in somebody else's garment.

What CatVTON calls pseudo-persons (arXiv:2407.15886 §3.4): the result becomes `source_person_image` of a record whose
other columns stay as they are stored, so that the real photo is what a mask-free model learns to restore.

OUT/SHARD               a shard per shard of the input, of the same name
OUT/_receipts/NAME.json  what each holds; written after it
OUT/_partial/SHARD/      results of the shard at work
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa

from schemas import codecs, record, shards
from schemas.folders import atomic
from schemas.kinds import TRYON
from vton_models.reading import shard_files
from vton_models.reading.pairing import Pair
from vton_models.sampling import loop, outputs
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Sampler, Task, Work
from vton_models.system import Record

COLUMN = "source_person_image"
RECEIPTS, PARTIAL = "_receipts", "_partial"


@dataclass(frozen=True)
class Receipt:
    """Of one shard; `origins`: column → origin → records."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str
    origins: dict[str, dict[str, int]]
    rejects: list[dict[str, str]]


@dataclass(frozen=True)
class Synthesis:
    """What is the same for all shards."""

    output: Path
    sampler: Sampler
    finish: Finish
    batch_size: int
    generator: str  # the model's name
    digest: str  # of its weights

    def shard(self, shard: shard_files.Shard, pairs: Sequence[Pair], tasks: Sequence[Task]) -> tuple[Receipt, bool]:
        """(receipt, whether it was there before); pairs and tasks are those of this shard, in its order."""
        held = self._finished(shard)
        if held is not None:
            return held, True
        partial = self.output / PARTIAL / shard.name
        partial.mkdir(parents=True, exist_ok=True)
        atomic.sweep(partial)
        made = loop.run(tasks, partial, self.batch_size, Work(self.sampler, self._finish, _encode))
        done = {task.record_id for task in made.done}
        sources = {
            pair.person.record_id: (partial / task.file, pair)
            for pair, task in zip(pairs, tasks, strict=True)
            if task.record_id in done
        }
        receipt = self._write(shard, sources, list(made.rejects))
        atomic.write_json(self._receipt_path(shard), asdict(receipt))
        shutil.rmtree(partial)
        return receipt, False

    def _finish(self, task: Task, found: Record, result: np.ndarray) -> np.ndarray:
        """At the size of the person's photo, with which the column is aligned."""
        from vton_models.networks import pictures

        finished = self.finish(task, found, result)
        height, width = found["person_image"].shape[:2]
        return pictures.stretch(finished, (height, width))

    def _write(
        self, shard: shard_files.Shard, sources: Mapping[str, tuple[Path, Pair]], rejects: list[dict[str, str]]
    ) -> Receipt:
        path = self.output / shard.name
        origins: dict[str, Counter[str]] = {}

        with fsspec.open(shard.url, "rb") as source, atomic.new_file(path) as file:
            reader = shards.ShardReader(source, shard.name)
            writer = shards.ShardWriter(file, with_source(reader.schema), shards.format_of(shard.name))
            for row in reader.rows():
                if row["record_id"] in sources:
                    changed = self._row(row, *sources[row["record_id"]])
                    _count(origins, changed)
                    writer.write(changed)
            size, sha256 = writer.close()
        counted = {column: dict(sorted(found.items())) for column, found in sorted(origins.items())}
        return Receipt(shard.name, shard.split, len(sources), size, sha256, counted, rejects)

    def _row(self, row: dict[str, Any], file: Path, pair: Pair) -> dict[str, Any]:
        """The stored row with its new column and where that comes from."""
        assert pair.garment is not None
        entry = {
            "column": COLUMN,
            "origin": "annotator",
            "annotator": self.generator,
            "digest": self.digest.removeprefix("sha256:"),
            "note": f"seed {self.sampler.settings.seed}; garment {pair.garment.garment_id}",
        }
        others = [one for one in row.get("provenance") or [] if one["column"] != COLUMN]
        picture = {"bytes": file.read_bytes(), "path": outputs.file_name(row["record_id"])}
        return row | {COLUMN: picture, "provenance": [*others, entry]}

    def _finished(self, shard: shard_files.Shard) -> Receipt | None:
        path, file = self._receipt_path(shard), self.output / shard.name
        if not path.is_file() or not file.is_file():
            return None
        receipt = Receipt(**json.loads(path.read_bytes()))
        return receipt if file.stat().st_size == receipt.bytes else None

    def _receipt_path(self, shard: shard_files.Shard) -> Path:
        return self.output / RECEIPTS / f"{shard.name}.json"


def begin(output: Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Raises UsageError for a folder that holds something else, or a synthesis of other settings."""
    ours = ("*-of-*.parquet", "*-of-*.arrow", "*.parquet", "manifest.json", "README.md", RECEIPTS, PARTIAL)
    outputs.begin(output, config, overwrite, ours)
    (output / RECEIPTS).mkdir(exist_ok=True)
    atomic.sweep(output / RECEIPTS)


def end(output: Path) -> None:
    """Removes the folder of unfinished shards, which is empty by now."""
    shutil.rmtree(output / PARTIAL, ignore_errors=True)


def with_source(schema: pa.Schema) -> pa.Schema:
    """The schema with the new column, in the record's order."""
    extra = [_plain(field) for field in schema if field.name not in TRYON.fields]
    return record.schema(TRYON, [*(name for name in schema.names if name in TRYON.fields), COLUMN], extra)


def _plain(field: pa.Field) -> pa.Field:
    """Without what Parquet adds to a field's metadata when it is read."""
    metadata = {key: value for key, value in (field.metadata or {}).items() if not key.startswith(b"PARQUET:")}
    return field.with_metadata(metadata)


def _encode(task: Task, picture: np.ndarray) -> bytes:
    return codecs.encode_png(picture)


def _count(origins: dict[str, Counter[str]], row: Mapping[str, Any]) -> None:
    for entry in row["provenance"]:
        origins.setdefault(str(entry["column"]), Counter())[str(entry["origin"])] += 1


def columns(schema: pa.Schema, receipts: Sequence[Receipt]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of the manifest: column → type and how many records have it from where."""
    for field in with_source(schema):
        counted: Counter[str] = Counter()
        for receipt in receipts:
            counted.update(receipt.origins.get(field.name, {}))
        yield field.name, {"type": str(field.type), "origins": dict(sorted(counted.items()))}
