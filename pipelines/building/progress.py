"""How far a build is: a line on stderr while the engine runs, seconds per annotator at the end."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from schemas.cli.failures import Unreachable

_HERE = "127.0.0.1"
_REST = 100  # times as long as a listing took, until the next
_PATIENCE = 0.2  # seconds after which a listening thread looks whether the build is over
_DRAWN_BY = "VTON_PROGRESS"  # "PID PORT" of the process that draws, for worker processes on the same machine
_lock = threading.Lock()
_counted = 0  # records that units of this process have passed, and of its worker processes


def count(records: int) -> None:
    """Of a unit at work: in the process that draws, or sent to it by a worker process."""
    pid, _, port = os.environ.get(_DRAWN_BY, "").partition(" ")
    if port and pid != str(os.getpid()):
        with suppress(OSError, ValueError, OverflowError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(str(records).encode(), (_HERE, int(port)))
        return
    global _counted
    with _lock:
        _counted += records


class Bar:
    """Redraws one line on a terminal; elsewhere a line now and then. `finished` tells the records of finished units.

    Worker processes of this machine tell what they count. Finished units speak for those of other machines.
    """

    def __init__(self, total: int, finished: Callable[[], int], interval: float | None = None) -> None:
        self.total, self.finished = total, finished
        self.terminal = sys.stderr.isatty()
        self.interval = interval or (0.5 if self.terminal else 10.0)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._loop, self._listen)]

    def __enter__(self) -> Self:
        self._start, self._first = time.perf_counter(), _counted
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):  # a machine without loopback: then finished units speak for all processes
            self._receiver.bind((_HERE, 0))
            os.environ[_DRAWN_BY] = f"{os.getpid()} {self._receiver.getsockname()[1]}"
        self._receiver.settimeout(_PATIENCE)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.environ.pop(_DRAWN_BY, None)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._receiver.close()
        if self.terminal:
            print(file=sys.stderr)

    def _loop(self) -> None:
        while not self._stop.wait(self.interval):
            self._draw()
        if self.terminal:
            self._draw()

    def _listen(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError, ValueError):
                count(int(self._receiver.recv(32)))

    def _draw(self) -> None:
        done = min(self.total, max(_counted - self._first, self.finished()))
        text = line(done, self.total, time.perf_counter() - self._start)
        print(
            f"\r{text}\033[K" if self.terminal else text, end="" if self.terminal else "\n", file=sys.stderr, flush=True
        )


class Finished:
    """Records of units whose receipts have appeared: a listing where the last one is old enough.

    One takes milliseconds on a disk, but pages of requests on a store; together they take a hundredth of the time.
    """

    def __init__(self, output: str, rows: dict[str, int]) -> None:
        self.output, self.rows = output, rows
        self._known, self._again = 0, 0.0

    def __call__(self) -> int:
        from pipelines.building import receipts
        from schemas.folders import open_folder

        started = time.monotonic()
        if started >= self._again:
            with suppress(OSError, Unreachable):  # whoever builds will tell
                self._known = sum(self.rows.get(name.stem, 0) for name in receipts.names(open_folder(self.output)))
            ended = time.monotonic()
            self._again = ended + _REST * (ended - started)
        return self._known


def line(done: int, total: int, seconds: float) -> str:
    """ "  120/400 records  30% [######              ]  12.3 records/s  ETA 0:23"."""
    share = done / total if total else 1.0
    rate = done / seconds if seconds > 0 else 0.0
    left = clock((total - done) / rate) if rate else "-"
    bar = "#" * int(20 * share)
    return f"{done:>7}/{total} records {share:>4.0%} [{bar:<20}] {rate:7.1f} records/s  ETA {left}"


def clock(seconds: float) -> str:
    whole = int(seconds + 0.5)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )
