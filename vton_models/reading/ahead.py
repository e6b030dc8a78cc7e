"""Work of several threads in the order of its parts, while one thread alone reads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from vton_models.reading.order import LANES

Number = TypeVar("Number")
Rows = TypeVar("Rows")
Item = TypeVar("Item")
PER_THREAD = 4  # parts in work, or done and waiting, for each thread


def mapped(
    read: Callable[[Number], Rows], make: Callable[[Rows], Item], numbers: Iterable[Number], threads: int
) -> Iterator[Item]:
    """`make(read(number))` of each number. `read` runs in the thread that asks, `make` in `threads` others.

    No more parts are ahead than there are lanes, so that a block isn't held when its lane has gone on to the next one.
    What either raises is raised in its part's place; nothing is read behind it.
    """
    if not threads:
        yield from (make(read(number)) for number in numbers)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[Item]] = deque()
    try:
        for number in numbers:
            waiting.append(_submitted(pool, read, make, number))
            if waiting[-1].done() and waiting[-1].exception() is not None:
                break
            if len(waiting) == min(LANES, PER_THREAD * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submitted(
    pool: ThreadPoolExecutor, read: Callable[[Number], Rows], make: Callable[[Rows], Item], number: Number
) -> "Future[Item]":
    try:
        return pool.submit(make, read(number))
    except Exception as error:
        failed: Future[Item] = Future()
        failed.set_exception(error)
        return failed
