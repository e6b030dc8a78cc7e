"""Beam's local job service: pipeline, options and functions really cross the portability protocol."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import servers
from support.helpers import WEIGHTLESS, Dataset, Result, digests

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The flags of a build whose workers the service asks of the process that submits it."""
    port = servers.free_port()
    with servers.running(tmp_path_factory.mktemp("jobs")) as started:
        started.python("apache_beam.runners.portability.local_job_service_main", "--port", port)
        started.until_open(port)
        yield ("--runner", "PortableRunner", "--job_endpoint", f"localhost:{port}", "--environment_type", "LOOPBACK")


def test_the_bytes_are_those_of_the_direct_runner(
    command: Command, job_service: tuple[str, ...], data: Path, drawn_sample: Path, tmp_path: Path
) -> None:
    """Of the embedded sample, and of the real dataset in miniature."""
    cache = {"XDG_CACHE_HOME": str(drawn_sample / "cache")}
    real = ("--input", data / "vitonhd_mini", "--shard-size", 4, "--skip", WEIGHTLESS)
    for name, words in (("sample", ("--shard-size", "3")), ("real", real)):
        local = command("pipelines.build_vitonhd", "--output", f"{name}-local", *words, env=cache)
        there = command("pipelines.build_vitonhd", "--output", f"{name}-there", *words, *job_service, env=cache)
        assert (local.code, there.code) == (0, 0), there.stderr
        assert digests(tmp_path / f"{name}-there") == digests(tmp_path / f"{name}-local")


def test_a_failed_unit_tells_why(
    command: Command, job_service: tuple[str, ...], dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "out/test-00001-of-00003.parquet").mkdir(parents=True)
    words = ("--input", dataset.root, "--output", "out", "--shard-size", 2, *job_service)
    result = command("pipelines.build_vitonhd", *words)
    assert result.code == 1 and "unit test-00001-of-00003: Is a directory" in result.error, result.stderr


def test_a_job_that_breaks_is_told_in_one_line(command: Command, dataset: Dataset) -> None:
    """A Prism that is none: it starts and ends."""
    words = ("--runner", "PrismRunner", "--prism_location", sys.executable)
    result = command("pipelines.build_vitonhd", "--input", dataset.root, "--output", "out", *words)
    assert result.code == 1 and "PrismRunner stopped: " in result.error
    assert "Traceback" not in result.stderr
