"""An engine of its own: units as tasks of a pool of forked processes, `--runner PoolRunner`."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError, flag

NAMES = ("PoolRunner",)
REMOTE = False


@dataclass(frozen=True)
class Options:
    """How many processes work."""

    pool_workers: int = flag(2, help="processes of the pool")


def check(rest: Sequence[str]) -> None:
    if rest:
        raise UsageError(f"unknown flag {rest[0]!r}; allowed is --pool_workers N")


def ready(options: Options, rest: Sequence[str]) -> None:
    if options.pool_workers < 1:
        raise UsageError(f"--pool_workers {options.pool_workers}: nobody works; allowed is 1 or more")


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    with ProcessPoolExecutor(options.pool_workers, multiprocessing.get_context("fork")) as pool:
        return sum(pool.map(job, numbers), Totals())
