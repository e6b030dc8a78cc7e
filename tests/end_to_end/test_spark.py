"""Builds on a real Spark cluster: a standalone master and two workers, which don't have the checkout on their path."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import commands, spark_cluster
from support.helpers import WEIGHTLESS, Dataset, Result, digests
from support.servers import package_environment, running
from support.spark_cluster import SparkCluster

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    home = spark_cluster.need_spark()
    with running(tmp_path_factory.mktemp("spark")) as servers:
        cluster = SparkCluster(servers, home)
        cluster.start_master()
        cluster.start_workers()
        yield cluster


@pytest.fixture
def crossed(dataset: Dataset) -> Path:
    """Every person with every garment: long enough to kill somebody in the middle of it."""
    names = [f"{number:05d}_00.jpg" for number in range(6)]
    dataset.pairs(*(f"{person} {garment}" for person in names for garment in names))
    return dataset.root


def words(source: Path, output: str, *more: object) -> list[object]:
    return ["--input", source, "--output", output, "--shard-size", 1, "--skip", WEIGHTLESS, *more]


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """A build as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.build_vitonhd", *map(str, arguments)],
        cwd=folder,
        env=commands.environment(folder) | {"PYTHONPATH": package_environment()["PYTHONPATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_shards(output: Path, build: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while len(list(output.glob("*-of-*"))) < 3:
        assert build.poll() is None and time.monotonic() < deadline, build.communicate()
        time.sleep(0.02)


def stray(output: Path) -> list[Path]:
    return [path for path in output.rglob("*") if "tmp" in path.name]


def test_the_sample_and_photographs_have_the_bytes_of_the_direct_runner(
    cluster: SparkCluster, process: Callable[..., Result], data: Path, drawn_sample: Path, tmp_path: Path
) -> None:
    """Paths on the command line are relative; workers run elsewhere."""
    (tmp_path / "photos").symlink_to(data / "vitonhd_mini")
    of_cluster = ("--runner", "PySparkRunner", "--spark_master", cluster.master)
    env = {"XDG_CACHE_HOME": str(drawn_sample / "cache"), "PYTHONPATH": package_environment()["PYTHONPATH"]}
    for name, source in {"sample": (), "photos": ("--input", "photos", "--skip", WEIGHTLESS)}.items():
        for engine, told in {"direct": (), "spark": of_cluster}.items():
            output = f"{name}-{engine}"
            result = process("pipelines.build_vitonhd", *source, "--output", output, "--shard-size", 5, *told, env=env)
            assert result.code == 0, result.stderr
            assert "WARN" not in result.stderr and "Warning" not in result.stderr, "Spark is quiet"
        assert digests(tmp_path / f"{name}-spark") == digests(tmp_path / f"{name}-direct")
        assert not stray(tmp_path / f"{name}-spark")


def test_a_build_outlives_an_executor_and_goes_on_after_the_loss_of_all(
    cluster: SparkCluster, process: Callable[..., Result], crossed: Path, tmp_path: Path
) -> None:
    env = {"PYTHONPATH": package_environment()["PYTHONPATH"]}
    assert process("pipelines.build_vitonhd", *words(crossed, "direct"), env=env).code == 0
    of_cluster = ("--runner", "PySparkRunner", "--spark_master", cluster.master, "--spark_patience", 25)

    build = start(tmp_path, *words(crossed, "one-lost", *of_cluster))
    wait_for_shards(tmp_path / "one-lost", build)
    os.kill(cluster.executors()[0], signal.SIGKILL)
    _, stderr = build.communicate(timeout=600)
    assert build.returncode == 0, stderr
    assert digests(tmp_path / "one-lost") == digests(tmp_path / "direct") and not stray(tmp_path / "one-lost")

    build = start(tmp_path, *words(crossed, "all-lost", *of_cluster))
    wait_for_shards(tmp_path / "all-lost", build)
    cluster.kill_workers()
    _, stderr = build.communicate(timeout=300)
    assert build.returncode == 1
    assert "PySparkRunner stopped: no executor for 25 s" in stderr.strip().splitlines()[-1]

    cluster.start_workers()
    result = process("pipelines.build_vitonhd", *words(crossed, "all-lost", *of_cluster), env=env)
    assert result.code == 0 and result.json["skipped_shards"] >= 3, result.stderr
    assert digests(tmp_path / "all-lost") == digests(tmp_path / "direct") and not stray(tmp_path / "all-lost")


def test_spark_submit_runs_a_command(cluster: SparkCluster, crossed: Path, tmp_path: Path) -> None:
    """The script of two lines that the documentation shows; the session is spark-submit's."""
    script = tmp_path / "vton.py"
    script.write_text("from schemas.cli.console import console\nconsole()\n")
    submit = (cluster.home / "bin/spark-submit", "--master", cluster.master, script, "build_vitonhd")
    done = subprocess.run(
        [*map(str, (*submit, *words(crossed, "out", "--limit", 4, "--runner", "PySparkRunner")))],
        cwd=tmp_path,
        env=package_environment() | {"PYSPARK_PYTHON": sys.executable, "SPARK_HOME": str(cluster.home)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*-of-00004.parquet"))) == 4
