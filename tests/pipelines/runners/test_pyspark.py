"""What `--runner PySparkRunner` answers before any work, what it sends to workers, and how it says that it failed."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import build_vitonhd
from pipelines.runners import _shipping, _spark_master, _spark_session, pyspark
from pipelines.runners._spans import SpanJob
from pipelines.runners._totals import Totals
from pipelines.runners.pyspark import Options
from schemas.cli.flags import UsageError

NO_SUCH_FILE = (9).to_bytes(8, "big") + bytes([_spark_master._STREAM_FAILURE])  # a frame of Spark's protocol


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer(listener: socket.socket, words: bytes) -> str:
    """The address of a server that answers every question with these words."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(words)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]", "local[2,3]", "yarn", "k8s://https://host:6443"])
def test_a_master_that_no_socket_tells_of_is_taken(master: str) -> None:
    pyspark.ready(Options(spark_master=master), ())


@pytest.mark.parametrize(
    "master", ["", "local[", "local[two]", "host:7077", "spark://host", "spark://a:1,b", "mesos://a:1"]
)
def test_what_is_no_address_of_a_master_is_wrong_usage(master: str) -> None:
    with pytest.raises(UsageError, match=r"--spark_master .*; allowed are spark://HOST:PORT, local\[N\]"):
        pyspark.ready(Options(spark_master=master), ())


def test_a_master_that_does_not_answer_is_told_at_once(tmp_path: Path, listener: socket.socket) -> None:
    """As one line, before the output folder is made."""
    port = listener.getsockname()[1]
    listener.close()
    started = time.monotonic()
    words = ("--runner", "PySparkRunner", "--spark_master", f"spark://127.0.0.1:{port}")
    with pytest.raises(UsageError, match=rf"127.0.0.1:{port}': no Spark master answers \(Connection refused\)"):
        build_vitonhd.main(["--input", str(tmp_path), "--output", str(tmp_path / "out"), *words])
    assert time.monotonic() - started < 5 and not (tmp_path / "out").exists()


def test_another_server_is_no_master(listener: socket.socket) -> None:
    address = answer(listener, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(UsageError, match="what answers there is no Spark master"):
        pyspark.ready(Options(spark_master=f"spark://{address}"), ())


def test_one_of_several_masters_is_enough(listener: socket.socket) -> None:
    address = answer(listener, NO_SUCH_FILE)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pyspark.ready(Options(spark_master=f"spark://127.0.0.1:{port},{address}"), ())


def test_a_machine_without_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UsageError, match="needs Java 17 or later: none is in JAVA_HOME or on PATH"):
        pyspark.ready(Options(), ())


def test_an_environment_without_pyspark_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--runner PySparkRunner needs the package pyspark.*vton-pipelines\[spark\]"):
        pyspark.ready(Options(), ())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (
            {"spark_conf": ("a=b", "spark.executor.memory")},
            "--spark_conf 'spark.executor.memory'; allowed is NAME=VALUE",
        ),
        ({"spark_conf": ("spark.task.resource.gpu.amount=0.25",)}, "allowed is 1: each task loads its own models"),
        ({"spark_patience": 0}, "--spark_patience 0; allowed is 1 or more"),
    ],
)
def test_a_wrong_option_names_what_is_allowed(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Options(**values)


def test_another_master_than_the_active_session_s_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spark_session, "active", lambda: SimpleNamespace(master="yarn"))
    pyspark.ready(Options(), ())
    pyspark.ready(Options(spark_master="yarn"), ())
    with pytest.raises(UsageError, match="--spark_conf 'spark.cores.max=2': a session is active"):
        pyspark.ready(Options(spark_conf=("spark.cores.max=2",)), ())
    with pytest.raises(UsageError, match=r"--spark_master 'local\[2\]': the active session is yarn's"):
        pyspark.ready(Options(spark_master="local[2]"), ())


