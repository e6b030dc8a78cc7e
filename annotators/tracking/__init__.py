"""Carries the masks of objects from one frame of a clip to the next.

Not an annotator: it sees clips and not records. Sources of clips call a tracker; one is built per process.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from annotators.functional.boxes import Box


@dataclass(frozen=True, eq=False)
class Step:
    """An object in the next frame: mask uint8 [h w] 0/255, and how well it is held, 0 (lost) to 1."""

    mask: np.ndarray
    score: float


class Tracker(Protocol):
    """Follows several objects at once through pictures in the order that they come in, forwards or backwards."""

    @property
    def NAME(self) -> str: ...

    def follow(self, pictures: Iterable[np.ndarray], seeds: Sequence[np.ndarray]) -> Iterator[list[Step | None]]:
        """For each picture after the first, which the seeds are masks of: every object's Step, None where it is lost.

        Pictures are uint8 [h w 3] RGB of one size, seeds [h w], non-zero = set. Ends early when all are lost. An object
        may come back after pictures in which it isn't seen, if the tracker knows it again.
        """
        ...


@runtime_checkable
class FindsInBox(Protocol):
    """A tracker that can tell an object by its box alone."""

    def in_box(self, picture: np.ndarray, box: Box) -> np.ndarray:
        """Mask uint8 [h w] 0/255 of the object that a box (x0, y0, x1, y1) of uint8 [h w 3] RGB frames."""
        ...
