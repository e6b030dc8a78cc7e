"""How many decoded records are in memory: a number of them, fewer where their pictures are large."""

from collections.abc import Iterator

import numpy as np

from pipelines.building.unit import chunks
from pipelines.sources.outcomes import Planned, Reading

ENTRY = Planned("clip", "train", {}, {}, "line")


def readings(*sizes: int) -> Iterator[Reading]:
    """Records with a picture of so many pixels, and a mask, which doesn't count."""
    for size in sizes:
        yield Reading(ENTRY, {"person_image": np.zeros((1, size, 3), np.uint8), "mask": np.zeros((9, size), bool)})


def cut(*sizes: int) -> list[int]:
    return [len(chunk) for chunk in chunks(readings(*sizes), most=4, pixels=100)]


def test_small_pictures_come_by_number() -> None:
    assert cut(*[10] * 10) == [4, 4, 2]


def test_large_pictures_come_by_pixels_and_singly_if_need_be() -> None:
    assert cut(*[30] * 7) == [3, 3, 1]
    assert cut(400, 400, 10, 10) == [1, 1, 2]


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    taken: list[int] = []

    def counted() -> Iterator[Reading]:
        for number, reading in enumerate(readings(60, 60, 60)):
            taken.append(number)
            yield reading

    assert len(next(chunks(counted(), 4, 100))) == 1 and taken == [0]
