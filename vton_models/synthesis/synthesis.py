"""A model's own results as training data: each shard again, its persons also shown in somebody else's garment.

What CatVTON calls pseudo-persons (arXiv:2407.15886 §3.4): the result becomes `source_person_image` of a record whose
other columns stay as they are stored, so that the real photo is what a mask-free model learns to restore.

OUT/_partial/SHARD/ holds the results of the shard at work; all else is as `schemas.finished.rewriting` says.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas import codecs
from schemas.finished.rewriting import SHARD, Rejects, Rewriting, Row, ShardReceipt, owned_folder, with_cell
from schemas.folders import atomic, open_folder
from schemas.folders.owned import Owned
from schemas.kinds import TRYON
from vton_models.reading import shard_files
from vton_models.reading.pairing import Pair
from vton_models.sampling import loop, outputs
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Sampler, Task, Work
from vton_models.system import Record

COLUMN = "source_person_image"
PARTIAL = "_partial"


@dataclass(frozen=True)
class Synthesis:
    """What is the same for all shards."""

    rewriting: Rewriting
    partial: Path
    sampler: Sampler
    finish: Finish
    batch_size: int
    generator: str  # the model's name
    digest: str  # of its weights

    def shard(
        self, shard: shard_files.Shard, pairs: Sequence[Pair], tasks: Sequence[Task]
    ) -> tuple[ShardReceipt, bool]:
        """(receipt, whether it was there before); pairs and tasks are those of this shard, in its order."""
        held = self.rewriting.receipt(shard.name)
        if held is not None:
            return held, True
        self.rewriting.check(shard.name)  # before the work
        partial = self.partial / shard.name
        partial.mkdir(parents=True, exist_ok=True)
        atomic.sweep(partial)
        results = loop.run(tasks, partial, self.batch_size, Work(self.sampler, self._finish, _encode))
        done = {task.record_id for task in results.done}
        sources = {
            pair.person.record_id: (partial / task.file, pair)
            for pair, task in zip(pairs, tasks, strict=True)
            if task.record_id in done
        }

        def changed(rows: Iterator[Row], rejects: Rejects) -> Iterator[Row]:
            rejects += results.rejects
            for row in rows:
                if row["record_id"] in sources:
                    yield self._row(row, *sources[row["record_id"]])

        receipt = self.rewriting.write(shard.name, shard.split, changed)
        shutil.rmtree(partial)
        return receipt, False

    def _finish(self, task: Task, record: Record, result: np.ndarray) -> np.ndarray:
        """At the size of the person's photo, with which the column is aligned."""
        from vton_models.networks import pictures

        finished = self.finish(task, record, result)
        height, width = record["person_image"].shape[:2]
        return pictures.stretch(finished, (height, width))

    def _row(self, row: Row, file: Path, pair: Pair) -> Row:
        """The stored row with its new column and where that comes from."""
        assert pair.garment is not None
        origin = {
            "origin": "annotator",
            "annotator": self.generator,
            "digest": self.digest.removeprefix("sha256:"),
            "note": f"seed {self.sampler.settings.seed}; garment {pair.garment.garment_id}",
        }
        picture = {"bytes": file.read_bytes(), "path": outputs.file_name(row["record_id"])}
        return with_cell(row, COLUMN, picture, origin)


def shards_folder(folder: Path) -> Owned:
    """The folder that `synthesize` writes."""
    return owned_folder(folder, "synthesize", "folder of synthesised shards", (f"{PARTIAL}/{SHARD}.*/*.png",))


def begin(source: str, output: Path, config: Mapping[str, Any], overwrite: bool) -> Rewriting:
    """Raises UsageError for a folder that holds something else, or a synthesis of other settings."""
    shards_folder(output).begin(config, overwrite)
    rewriting = Rewriting(open_folder(source), open_folder(str(output)), (TRYON.fields[COLUMN],))
    rewriting.begin()
    return rewriting


def _encode(task: Task, picture: np.ndarray) -> bytes:
    return codecs.encode_png(picture)
