"""The line that tells how far a build is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.building import progress, receipts
from schemas.cli.failures import Unreachable

ROOT = Path(__file__).resolve().parents[3]
COUNTING = "from pipelines.building.progress import count; count(3); count(4)"


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until() and time.monotonic() < end:
        time.sleep(0.01)


def test_worker_processes_move_the_bar_within_a_unit(capsys: pytest.CaptureFixture[str]) -> None:
    """None has finished; what this process counts adds to what two others do."""
    told: list[str] = []

    def lines() -> bool:
        told.extend(capsys.readouterr().err.splitlines())
        return bool(told) and "16/20 records" in told[-1]

    with progress.Bar(20, lambda: 0, interval=0.05):
        workers = [subprocess.Popen([sys.executable, "-c", COUNTING], cwd=ROOT) for _ in range(2)]
        progress.count(2)
        assert [worker.wait() for worker in workers] == [0, 0]
        wait(lines)
    assert "16/20 records  80%" in told[-1]
    assert progress._DRAWN_BY not in os.environ


def test_finished_units_speak_where_no_process_does(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Bar(20, lambda: 12, interval=0.05):
        wait(lambda: "12/20 records" in capsys.readouterr().err)
    progress.count(1)  # after the build nobody listens, and nothing is raised
    with progress.Bar(20, lambda: 0, interval=0.05):
        wait(lambda: "0/20 records" in capsys.readouterr().err)


def test_a_process_whose_drawer_is_gone_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("1 9", "1 none", "1", "nonsense 99999999"):
        monkeypatch.setenv(progress._DRAWN_BY, words)
        progress.count(1)


def test_finished_units_are_counted_as_often_as_a_listing_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that gives no answer changes nothing: the units themselves tell it."""
    stems, clock, asked = ["a"], [0.0], []

    def names(output: Any) -> list[receipts.Name]:
        asked.append(clock[0])
        clock[0] += 0.5  # what a listing takes
        if not stems:
            raise Unreachable("s3://b: busy")
        return [receipts.Name(stem, "", "", 0) for stem in stems]

    monkeypatch.setattr(receipts, "names", names)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    finished = progress.Finished("memory://counted", {"a": 3, "b": 4})
    assert finished() == 3
    stems.append("b")
    assert finished() == 3 and asked == [0.0]
    clock[0] = 51.0
    assert finished() == 7 and asked == [0.0, 51.0]
    stems.clear()
    clock[0] = 200.0
    assert finished() == 7 and len(asked) == 3
