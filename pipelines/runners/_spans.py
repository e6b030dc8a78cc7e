"""Unit numbers as tasks of an engine whose scheduler feels each task: a number each, or a few in a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.runners._totals import Totals

MOST_TASKS = 20_000  # a task costs Dask 1.9 ms and 12 KiB, and Spark about as much

Span = tuple[int, ...]


def spans(numbers: Sequence[int], size: int = 0) -> list[Span]:
    """The numbers in order, `size` of them a task; unless told, one each, or as many as `MOST_TASKS` leave to each."""
    size = size or -(-len(numbers) // MOST_TASKS) or 1
    return [tuple(numbers[first : first + size]) for first in range(0, len(numbers), size)]


@dataclass(frozen=True)
class SpanJob:
    """Does a span's numbers one by one, where the task runs."""

    job: Callable[[int], Totals]

    def __call__(self, span: Span) -> Totals:
        return sum(map(self.job, span), Totals())
