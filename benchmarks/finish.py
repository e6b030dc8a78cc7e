"""What finishing and resuming cost the starting machine; `build.py finish` runs it.

No pixels: a plan of VITON-HD's list over and over, a receipt for each of its units, and small columns as shards have
them (of a shipped record, with ten entries of provenance and random hashes, one in a hundred near another), made when
they are asked for; that time is told by itself.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa

from benchmarks import plan as plans
from benchmarks.plan import COLUMNS, OneEntry
from pipelines.building import finishing, plan, plan_file, receipts
from pipelines.building.plan_file import Marks, PlanReader
from pipelines.building.receipts import Expected, Name, UnitReceipt
from pipelines.judging import findings
from pipelines.sources.records import Records
from schemas import kinds
from schemas.folders import Entry, LocalFolder
from schemas.kinds import TRYON, Kind

SHARD_BYTES = 1_000
QUALITY = {
    "person_sharpness": 400.0, "garment_sharpness": 300.0, "person_exposure": 0.6, "garment_exposure": 0.7, "people": 1,
    "person_area": 0.3, "person_at_side": 0.0, "head_room": 0.2, "arm_over_garment": 0.0, "garment_at_side": 0.0,
    "uncovered_garment": 0.0, "garment_background_luma": 246.0, "garment_background_tint": 0.0, "agnostic_area": 0.4,
    "garment_area": 0.4, "upper_area": 0.15, "lower_area": 0.1, "dress_area": 0.0,
}  # fmt: skip
NOTE = "recipe=dresscode; blur=0"


class Shards(LocalFolder):
    """A folder that says that every planned shard lies in it."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        super().__init__(str(root))
        self.shards = dict.fromkeys(names, Entry(SHARD_BYTES, "1"))

    def files(self, name: str = "") -> dict[str, Entry]:
        return super().files(name) | ({} if name else self.shards)


def measure(count: int) -> None:
    """Prints the figures of one build; in a process of its own, so that the peak is this build's."""
    folder = Path(tempfile.mkdtemp(prefix="vton-benchmark-"))
    try:
        _sample_build(folder)
        records = Records(plans._listed(count, 2))
        planning = plan.Planning(OneEntry())
        marks = plan_file.write(LocalFolder(str(folder)), plan.make(records, [], 256, None), ["w"], planning)
        del records
        for mark in marks:
            _write_receipt(folder, mark)
        output = Shards(folder, [f"{mark.unit.stem}.parquet" for mark in marks])
        seconds = _resuming(output, marks)
        print(f"resuming {len(marks):,} units decides in {seconds:.1f} s CPU", flush=True)
        del marks
        held = plans._reset_peak()
        making = Making(PlanReader(output))
        with mock.patch.object(findings, "_small_columns", making):
            began = time.process_time()
            summary = finishing.finish(output)
            seconds = time.process_time() - began - making.seconds
        print(
            f"finishing {count:,} records: {seconds:.0f} s CPU, {1e6 * seconds / count:.1f} µs a record (columns took"
            f" {making.seconds:.0f} s to make); peak {plans._peak():.0f} MiB, of it {plans._peak() - held:.0f} new;"
            f" {summary.told[0]}"
        )
    finally:
        shutil.rmtree(folder)


def _resuming(output: Shards, marks: Sequence[Marks]) -> float:
    """Seconds of CPU in which it is decided that nothing must be built."""
    expected = [Expected(mark.unit, mark.fingerprint, mark.tokens, tuple) for mark in marks]
    began = time.process_time()
    resume = receipts.reconcile(output, output, expected, "parquet", verify=False, retry_rejects=False)
    assert not resume.todo and len(resume.done) == len(marks)
    return time.process_time() - began


def _sample_build(folder: Path) -> None:
    """A small build, for the account of its configuration."""
    words = ["--output", str(folder), "--limit", "1", "--size", "192x144"]
    subprocess.run([sys.executable, "-m", "pipelines.build_vitonhd", *words], check=True, capture_output=True)
    for path in [*folder.glob("*.parquet"), *folder.glob("_receipts/*")]:
        path.unlink()


def _write_receipt(folder: Path, mark: Marks) -> None:
    paths = (f"test/{name}/{mark.unit.first_row + row:07d}_00.jpg" for name in ("image", "cloth") for row in range(256))
    inputs = {path: f"{number:064x}" for number, path in enumerate(paths)}
    origins = {"person_image": {"dataset": mark.unit.rows}, "agnostic_mask": {"annotator": mark.unit.rows}}
    receipt = UnitReceipt(mark.unit.rows, SHARD_BYTES, "0" * 64, inputs, [], origins, {"read": 1.0, "encode": 2.0})
    name = Name(mark.unit.stem, mark.fingerprint, mark.tokens, SHARD_BYTES)
    (folder / str(name)).write_bytes(receipt.to_json())


class Making:
    """Stands for the reading of shards, and counts its own time."""

    def __init__(self, reader: PlanReader) -> None:
        self.reader, self.seconds = reader, 0.0

    def __call__(self, _: LocalFolder, name: str) -> tuple[Kind, pa.Table]:
        began = time.process_time()
        table = _small_columns(self.reader, int(name.split("-")[1]))
        self.seconds += time.process_time() - began
        return TRYON, table


def _small_columns(reader: PlanReader, index: int) -> pa.Table:
    """As a shard has them."""
    records, _fingerprint = reader.of(reader.units[index])
    count = len(records)
    hashes = np.random.default_rng(index).integers(0, 2**64, (2 * count, 4), np.uint64)
    if index % 2:  # every fiftieth of every second shard is near one of the shard before
        hashes[::50] = (
            np.random.default_rng(index - 1).integers(0, 2**64, (2 * 256, 4), np.uint64)[: 2 * count : 50] ^ 5
        )
    texts = [f"{a:016x}{b:016x}{c:016x}{d:016x}" for a, b, c, d in hashes.tolist()]
    rows = {
        "record_id": [record.record_id for record in records],
        "dataset": ["vitonhd"] * count,
        "split": ["test"] * count,
        "person_id": [record.values["person_id"] for record in records],
        "garment_id": [record.values["garment_id"] for record in records],
        "category": ["upper_body"] * count,
        "garment_view": ["flat"] * count,
        "paired": [False] * count,
        "height": [1024] * count,
        "width": [768] * count,
    }
    quality = [QUALITY | {"person_hash": texts[i], "garment_hash": texts[count + i]} for i in range(count)]
    table = pa.table({column: pa.array(values) for column, values in rows.items()})
    table = table.append_column("quality", pa.array(quality, kinds.TRYON.fields["quality"].type))
    provenance = pa.array([_provenance(record.record_id) for record in records], TRYON.fields["provenance"].type)
    return table.append_column("provenance", provenance)


def _provenance(record_id: str) -> list[dict[str, str | None]]:
    digests = {column: f"{abs(hash((record_id, column))):064x}" for column in COLUMNS}
    shipped = [
        {"column": column, "origin": "dataset", "annotator": None, "digest": digest, "note": None}
        for column, digest in digests.items()
    ]
    computed = {"column": "quality", "origin": "annotator", "annotator": "quality", "digest": None, "note": NOTE}
    return [*shipped, computed]
