"""How a process reads: by workers of a loader, by threads of its own, or neither; measured where nobody says."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vton_models.reading.dataset import ShardDataset
from vton_models.reading.making import Making, Stored

HELPERS = 2  # workers or threads, unless told otherwise
_BATCHES = 2  # that each of the helpers makes in a trial
_REPEATS = 2
_SCALES = 1.5  # how much faster two threads must be than one


@dataclass(frozen=True)
class Helpers:
    """Loader workers and decoding threads; not both, unless somebody asks for both."""

    workers: int = 0
    threads: int = 0


def chosen(dataset: ShardDataset, workers: int | None, threads: int | None) -> Helpers:
    """What is asked for; where nothing is, threads if they speed up this dataset's preparation here, else workers.

    Threads share the interpreter with the training step, and need neither a start nor a copy; a `prepare` that
    computes in Python doesn't let a second one run.
    """
    if workers is not None or threads is not None:
        return Helpers(workers or 0, threads or 0)
    if (os.cpu_count() or 1) < HELPERS:
        return Helpers(workers=HELPERS)
    return Helpers(threads=HELPERS) if scaling(dataset) >= _SCALES else Helpers(workers=HELPERS)


def scaling(dataset: ShardDataset) -> float:
    """How many times as fast as one thread several make the dataset's first batches."""
    making, stored = dataset.trial(HELPERS * _BATCHES)
    with ThreadPoolExecutor(HELPERS) as pool:
        made(making, stored, pool)  # what is loaded once is loaded now
        alone = min(seconds_of(making, stored, None) for _ in range(_REPEATS))
        together = min(seconds_of(making, stored, pool) for _ in range(_REPEATS))
    return alone / together


def seconds_of(making: Making, stored: Sequence[Stored], pool: ThreadPoolExecutor | None) -> float:
    start = time.perf_counter()
    made(making, stored, pool)
    return time.perf_counter() - start


def made(making: Making, stored: Sequence[Stored], pool: ThreadPoolExecutor | None) -> None:
    for _ in pool.map(making.make, stored) if pool else map(making.make, stored):
        pass
