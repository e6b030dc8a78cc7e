"""How far a build is: a line on stderr while the engine runs, seconds per annotator at the end."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_lock = threading.Lock()
_counted = 0  # records that units of this process have passed


def count(records: int) -> None:
    global _counted
    with _lock:
        _counted += records


class Bar:
    """Redraws one line on a terminal; elsewhere a line now and then. `finished` tells the records of finished units.

    Worker processes count for themselves, so finished units speak for them.
    """

    def __init__(self, total: int, finished: Callable[[], int], interval: float | None = None) -> None:
        self.total, self.finished = total, finished
        self.terminal = sys.stderr.isatty()
        self.interval = interval or (0.5 if self.terminal else 10.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Self:
        self._start, self._first = time.perf_counter(), _counted
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self.terminal:
            print(file=sys.stderr)

    def _loop(self) -> None:
        while not self._stop.wait(self.interval):
            self._draw()
        if self.terminal:
            self._draw()

    def _draw(self) -> None:
        done = min(self.total, max(_counted - self._first, self.finished()))
        text = line(done, self.total, time.perf_counter() - self._start)
        print(
            f"\r{text}\033[K" if self.terminal else text, end="" if self.terminal else "\n", file=sys.stderr, flush=True
        )


class Finished:
    """Records of units whose receipts have appeared: one listing per call."""

    def __init__(self, output: str, rows: dict[str, int]) -> None:
        self.output, self.rows = output, rows

    def __call__(self) -> int:
        from pipelines.building import receipts
        from schemas.folders import open_folder

        return sum(self.rows.get(name.stem, 0) for name in receipts.names(open_folder(self.output)))


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