def test_the_package_travels_as_a_zip_that_runs_units(tmp_path: Path) -> None:
    """Elsewhere, without the checkout; equal files give equal bytes; a process that runs from a zip sends that."""
    (tmp_path / "again").mkdir()
    shipped = _shipping.package(tmp_path)
    assert shipped.read_bytes() == _shipping.package(tmp_path / "again").read_bytes()
    with zipfile.ZipFile(shipped) as archive:
        names = archive.namelist()
    assert not any("__pycache__" in name for name in names)
    assert {name.split("/")[0] for name in names} == set(_shipping.PACKAGES)
    code = (
        "import annotators, pathlib; from pipelines.building import unit; from pipelines.runners import _shipping;"
        "annotators.config('parsing'); print(unit.__file__, _shipping.package(pathlib.Path('nowhere')))"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONPATH": str(shipped)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert done.stdout.split() == [f"{shipped}/pipelines/building/unit.py", str(shipped)], done.stderr


class FakeContext:
    """A SparkContext whose executors appear and disappear as a test says."""

    master = "spark://somewhere:7077"

    def __init__(self, running: list[int]) -> None:
        self.running = running  # tasks that each executor runs
        self.cancelled = 0
        self._jsc = SimpleNamespace(sc=lambda: SimpleNamespace(statusTracker=lambda: self))

    def getExecutorInfos(self) -> list[Any]:
        return [SimpleNamespace(numRunningTasks=lambda count=count: count) for count in (0, *self.running)]

    def setJobGroup(self, group: str, description: str) -> None:
        self.group: str | None = group

    def setLocalProperty(self, name: str, value: str | None) -> None:
        assert name == "spark.jobGroup.id"
        self.group = value

    def cancelJobGroup(self, group: str) -> None:
        assert group == self.group, "jobs of others in the session go on"
        self.cancelled += 1


def wait_for(condition: Any) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def test_jobs_without_executors_are_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spark_session, "_POLL", 0.01)
    context = FakeContext([1])
    with _spark_session.Watch(context, 0.2) as watch:
        time.sleep(0.4)
        assert not watch.gave_up and not context.cancelled, "somebody works"
        context.running.clear()
        assert wait_for(lambda: watch.gave_up) and wait_for(lambda: context.cancelled == 1)
    assert context.group is None


def test_what_is_left_of_finished_units_ends_before_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow attempt of a unit that another has built must not write while the build is finished."""
    context = FakeContext([0, 1])
    threading.Timer(0.3, context.running.clear).start()
    started = time.monotonic()
    _spark_session.settle(context)
    assert time.monotonic() - started >= 0.25
    monkeypatch.setattr(_spark_session, "_SETTLING", 0.1)
    _spark_session.settle(FakeContext([1]))


def test_a_task_takes_the_gpu_that_spark_granted_it(monkeypatch: pytest.MonkeyPatch) -> None:
    granted: list[Any] = []
    resources: dict[str, Any] = {"gpu": SimpleNamespace(addresses=["1"])}
    context = SimpleNamespace(get=lambda: SimpleNamespace(resources=lambda: resources))
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(TaskContext=context))
    monkeypatch.setattr("pipelines.runners._granted.grant", granted.append)
    task = pyspark.Task(SpanJob(lambda number: Totals(units=1, records=number)))
    assert task((3, 4)) == Totals(units=2, records=7) and granted == [["1"]]
    resources.clear()
    task((5,))
    assert granted[1:] == [()]


PYTHON_FAILED = """Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure:
Lost task 0.3 in stage 0.0 (TID 3) (10.0.0.7 executor 1): org.apache.spark.api.python.PythonException:
Traceback (most recent call last):
  File "worker.py", line 2, in main
FileNotFoundError: [Errno 2] No such file or directory: '/out/_plan.parquet'

	at org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:1)

Driver stacktrace:"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (PYTHON_FAILED, "FileNotFoundError: [Errno 2] No such file or directory: '/out/_plan.parquet'"),
        ("Job 0 cancelled because SparkContext was shut down", "Job 0 cancelled because SparkContext was shut down"),
        ("", "Py4JJavaError"),
    ],
)
def test_a_failed_job_is_told_by_the_line_that_says_why(message: str, told: str) -> None:
    error = type("Py4JJavaError", (Exception,), {})()
    error.java_exception = SimpleNamespace(getMessage=lambda: message)
    assert pyspark._reason(error) == told


def test_java_is_looked_for_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/java"
    program.parent.mkdir()
    shutil.copy("/bin/true", program)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert _spark_session.java() == str(program)
