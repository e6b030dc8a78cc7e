"""An engine that is wrong, out of reach or incomplete is told in one line, before any work, within seconds."""

import importlib.util
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import servers
from support.helpers import Result

from pipelines.runners import _reaching

Command = Callable[..., Result]
DATAFLOW = ("--project=p", "--region=europe-west4", "--temp_location=gs://bucket/temp", "--sdk_container_image=image")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reaching, "PATIENCE", 1.0)


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def refused(command: Command, tmp_path: Path, *words: str) -> str:
    began = time.monotonic()
    result = command("pipelines.build_vitonhd", *words)
    assert result.code == 2 and not result.stdout and not (tmp_path / "output").exists()
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert time.monotonic() - began < 30, "seconds, also on a busy machine"
    return result.stderr


@pytest.mark.parametrize(
    ("runner", "words", "told"),
    [
        ("DaskRunner", ("--dask_client_address=tcp://127.0.0.1:PORT",), "tcp://127.0.0.1:PORT: Connection refused"),
        ("DaskRunner", ("--dask_client_address=nowhere:",), "--dask_client_address nowhere:"),
        ("DaskRunner", ("--dask_scheduler_file=absent.json",), "absent.json: No such file"),
        ("DaskRunner", ("--dask_workers=-1",), "--dask_workers -1; allowed is 0 or more"),
        ("DaskRunner", ("--dask_npartitions=4",), "allowed is --dask_partition_size N"),
        ("DaskRunner", ("--dask_client_address=a:1", "--dask_scheduler_file=b"), "allowed is one of them"),
        ("DaskRunner", ("--dask_client_adress=a:1",), "did you mean '--dask_client_address'?"),
        ("PortableRunner", (), "needs a running job server: --job_endpoint HOST:PORT"),
        ("PortableRunner", ("--job_endpoint=127.0.0.1:PORT",), "--job_endpoint 127.0.0.1:PORT: Connection refused"),
        ("PortableRunner", ("--environment_type=CLOUD",), "invalid choice: 'CLOUD'"),
        ("PortableRunner", ("--flink_master=a:1",), "--flink_master is an option of --runner FlinkRunner; here is"),
        ("PrismRunner", (), "needs its binary"),
        ("PrismRunner", ("--prism_location=absent",), "--prism_location absent: no such file"),
        ("FlinkRunner", ("--flink_master=127.0.0.1:PORT",), "--flink_master 127.0.0.1:PORT: Connection refused"),
        ("SparkRunner", ("--spark_master_url=spark://127.0.0.1:PORT",), "spark://127.0.0.1:PORT: Connection refused"),
        ("SparkRunner", ("--job_endpoint=127.0.0.1:PORT",), "--job_endpoint 127.0.0.1:PORT: Connection refused"),
        ("DataflowRunner", DATAFLOW[1:], "needs --project"),
        ("DataflowRunner", DATAFLOW[:1], "needs --region, --temp_location, --sdk_container_image"),
        ("DataflowRunner", (*DATAFLOW[:2], "--temp_location=/tmp", DATAFLOW[3]), "allowed is gs://BUCKET/PATH"),
        ("DirectRunner", ("--job_endpoint=a:1",), "--job_endpoint is an option of --runner FlinkRunner|PortableRunner"),
    ],
)
def test_what_is_wrong_is_named(
    command: Command, tmp_path: Path, runner: str, words: tuple[str, ...], told: str
) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("google.cloud.dataflow")
    port = str(servers.free_port())
    line = refused(command, tmp_path, "--runner", runner, *(word.replace(":PORT", f":{port}") for word in words))
    assert told.replace(":PORT", f":{port}") in line or told in line


@pytest.mark.parametrize(
    ("runner", "flag", "told"),
    [
        ("DaskRunner", "--dask_client_address", "is no Dask scheduler"),
        ("PortableRunner", "--job_endpoint", "what listens there is no job server"),
    ],
)
def test_a_server_of_another_kind_is_no_scheduler(
    command: Command, tmp_path: Path, deaf: int, runner: str, flag: str, told: str
) -> None:
    pytest.importorskip("distributed")
    assert told in refused(command, tmp_path, "--runner", runner, flag, f"127.0.0.1:{deaf}")


@pytest.mark.parametrize(
    ("runner", "words", "package", "extra"),
    [("DaskRunner", (), "distributed", "dask"), ("DataflowRunner", DATAFLOW, "google.cloud.dataflow", "gcp")],
)
def test_an_absent_extra_is_named(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runner: str,
    words: tuple[str, ...],
    package: str,
    extra: str,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    line = refused(command, tmp_path, "--runner", runner, *words)
    assert f"--runner {runner} needs" in line and f"`pip install 'vton-pipelines[{extra}]'`" in line


def test_a_job_server_of_java_needs_java(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    line = refused(command, tmp_path, "--runner", "FlinkRunner")
    assert "no `java` is on the PATH" in line and "--job_endpoint HOST:PORT" in line


def test_a_job_server_of_java_needs_its_jar(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    line = refused(command, tmp_path, "--runner", "SparkRunner", "--spark_job_server_jar", "absent.jar")
    assert "--spark_job_server_jar absent.jar: no such file" in line
