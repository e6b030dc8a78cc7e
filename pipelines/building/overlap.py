"""Work that threads do before its result is asked for, in order and within bounds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


def made_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same, each made by a thread while the one before it is in use."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        future = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield cast(Item, item)
            del item


def mapped(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, room: Callable[[Result], int]
) -> Iterator[tuple[Item, Result]]:
    """Each item with what `work` makes of it, in order; some threads do the next ones.

    `room` says by the last result how many of the next may be made before they are asked for: one at least, and never
    more than there are threads.
    """
    pending, most = iter(items), threads
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        while True:
            for item in islice(pending, max(most - len(waiting), 0)):
                waiting.append((item, pool.submit(work, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            result = future.result()
            del future
            most = min(threads, max(room(result), 1))
            yield item, result
            del result


def emptied(items: list[Item]) -> Iterator[Item]:
    """Each in turn, leaving the list, so that none lies in memory longer than it is used."""
    items.reverse()
    while items:
        yield items.pop()
