"""A Spark session for one build: the active one, spark-submit's, or one of our own.

It is watched, since Spark waits for ever for executors.
Importing this imports no Spark.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

SETTINGS = {
    "spark.app.name": "vton-pipelines",
    "spark.speculation": "true",
    "spark.ui.showConsoleProgress": "false",
}
_GROUP = "vton-pipelines"  # Spark's name for the jobs of a build
_POLL = 0.5  # seconds between two looks at a cluster
_SETTLING = 20.0  # seconds that attempts of units which others have finished are given to end


def active() -> Any:
    """The context of the session that this process has already; None without."""
    pyspark = sys.modules.get("pyspark")
    return pyspark.SparkContext._active_spark_context if pyspark else None


def submitted() -> bool:
    """Whether spark-submit, or a notebook of a cluster, started this process: it says how to reach the cluster."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def java() -> str | None:
    """Where Java is."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


@contextlib.contextmanager
def context(master: str, settings: Mapping[str, str]) -> Iterator[Any]:
    """The active SparkContext, which stays; else a new one, which is stopped at the end. `master` "": as configured."""
    present = active()
    if present is not None:
        yield present
        return
    with tempfile.TemporaryFile() as log:
        started = _start(master, settings, log)
        try:
            yield started
        finally:
            started.stop()


def _start(master: str, settings: Mapping[str, str], log: BinaryIO) -> Any:
    """Java's words go to `log`: its last is the reason of a failure."""
    warnings.filterwarnings("ignore", "PySpark does not yet fully support", FutureWarning)  # pandas, unused here
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf()
    for name, value in (SETTINGS | dict(settings)).items():
        conf.set(name, value)
    if master or not (submitted() or conf.contains("spark.master")):
        conf.setMaster(master or "local[*]")
    if conf.get("spark.master", "").startswith("local"):
        conf.setIfMissing("spark.ui.enabled", "false")
    os.environ.setdefault("PYSPARK_PYTHON", conf.get("spark.pyspark.python") or sys.executable)
    try:
        if SparkContext._gateway is None and not submitted():
            SparkContext._ensure_initialized(gateway=launch_gateway(conf, {"stdout": log, "stderr": log}))
        started = SparkContext(conf=conf)
    except PySparkException as error:
        raise RuntimeError(f"Spark does not start: {_last_line(log) or error}") from error
    started.setLogLevel("OFF")
    return started


def _last_line(log: BinaryIO) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith("at ")), "")


class Watch:
    """Cancels the jobs of this thread once its context has had no executor for `patience` seconds; says `gave_up`."""

    def __init__(self, context: Any, patience: float) -> None:
        self.gave_up = False
        self._context, self._patience = context, patience
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._context.setJobGroup(_GROUP, SETTINGS["spark.app.name"])
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(Exception):  # of a context that broke
            self._context.setLocalProperty("spark.jobGroup.id", None)  # later jobs of the session aren't ours

    def _look(self) -> None:
        seen = time.monotonic()
        with contextlib.suppress(Exception):  # of a context that broke: who waits for the job is told
            while not self._stop.wait(_POLL):
                if executors(self._context):
                    seen = time.monotonic()
                elif time.monotonic() - seen > self._patience:
                    self.gave_up = True
                    self._context.cancelJobGroup(_GROUP)
                    return


def executors(context: Any) -> int:
    """How many processes of the cluster work for a context: this one where it works by itself."""
    if context.master.startswith("local"):
        return 1
    return len(context._jsc.sc().statusTracker().getExecutorInfos()) - 1  # the driver is listed with them


def settle(context: Any) -> None:
    """Waits until no attempt of a unit runs any more: a slow one whose unit another has built is being killed."""
    deadline = time.monotonic() + _SETTLING
    while time.monotonic() < deadline:
        infos = context._jsc.sc().statusTracker().getExecutorInfos()
        if not any(info.numRunningTasks() for info in infos):
            return
        time.sleep(_POLL / 5)


def kept(context: Any) -> Path:
    """A folder that lives as long as the context, for files that late executors ask for."""
    return Path(context._temp_dir)
