"""What every engine promises: the same shards, and the reason why a unit has none; a newcomer is one file."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import pool_engine
from support.helpers import Dataset, Result, digests

from pipelines import annotate, build_vitonhd, runners, select
from pipelines.building import preflight
from pipelines.runners import direct
from pipelines.runners._totals import Totals, from_json
from schemas.cli import flags
from schemas.cli.flags import UsageError

FULL_DISK = Path(__file__).parents[1] / "support/full_disk"
REASON = "unit test-00001-of-00003: No space left on device"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of `support.pool_engine` among those of the package."""
    monkeypatch.setitem(sys.modules, "pipelines.runners.pool", pool_engine)
    known = runners.names()
    monkeypatch.setattr(runners, "names", lambda: {**known, "PoolRunner": "pool"})


def build(dataset: Dataset, output: Path, *words: str) -> int:
    return build_vitonhd.main(["--input", str(dataset.root), "--output", str(output), "--shard-size", "2", *words])


@pytest.mark.parametrize("runner", list(runners.names()))
def test_an_engine_says_what_it_is(runner: str) -> None:
    engine = runners.load(runner)
    assert runner in engine.NAMES and isinstance(engine.REMOTE, bool)
    with pytest.raises(UsageError, match="no_such_flag"):
        engine.check(["--no_such_flag=1"])


@pytest.mark.usefixtures("pool")
def test_help_shows_every_engine_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a newcomer too, in every command that makes shards."""
    for module in (build_vitonhd, annotate, select):
        with pytest.raises(SystemExit):
            module.main(["--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert f"--runner {'|'.join(runners.names())}" in shown and "PoolRunner" in runners.names()
        assert "--runner PoolRunner: --pool_workers POOL_WORKERS processes of the pool (default 2)" in shown
        assert "--direct_running_mode multi_threading|multi_processing|in_memory" in shown


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--runner", "PoolRunner", "--pool_workers", "many"), "argument --pool_workers: invalid int value: 'many'"),
        (("--pool_workers", "3"), "--pool_workers is an option of --runner PoolRunner; here is --runner DirectRunner"),
        (("--runner", "PoolRunner", "--pool_workers", "0"), "--pool_workers 0: nobody works; allowed is 1 or more"),
        (("--runner", "PoolRunner", "--poolworkers", "3"), "'--poolworkers'; allowed is --pool_workers N"),
        (("--direct_num_workers", "-2"), "--direct_num_workers -2; allowed is 0 or more"),
        (("--direct_running_mode", "fast"), "invalid choice: 'fast'"),
        (("--no_such_flag", "3"), "unknown flag '--no_such_flag'; --help lists this command's, and Beam has none"),
        (("--runner", "Hats"), "--runner 'Hats'; allowed are DaskRunner, "),
    ],
)
def test_a_wrong_option_of_an_engine_is_wrong_usage(
    dataset: Dataset, tmp_path: Path, words: tuple[str, ...], named: str
) -> None:
    with pytest.raises(UsageError) as caught:
        build(dataset, tmp_path / "out", *words)
    assert named in flags.one_line(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.usefixtures("pool")
def test_a_process_pool_gives_the_bytes_of_the_direct_runner(dataset: Dataset, tmp_path: Path) -> None:
    assert build(dataset, tmp_path / "direct") == 0
    assert build(dataset, tmp_path / "pool", "--runner", "PoolRunner", "--pool_workers=3") == 0
    assert digests(tmp_path / "pool") == digests(tmp_path / "direct")


@pytest.mark.usefixtures("pool")
def test_a_process_pool_tells_why_a_unit_failed(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fails_when_full(descriptor: int) -> None:
        if "test-00001-of" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fails_when_full)
    assert build(dataset, tmp_path / "out", "--runner", "PoolRunner") == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].endswith(REASON)
    monkeypatch.setattr(os, "fsync", sync)
    assert build(dataset, tmp_path / "out", "--runner", "PoolRunner") == 0, "the next run does what is missing"


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_the_direct_runner_tells_why_a_unit_failed(
    process: Callable[..., Result], dataset: Dataset, tmp_path: Path, mode: str
) -> None:
    path = os.pathsep.join(filter(None, (str(FULL_DISK), os.environ.get("PYTHONPATH"))))
    full = {"FULL_DISK_FOR": "test-00001-of", "PYTHONPATH": path}
    options = ("--shard-size", 2, "--direct_running_mode", mode, "--direct_num_workers", 2)
    result = process("pipelines.build_vitonhd", "--input", dataset.root, "--output", "out", *options, env=full)
    assert result.code == 1 and result.error.endswith(REASON), result.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if "tmp" in path.name]


def test_a_device_is_asked_for_where_the_work_runs(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(preflight, "check_device", asked.append)
    assert build(dataset, tmp_path / "here", "--device", "cuda:7") == 0 and asked == ["cuda:7"]
    monkeypatch.setattr(direct, "REMOTE", True)
    assert build(dataset, tmp_path / "there", "--device", "cuda:7") == 0 and asked == ["cuda:7"]


def test_totals_travel_as_text_and_hold_the_first_failures() -> None:
    full = [Totals(failed=1, failures=(f"unit {number}: full",)) for number in range(9)]
    summed = sum(reversed(full), Totals(2, 9, 1, (("read", 0.5),)))
    assert summed.failed == 9 and summed.failures == tuple(f"unit {number}: full" for number in range(5))
    assert from_json(summed.to_json()) == summed
