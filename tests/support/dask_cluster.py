"""A Dask scheduler with workers as processes of their own, on loopback."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support import servers
from support.servers import Servers


@dataclass
class Cluster:
    """Where it is, and its processes."""

    servers: Servers
    port: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--runner", "DaskRunner", "--dask_client_address", self.address)

    def add_worker(self, env: Mapping[str, str] | None = None) -> None:
        words = ("--nthreads", 1, "--no-nanny", "--no-dashboard")
        self.workers.append(self.servers.python("distributed.cli.dask_worker", self.address, *words, env=env))


@contextmanager
def cluster(folder: Path, workers: int, env: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Started with `env`; gone at the end."""
    with servers.running(folder) as started:
        at = Cluster(started, servers.free_port())
        scheduler = ("--host", "127.0.0.1", "--port", at.port, "--no-dashboard")
        started.python("distributed.cli.dask_scheduler", *scheduler, env=env)
        for _ in range(workers):
            at.add_worker(env)  # it keeps trying until the scheduler is there
        started.until_open(at.port)
        yield at
