"""A result of placement laid into its scene: only its box, the box with a soft edge, or all of the crop."""

from dataclasses import dataclass

import numpy as np

from annotators.functional.placement import collage, stitching
from annotators.functional.placement.collage import Placement
from vton_models.networks import object_pairs
from vton_models.networks.object_pairs import SHAPE
from vton_models.sampling.loop import Sampler, Task
from vton_models.system import Record


@dataclass(frozen=True)
class Stitch:
    """`how` is "box", as AnyDoor's demo does it, "feathered", or "crop", as its `run_inference.py` does."""

    sampler: Sampler
    how: str

    def __call__(self, task: Task, record: Record, result: np.ndarray) -> np.ndarray:
        """The scene at its own size; outside the box it is unchanged, or outside the crop but for its rim."""
        pair = object_pairs.of_record(record)
        placement = Placement(pair.box, self.sampler.prepare(task).visible(record))
        if self.how == "crop":
            return stitching.stitch(result, pair.scene, placement, collage.SCRIPT.margin)
        if self.how == "feathered":
            return stitching.blend(result, pair.scene, placement, record.get(SHAPE))
        return stitching.stitch_box(result, pair.scene, placement, collage.DEMO.margin)
