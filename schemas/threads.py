"""Work of several threads in the order of its parts, within bounds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    room: Callable[[Result], int] | None = None,
    ahead: int = 0,
) -> Iterator[tuple[Item, Result]]:
    """Each item with what `work` makes of it, in order; without threads, each when it is asked for.

    Items are drawn in the thread that asks, `ahead` of them at most (0: as many as there are threads) before their
    results are asked for. `room` says by the last result how many of these the next may be; one at least. What drawing
    or work raises is raised in its item's place, and nothing is drawn behind what couldn't be.
    """
    if not threads:
        yield from ((item, work(item)) for item in items)
        return
    limit = most = ahead or threads
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    submitted = _submitted(pool, work, items)
    try:
        while True:
            waiting.extend(islice(submitted, max(most - len(waiting), 0)))
            if not waiting:
                return
            item, future = waiting.popleft()
            result = future.result()
            del future
            if room is not None:
                most = min(limit, max(room(result), 1))
            yield item, result
            del item, result
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Future[Result]]]:
    pending = iter(items)
    while True:
        try:
            item = next(pending)
        except StopIteration:
            return
        except Exception as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            yield cast(Item, None), failed  # nobody sees the item: asking for the result raises
            return
        yield item, pool.submit(work, item)
