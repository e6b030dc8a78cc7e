"""The receipts of a build, added up one at a time."""

import io
import weakref
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.building import finishing, receipts
from pipelines.building.finishing import Done
from pipelines.building.ledger import Ledger
from pipelines.building.plan import Units
from pipelines.building.receipts import Name, UnitReceipt
from schemas.finished.manifest import Shard
from schemas.folders import LocalFolder


def receipt(number: int) -> UnitReceipt:
    reject = {"record_id": f"r{number}", "stage": "read", "error": "OSError", "message": "", "source": ""}
    return UnitReceipt(
        rows=number,
        size=10 * number,
        sha256=f"{number:064x}",
        inputs={f"a/{number}.jpg": "0" * 64, "shared.jpg": "1" * 64},
        rejects=[reject] if number % 2 else [],
        origins={"parse": {"dataset": number}, **({"caption": {"annotator": 1}} if number == 3 else {})},
        seconds={"read": 0.5},
        declined={"small": 1},
        empty={"caption": number},
        lacking={"caption": {"no garment": 2}},
    )


def test_sums_and_the_table() -> None:
    sink = io.BytesIO()
    with Ledger(sink, "arrow") as ledger:
        for number in range(1, 101):
            ledger.add(Name(f"train-{number:05d}-of-00101", "f", "t", 10 * number), receipt(number))
    sums = ledger.sums
    assert (sums.records, len(sums.rejects), sums.seconds) == (5050, 50, Counter(read=50.0))
    assert sums.origins == {"parse": Counter(dataset=5050), "caption": Counter(annotator=1)}
    assert (sums.declined["small"], sums.empty["caption"], sums.lacking["caption"]["no garment"]) == (100, 5050, 200)
    assert sums.shards[1] == Shard("train-00002-of-00101.arrow", "train", 2, 20, f"{2:064x}")
    table = pq.ParquetFile(io.BytesIO(sink.getvalue())).read()
    assert table["rows"].to_pylist() == list(range(1, 101)) and table["rejects"].to_pylist()[:2] == [1, 0]
    assert table["inputs"][4].as_py()[0] == {"path": "a/5.jpg", "sha256": "0" * 64}


def test_few_receipts_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names every file of its unit: 40,000 of them would take gigabytes."""
    output = LocalFolder(str(tmp_path))
    output.make(receipts.FOLDER)
    units = list(Units({"train": 300}, 1))
    held: weakref.WeakSet[UnitReceipt] = weakref.WeakSet()
    most = 0

    class Kept(UnitReceipt):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def load(_: LocalFolder, name: Name) -> UnitReceipt:
        nonlocal most
        loaded = Kept(**receipt(int(name.stem.split("-")[1]) + 1).__dict__)
        held.add(loaded)
        most = max(most, len(held))
        return loaded

    monkeypatch.setattr(receipts, "load", load)
    done = [Done(unit, Name(unit.stem, "f", "t", 1)) for unit in units]
    sums = finishing._add_up(output, done, "parquet")
    assert len(sums.shards) == 300 and most <= 2 * finishing._AT_ONCE
    assert pq.read_metadata(tmp_path / receipts.FOLDER / receipts.TABLE).num_rows == 300
