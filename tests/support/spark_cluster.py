"""A standalone Spark cluster of the pyspark package on loopback, whose workers know nothing of the checkout."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.servers import Servers, free_port


def need_spark() -> Path:
    """Spark's home; skips the test where pyspark or Java is missing."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        pytest.skip("pyspark is missing: pip install 'vton-pipelines[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java")
    return Path(spec.origin).parent


@dataclass
class SparkCluster:
    """A master and its workers, a core each."""

    servers: Servers
    home: Path
    port: int = field(default_factory=free_port)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def start_master(self) -> None:
        self._start("master.Master", "--port", self.port)
        self.servers.until_open(self.port)

    def start_workers(self, count: int = 2) -> None:
        for _ in range(count):
            folder = self.servers.folder / f"worker{len(self.servers.processes)}"
            place = ("--cores", 1, "--memory", "1g", "--work-dir", folder)
            self.workers.append(self._start("worker.Worker", *place, self.master))
        said = self.servers.said
        self.servers.until(
            lambda: said().count("Successfully registered with master") >= len(self.workers), "registering workers"
        )

    def executors(self) -> list[int]:
        """Process ids of what runs the tasks of builds."""
        living = [worker for worker in self.workers if worker.poll() is None]
        children = [child for worker in living for child in psutil.Process(worker.pid).children(recursive=True)]
        return [child.pid for child in children if _runs_tasks(child)]

    def kill_workers(self) -> None:
        for worker in self.workers:
            self.servers.kill(worker)
        self.workers.clear()

    def _start(self, name: str, *words: object) -> subprocess.Popen[bytes]:
        """With three variables of its own and none of this process."""
        own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SPARK_HOME": self.home}
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
        clean = ("env", "-i", *(f"{key}={value}" for key, value in {**own, **java}.items()))
        server = (f"{self.home}/bin/spark-class", f"org.apache.spark.deploy.{name}")
        return self.servers.start(*clean, *server, "--host", "127.0.0.1", "--webui-port", 0, *words)


def _runs_tasks(process: psutil.Process) -> bool:
    try:
        return "CoarseGrainedExecutorBackend" in " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return False
