"""Work of several threads: in order, drawn by the one that asks, and no more than is allowed ahead."""

import threading

import pytest

from schemas.threads import mapped


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    assert list(mapped(lambda number: number * 10, range(30), threads)) == [(n, n * 10) for n in range(30)]
    assert list(mapped(lambda number: number, [], threads)) == []


def test_what_drawing_raises_comes_in_its_place() -> None:
    def read(number: int) -> int:
        if number == 6:
            raise OSError("the disk is gone")
        return number

    seen: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        for _, item in mapped(lambda number: number * 10, map(read, range(100)), threads=2, ahead=8):
            seen.append(item)
    assert seen == [0, 10, 20, 30, 40, 50]


def test_no_more_is_drawn_than_is_ahead_and_all_by_the_thread_that_asks() -> None:
    drawn: list[int] = []
    makers = set[int]()

    def draw(number: int) -> int:
        drawn.append(threading.get_ident())
        return number

    items = mapped(lambda number: makers.add(threading.get_ident()), map(draw, range(1000)), threads=2, ahead=8)
    next(items)
    assert len(drawn) == 8 and set(drawn) == {threading.get_ident()}
    items.close()  # type: ignore[attr-defined]
    assert len(drawn) == 8 and threading.get_ident() not in makers
