"""A build on Dask and on Spark against DirectRunner with two workers, on this machine: `python -m benchmarks.engines`.

Servers (a scheduler with two workers, a master with two workers) are started first and outside of what is measured. A
build of two units tells what a session takes to start, on every engine; the last columns leave it out. CPU seconds are
those of the build's processes and of the servers together. Rounds are outermost and their order alternates.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # for the servers of the tests

from support.servers import Servers, free_port, package_environment, running  # noqa: E402
from support.spark_cluster import SparkCluster  # noqa: E402

from benchmarks.build import SMALL, dataset, workspace  # noqa: E402

DIRECT = "DirectRunner"


class Measured(NamedTuple):
    """Seconds on the clock and of CPU."""

    seconds: float
    cpu: float


class Cpu:
    """CPU seconds of processes and all that they start, as far as they live long enough to be seen."""

    def __init__(self) -> None:
        self._used: dict[tuple[int, float], float] = {}

    def look(self, pids: Sequence[int]) -> float:
        """The sum of what has been seen until now."""
        for pid in pids:
            with suppress(psutil.Error):
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    with suppress(psutil.Error):
                        times = process.cpu_times()
                        self._used[process.pid, process.create_time()] = times.user + times.system
        return sum(self._used.values())


def measure(data: Path, output: Path, engine: Sequence[str], servers: Servers, *options: str) -> Measured:
    """A build in a fresh process."""
    shutil.rmtree(output, ignore_errors=True)
    words = (sys.executable, "-m", "pipelines.build_vitonhd", "--input", data, "--output", output, *SMALL)
    cpu, of_servers = Cpu(), [server.pid for server in servers.processes]
    before, began = cpu.look(of_servers), time.perf_counter()
    build = Popen([*map(str, words), *options, *engine], env=package_environment(), stdout=DEVNULL, stderr=DEVNULL)
    while build.poll() is None:
        cpu.look([build.pid, *of_servers])
        time.sleep(0.3)
    if build.returncode != 0:
        raise SystemExit(f"{engine[1]}: exit code {build.returncode}\n{servers.said()}")
    return Measured(time.perf_counter() - began, cpu.look(of_servers) - before)


def start(servers: Servers) -> dict[str, tuple[str, ...]]:
    """Name → flags of each engine, two workers each."""
    two = ("--direct_num_workers", "2")
    engines = {DIRECT: ("--runner", DIRECT, *two), "the same again (control)": ("--runner", DIRECT, *two)}
    if importlib.util.find_spec("distributed"):
        port = free_port()
        servers.python("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        servers.until_open(port)
        for _ in range(2):
            worker = (f"tcp://127.0.0.1:{port}", "--nthreads", 1, "--no-nanny", "--no-dashboard")
            servers.python("distributed.cli.dask_worker", *worker)
        engines["DaskRunner"] = ("--runner", "DaskRunner", "--dask_client_address", f"tcp://127.0.0.1:{port}")
    spark = importlib.util.find_spec("pyspark")
    if spark and spark.origin:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        cluster = SparkCluster(servers, Path(spark.origin).parent)
        cluster.start_master()
        cluster.start_workers(2)
        engines["PySparkRunner"] = ("--runner", "PySparkRunner", "--spark_master", cluster.master)
    return engines


def show(measured: dict[str, list[Measured]], starts: dict[str, Measured]) -> None:
    """The control is DirectRunner too, so it says what a difference must exceed."""
    seconds = {name: statistics.median(one.seconds for one in values) for name, values in measured.items()}
    cpu = {name: statistics.median(one.cpu for one in values) for name, values in measured.items()}
    net = {name: Measured(seconds[name] - starts[name].seconds, cpu[name] - starts[name].cpu) for name in measured}
    print("| engine | s | CPU s | start, s | start, CPU s | without start, s | × | CPU s | × |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in measured:
        cells = (seconds[name], cpu[name], *starts[name], net[name].seconds, net[name].seconds / net[DIRECT].seconds)
        cells = (*cells, net[name].cpu, net[name].cpu / net[DIRECT].cpu)
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args(arguments)
    with workspace() as folder, running(folder / "servers") as servers:
        data = dataset(folder / "data", flags.records)
        engines = start(servers)
        few = ("--limit", "2", "--shard-size", "1")
        starts = {}
        for name, engine in engines.items():
            measure(data, folder / "few", engine, servers, *few)  # servers load what they need once
            starts[name] = measure(data, folder / "few", engine, servers, *few)
        measured: dict[str, list[Measured]] = {name: [] for name in engines}
        for number in range(flags.rounds):
            for name in list(engines) if number % 2 == 0 else list(reversed(engines)):
                measured[name].append(measure(data, folder / "out", engines[name], servers))
        show(measured, starts)


if __name__ == "__main__":
    main(sys.argv[1:])
