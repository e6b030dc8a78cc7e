"""Workers or threads: what is asked for, or what a trial shows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support import reader_shards

from vton_models.reading import choosing
from vton_models.reading.choosing import Helpers
from vton_models.reading.dataset import ShardDataset


def computes(item: dict[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Python alone, which one thread at a time can run."""
    total = sum(number * number for number in range(30_000))
    return {"draw": torch.rand(1, generator=generator) + total % 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reader_shards.write(tmp_path_factory.mktemp("shards"), [reader_shards.row(number) for number in range(40)])


def make(folder: Path, prepare: Any) -> ShardDataset:
    return ShardDataset(folder, ["record_id"], batch_size=4, window=48, prepare=prepare)


@pytest.mark.parametrize(
    ("workers", "threads", "expected"),
    [
        (3, None, Helpers(3, 0)),
        (None, 4, Helpers(0, 4)),
        (0, None, Helpers()),
        (1, 2, Helpers(1, 2)),
        (0, 0, Helpers()),
    ],
)
def test_what_is_asked_for_counts(folder: Path, workers: Any, threads: Any, expected: Helpers) -> None:
    assert choosing.chosen(make(folder, computes), workers, threads) == expected


@pytest.mark.parametrize(
    ("alone", "together", "expected"),
    [
        ((4.0, 3.0), (2.0, 9.0), Helpers(threads=2)),  # the shorter of two counts, as others work here too
        ((3.0, 3.0), (2.9, 3.1), Helpers(workers=2)),
        ((3.0, 3.0), (2.1, 2.1), Helpers(workers=2)),
    ],
)
def test_threads_where_they_help_and_workers_where_they_wait_for_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, alone: Any, together: Any, expected: Helpers
) -> None:
    times = {False: iter(alone), True: iter(together)}
    monkeypatch.setattr(choosing.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(choosing, "seconds_of", lambda making, stored, pool: next(times[pool is not None]))
    assert choosing.chosen(make(folder, computes), None, None) == expected


def test_one_core_has_no_trial(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(choosing, "scaling", lambda dataset: pytest.fail("a trial"))
    assert choosing.chosen(make(folder, computes), None, None) == Helpers(workers=2)


def test_a_trial_takes_no_batch(folder: Path) -> None:
    data, plain = make(folder, computes), make(folder, computes)
    choosing.scaling(data)
    assert data.state_dict() == plain.state_dict()
    assert [batch["record_id"] for batch in data] == [batch["record_id"] for batch in plain]
