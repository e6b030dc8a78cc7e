"""An engine of its own: units as tasks of a pool of forked processes, `--runner PoolRunner`."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError

NAMES = ("PoolRunner",)
REMOTE = False
FLAG = "--pool_workers="


def check(options: Sequence[str]) -> None:
    unknown = [word for word in options if not word.startswith(FLAG)]
    if unknown:
        raise UsageError(f"unknown flag {unknown[0]!r}; allowed is {FLAG}N")


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Sequence[str]) -> Totals:
    workers = int(next((word.removeprefix(FLAG) for word in options), "2"))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        return sum(pool.map(job, numbers), Totals())
