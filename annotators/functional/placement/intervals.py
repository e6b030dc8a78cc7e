"""Which frames of a clip make pairs: far enough apart, the reference always the earlier one (AnyDoor's loaders)."""

from collections.abc import Iterator

from annotators.functional.placement.draws import Draws

MISSES = 100  # draws without a new pair, after which the rest is taken in order


def smallest(frames: int, parts: int) -> int:
    """The smallest distance between two frames of a pair: a `parts`-th of the clip, at least one frame."""
    return max(1, frames // parts)


def pairs(frames: int, parts: int, draws: Draws) -> Iterator[tuple[int, int]]:
    """All pairs (reference, target) of a clip, each once, in the order of chance: as upstream draws them.

    The start is uniform over what leaves room for the smallest distance, the end over what lies behind it. Upstream
    also pairs a frame with itself in clips of fewer than `parts` frames; here the target is always later.
    """
    least = smallest(frames, parts)
    total = (frames - least) * (frames - least + 1) // 2 if frames > least else 0
    seen: set[tuple[int, int]] = set()
    misses = 0
    while len(seen) < total and misses < MISSES:
        start = draws.integers(0, frames - least)
        pair = start, start + draws.integers(least, frames - start)
        misses = misses + 1 if pair in seen else 0
        if not misses:
            seen.add(pair)
            yield pair
    if len(seen) < total:
        every = ((start, end) for start in range(frames - least) for end in range(start + least, frames))
        yield from (pair for pair in every if pair not in seen)
