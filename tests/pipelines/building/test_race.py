"""One unit built by two processes at the same moment, as where an engine speculates or has lost sight of a worker."""

import json
import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from support.helpers import Dataset

from pipelines import build_vitonhd
from pipelines.building import build, receipts
from pipelines.building.plan_file import PlanReader
from pipelines.building.unit import Files, Job, build_unit
from schemas.folders import open_folder

TIMES = 50


def race(job: Job, together: Barrier, expected: dict[str, object] | None) -> None:
    """Builds units, each when the other process is as far; who knows what is expected looks, and clears it away."""
    output = open_folder(job.configuration.output)
    plan, inputs = PlanReader(output), Files(job.configuration)
    for turn in range(TIMES):
        unit = plan.units[turn % len(plan.units)]
        planned, fingerprint = plan.of(unit)
        together.wait(60)
        build_unit(unit, planned, fingerprint, output, inputs, job.configuration)
        together.wait(60)
        if expected is not None:
            left = contents(Path(job.configuration.output), unit.stem)
            assert left == {name: value for name, value in expected.items() if name.startswith(unit.stem)}, turn
            for name in output.files(receipts.FOLDER):
                output.remove(f"{receipts.FOLDER}/{name}")


def contents(output: Path, stem: str = "test-") -> dict[str, object]:
    """Shards and receipts by name, temporary files too if there are any; receipts without the seconds they took."""
    shards = {path.name: path.read_bytes() for path in output.glob(f"{stem}*")}
    noted = [path for path in (output / receipts.FOLDER).glob(f"{stem}*") if path.name != receipts.TABLE]
    return shards | {path.name: {**json.loads(path.read_text()), "seconds": None} for path in noted}


def test_two_processes_leave_one_shard_and_one_receipt(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty times: both write the same bytes, and receipts that differ in `seconds` alone."""
    jobs: list[Job] = []
    engine = build._engine
    monkeypatch.setattr(build, "_engine", lambda prepared, *rest: (jobs.append(prepared.job), engine(prepared, *rest)))
    words = ["--input", str(dataset.root), "--shard-size", "2", "--annotators", "caption_tags"]
    assert build_vitonhd.main([*words, "--output", str(tmp_path / "out")]) == 0
    expected = contents(tmp_path / "out")
    assert len(expected) == 6, "three shards and three receipts"

    context = multiprocessing.get_context("fork")
    together = context.Barrier(2)
    racers = [context.Process(target=race, args=(jobs[0], together, known)) for known in (expected, None)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(300)
    assert [racer.exitcode for racer in racers] == [0, 0]
