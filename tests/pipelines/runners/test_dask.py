"""Builds on a real Dask scheduler with workers on loopback: the local build's bytes, whatever is killed meanwhile."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.dask_cluster import Cluster, cluster
from support.helpers import WEIGHTLESS, Dataset, Result, digests

pytest.importorskip("distributed", reason="the extra [dask] is absent")

Command = Callable[..., Result]
SMALL = ("--shard-size", "1", "--skip", WEIGHTLESS)
long = pytest.mark.long


@pytest.fixture(scope="module")
def three_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask"), 3) as started:
        yield started


@pytest.fixture
def crossed(data: Path, tmp_path: Path) -> Path:
    """Every person of the real dataset in miniature with every garment: long enough to be killed meanwhile."""
    root = Path(shutil.copytree(data / "vitonhd_mini", tmp_path / "crossed"))
    pairs = [line.split() for line in (root / "test_pairs.txt").read_text().splitlines() if line.strip()]
    persons, garments = {person for person, _ in pairs}, {garment for _, garment in pairs}
    lines = [f"{person} {garment}\n" for person in sorted(persons) for garment in sorted(garments)]
    (root / "test_pairs.txt").write_text("".join(lines))
    return root


def build(command: Command, output: str, *words: object, env: dict[str, str] | None = None) -> Result:
    return command("pipelines.build_vitonhd", "--output", output, *words, env=env)


def after(shards: int, folder: Path, act: Callable[[], None]) -> list[int]:
    """Does `act` once so many shards are in the folder; the list then holds how many there were."""
    seen: list[int] = []

    def watch() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            present = len(list(folder.glob("test-*.parquet")))
            if present >= shards:
                act()
                seen.append(present)
                return
            time.sleep(0.01)

    threading.Thread(target=watch, daemon=True).start()
    return seen


def test_the_bytes_are_those_of_the_direct_runner(
    command: Command, three_workers: Cluster, data: Path, drawn_sample: Path, tmp_path: Path
) -> None:
    """Of the embedded sample, and of the real dataset in miniature."""
    cache = {"XDG_CACHE_HOME": str(drawn_sample / "cache")}
    real = ("--input", data / "vitonhd_mini", *SMALL)
    for name, words in (("sample", ("--shard-size", "3")), ("real", real)):
        local = build(command, f"{name}-local", *words, env=cache)
        there = build(command, f"{name}-dask", *words, *three_workers.flags, env=cache)
        assert (local.code, there.code) == (0, 0), there.stderr
        same = ("records", "rejects", "shards", "skipped_shards")
        assert [there.json[key] for key in same] == [local.json[key] for key in same]
        assert digests(tmp_path / f"{name}-dask") == digests(tmp_path / f"{name}-local")


def test_a_failed_unit_tells_why(command: Command, three_workers: Cluster, dataset: Dataset, tmp_path: Path) -> None:
    words = ("--input", dataset.root, "--shard-size", "2", *three_workers.flags)
    (tmp_path / "out/test-00001-of-00003.parquet").mkdir(parents=True)
    result = build(command, "out", *words)
    assert result.code == 1 and "unit test-00001-of-00003: Is a directory" in result.error, result.stderr
    (tmp_path / "out/test-00001-of-00003.parquet").rmdir()
    assert build(command, "out", *words).json["skipped_shards"] == 2


@long
def test_a_range_of_units_is_a_task(command: Command, three_workers: Cluster, dataset: Dataset, tmp_path: Path) -> None:
    words = ("--input", dataset.root, *SMALL)
    assert build(command, "local", *words).code == 0
    assert build(command, "dask", *words, *three_workers.flags, "--dask_partition_size", 4).code == 0
    assert digests(tmp_path / "dask") == digests(tmp_path / "local")


@long
def test_a_scheduler_file_names_the_scheduler(
    command: Command, three_workers: Cluster, dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "scheduler.json").write_text(json.dumps({"type": "Scheduler", "address": three_workers.address}))
    words = ("--runner", "DaskRunner", "--dask_scheduler_file", tmp_path / "scheduler.json")
    assert build(command, "out", "--input", dataset.root, *words).code == 0


@long
def test_without_an_address_a_cluster_is_started_here(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    assert build(command, "local", "--input", dataset.root, *SMALL).code == 0
    result = build(command, "dask", "--input", dataset.root, *SMALL, "--runner", "DaskRunner", "--dask_workers", 2)
    assert result.code == 0, result.stderr
    assert digests(tmp_path / "dask") == digests(tmp_path / "local")


@long
def test_one_killed_worker_costs_nothing(command: Command, crossed: Path, tmp_path: Path) -> None:
    words = ("--input", crossed, *SMALL)
    assert build(command, "local", *words).code == 0
    with cluster(tmp_path / "servers", 3) as three:
        seen = after(3, tmp_path / "dask", lambda: three.servers.kill(three.workers[1]))
        result = build(command, "dask", *words, *three.flags)
    assert result.code == 0 and seen and seen[0] < result.json["shards"], result.stderr
    assert digests(tmp_path / "dask") == digests(tmp_path / "local")
    assert not [path for path in (tmp_path / "dask").rglob("*") if "tmp" in path.name]


@long
def test_a_build_without_workers_ends_and_goes_on_later(command: Command, crossed: Path, tmp_path: Path) -> None:
    words = ("--input", crossed, *SMALL)
    assert build(command, "local", *words).code == 0
    with cluster(tmp_path / "servers", 2) as two:
        seen = after(3, tmp_path / "dask", lambda: [two.servers.kill(worker) for worker in two.workers] and None)
        stopped = build(command, "dask", *words, *two.flags, "--dask_patience", 3)
        assert stopped.code == 1 and seen, stopped.stderr
        assert f"no worker is left at the Dask scheduler {two.address} since 3 s" in stopped.error
        assert "run it again to go on" in stopped.error
        nobody = build(command, "dask", *words, *two.flags, "--dask_patience", 0)
        assert nobody.code == 2 and f"`dask worker {two.address}`" in nobody.error
        two.add_worker()
        result = build(command, "dask", *words, *two.flags)
    assert result.code == 0 and result.json["skipped_shards"] >= 3, result.stderr
    assert digests(tmp_path / "dask") == digests(tmp_path / "local")


@long
def test_a_scheduler_that_goes_ends_the_build(command: Command, crossed: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "servers", 2) as two:
        seen = after(3, tmp_path / "dask", lambda: two.servers.kill(two.servers.processes[0]))
        stopped = build(command, "dask", "--input", crossed, *SMALL, *two.flags, "--dask_patience", 3)
    assert stopped.code == 1 and seen, stopped.stderr
    assert two.address in stopped.error and "run it again to go on" in stopped.error


@long
def test_workers_without_the_package_are_refused(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    # Whether or not the package is installed, they find none.
    (tmp_path / "without").mkdir()
    (tmp_path / "without/schemas.py").write_text("raise ModuleNotFoundError(\"No module named 'schemas'\")\n")
    with cluster(tmp_path / "servers", 1, env={"PYTHONPATH": str(tmp_path / "without"), "PYTHONSAFEPATH": "1"}) as bare:
        result = build(command, "out", "--input", dataset.root, *bare.flags)
    assert result.code == 2 and "which has none (No module named 'schemas')" in result.error
    assert "PYTHONPATH" in result.error and not (tmp_path / "out").exists()
