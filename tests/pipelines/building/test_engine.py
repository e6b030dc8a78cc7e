"""Planned against finished: an engine that loses a unit, ends early, or breaks is found out."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.helpers import Dataset

from pipelines import build_vitonhd
from pipelines.building import unit
from pipelines.building.plan_file import PlanReader
from pipelines.runners import direct
from pipelines.runners._totals import Totals
from schemas.folders import open_folder

Engine = Callable[[Callable[[int], Any], Sequence[int], Any, Sequence[str]], Totals]


def plain(job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
    return sum(map(job, numbers), Totals())


def run(dataset: Dataset, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    arguments = ["--input", str(dataset.root), "--output", str(out), "--shard-size", "2"]
    code = build_vitonhd.main(arguments)
    return code, capsys.readouterr().err.strip().splitlines()[-1]


def test_a_lost_unit_is_named(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        direct, "run", lambda job, numbers, options, rest: plain(job, [n for n in numbers if n != 1], options, rest)
    )
    code, error = run(dataset, tmp_path / "out", capsys)
    assert code == 1 and "1 of 3 units has no shard: test-00001-of-00003" in error
    assert not (tmp_path / "out/manifest.json").exists()
    monkeypatch.setattr(direct, "run", plain)
    assert run(dataset, tmp_path / "out", capsys)[0] == 0, "the next run does what is missing"
    assert json.loads((tmp_path / "out/_run.json").read_text())["skipped_shards"] == 2


def test_an_engine_that_ends_early_or_breaks(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "run", lambda job, numbers, options, rest: Totals())
    assert "3 of 3 units" in run(dataset, tmp_path / "early", capsys)[1]

    def broken(job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
        job(numbers[0])
        raise RuntimeError("worker\nlost")

    monkeypatch.setattr(direct, "run", broken)
    code, error = run(dataset, tmp_path / "broken", capsys)
    assert code == 1 and error.endswith("DirectRunner stopped: worker lost")


def test_running_a_unit_twice_gives_the_same(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        direct, "run", lambda job, numbers, options, rest: plain(job, [*numbers, *numbers], options, rest)
    )
    assert run(dataset, tmp_path / "out", capsys)[0] == 0
    assert len(list((tmp_path / "out/_receipts").glob("*.json"))) == 3


def test_what_an_earlier_attempt_left_whole_is_not_built_again(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that loses a worker asks for all its results again; a shard or receipt that isn't whole is built."""
    built: list[str] = []
    build_unit = unit.build_unit
    monkeypatch.setattr(
        unit, "build_unit", lambda which, *rest: (built.append(which.stem), build_unit(which, *rest))[1]
    )
    out = tmp_path / "out"

    def again(job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
        first = plain(job, numbers, options, rest)
        (receipt,) = (out / "_receipts").glob("test-00000-*")
        receipt.write_text("{")
        with (out / "test-00001-of-00003.parquet").open("ab") as shard:
            shard.write(b" ")
        second = plain(job, numbers, options, rest)
        assert (second.units, second.records, second.failed) == (first.units, first.records, 0) == (3, 6, 0)
        return second

    monkeypatch.setattr(direct, "run", again)
    assert run(dataset, out, capsys)[0] == 0
    stems = [f"test-0000{index}-of-00003" for index in range(3)]
    assert built == [*stems, *stems[:2]]


def test_what_travels_is_small(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def keep(job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
        seen.extend([job, list(numbers)])
        return plain(pickle.loads(pickle.dumps(job)), numbers, options, rest)

    monkeypatch.setattr(direct, "run", keep)
    build_vitonhd.main(["--input", str(dataset.root), "--output", str(tmp_path / "out")])
    assert seen[1] == [0] and len(pickle.dumps(seen[0])) < 4000
    assert PlanReader(open_folder(str(tmp_path / "out"))).records == 6


def test_totals_add_up_in_any_order() -> None:
    a = Totals(1, 5, 1, (("read", 1.0),))
    b = Totals(1, 7, 0, (("encode", 2.0), ("read", 0.5)), 1, ("unit b: full",))
    assert a + b == b + a == Totals(2, 12, 1, (("encode", 2.0), ("read", 1.5)), 1, ("unit b: full",))
