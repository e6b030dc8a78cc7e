"""Which tracker a build uses: settled while planning, built once per process."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from annotators.common import weights
from annotators.functional.boxes import Box
from annotators.tracking import FindsInBox, Tracker

TRACKERS = ("classical", "sam2")
AUTO = "auto"
WEIGHTS = "sam2_hiera_tiny"  # the table's entry that `sam2` means


@dataclass(frozen=True)
class Chosen:
    """A tracker by name, the digest of its weights ("" without any), and where they lie on this machine."""

    name: str
    digest: str = ""
    weights_dir: str = ""

    def build(self, device: str) -> Tracker:
        """Raises ValueError where the weights are damaged, or aren't those that the build was planned with."""
        if self.name == "classical":
            from annotators.tracking.classical import ClassicalTracker

            return ClassicalTracker()
        from annotators.tracking.sam2 import Sam2Tracker

        folder = weights.locate(WEIGHTS, self.weights_dir)
        if weights.digest(folder) != self.digest:
            raise ValueError(f"the weights of {self.name} on this machine aren't those that the build was planned with")
        return Sam2Tracker(folder, device)


def choose(name: str, weights_dir: str) -> Chosen:
    """`auto` takes SAM 2 where its weights are there. Raises ValueError for another name, and for missing weights."""
    if name not in (AUTO, *TRACKERS):
        raise ValueError(f"tracker {name!r}; allowed are {', '.join((AUTO, *TRACKERS))}")
    if name == "classical" or (name == AUTO and not weights.available(WEIGHTS, weights_dir)):
        return Chosen("classical")
    return Chosen("sam2", weights.digest(weights.locate(WEIGHTS, weights_dir)), weights_dir)


@lru_cache(maxsize=2)
def shared(chosen: Chosen, device: str) -> Tracker:
    """The tracker of this process. Raises ValueError as `build` does."""
    return chosen.build(device)


def in_box(chosen: Chosen, device: str, picture: np.ndarray, box: Box) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of the object that a box frames in one picture uint8 [h w 3]: SAM 2's, else GrabCut's.

    Raises ValueError as `build` does.
    """
    from annotators.tracking import seeding  # OpenCV waits until something is looked for

    tracker = shared(chosen, device)
    return tracker.in_box(picture, box) if isinstance(tracker, FindsInBox) else seeding.in_box(picture, box)
