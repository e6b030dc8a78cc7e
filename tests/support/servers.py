"""Servers that a test starts on loopback and that never outlive it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds: a busy machine starts a JVM slowly


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Servers:
    """Processes, each in a session of its own, whose output goes to files in `folder`."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts `words`; their variables are this process's, with the checkout on the path, and `env`."""
        with self._log(len(self.processes)).open("wb") as log:
            process = subprocess.Popen(
                list(map(str, words)),
                stdout=log,
                stderr=log,
                env=package_environment() | dict(env or {}),
                cwd=cwd or self.folder,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def python(
        self, module: str, *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """`python -m MODULE`."""
        return self.start(sys.executable, "-m", module, *words, env=env, cwd=cwd)

    def until(self, ready: Callable[[], bool], what: str) -> None:
        """Waits until it is `ready`; else fails with what the servers said."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < deadline, f"{what} took {PATIENCE:.0f} s; {self.said()}"
            time.sleep(0.05)

    def until_open(self, port: int) -> None:
        self.until(lambda: _is_open(port), f"a server on port {port}")

    def said(self) -> str:
        logs = (self._log(number) for number in range(len(self.processes)))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-2000:]}" for log in logs)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, to everything that it started in its session too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ends all, the last first: with SIGTERM, and soon with SIGKILL."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        for process in reversed(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            self.kill(process)

    def _log(self, number: int) -> Path:
        return self.folder / f"server{number}.log"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Servers that are stopped at the end, also when the test fails."""
    folder.mkdir(parents=True, exist_ok=True)
    servers = Servers(folder)
    try:
        yield servers
    finally:
        servers.stop()


def package_environment() -> dict[str, str]:
    """This process's variables, with the checkout's packages on the path of Python."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return dict(os.environ) | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
