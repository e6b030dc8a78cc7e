"""Items that a thread makes before they are asked for, and lists that are let go while they are used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")


def made_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same, each made by a thread while the one before it is in use."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        future = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield cast(Item, item)
            del item


def emptied(items: list[Item]) -> Iterator[Item]:
    """Each in turn, leaving the list, so that none lies in memory longer than it is used."""
    items.reverse()
    while items:
        yield items.pop()
