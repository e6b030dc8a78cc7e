"""A source of object pairs: of the clips of `toy_clips`, each frame with the one `step` later."""

from collections.abc import Iterator

import numpy as np
from support import toy_clips

from pipelines.sources import Listing
from pipelines.sources.outcomes import Outcome, Planned, Reading, ReadSettings
from schemas.folders import InputFolder

KIND = "object_pair"
DATASET = "toy"
GIVES = ("reference_image", "reference_mask", "target_image", "target_mask")
EXPECTED = toy_clips.EXPECTED


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, step: int = 1) -> Listing:
    return toy_clips.listing(root, split, pairing, dataset)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    step = int(dict(settings.source_options)["step"])
    frames = [outcome for outcome in toy_clips.read(item, root, settings) if isinstance(outcome, Reading)]
    for number, (reference, target) in enumerate(zip(frames, frames[step:], strict=False)):
        mask = np.full((toy_clips.HEIGHT, toy_clips.WIDTH), 255, np.uint8)
        columns = {
            "record_id": f"{item.record_id}/object/{number}+{number + step}",
            "dataset": settings.dataset,
            "split": item.split,
            "video_id": item.record_id,
            "object_id": "object",
            "reference_frame": number,
            "target_frame": number + step,
            "dynamics": "video",
            "reference_image": reference.columns["person_image"],
            "reference_mask": mask,
            "target_image": target.columns["person_image"],
            "target_mask": mask,
        }
        reading = Reading(item, columns, digests=reference.digests)
        for column in GIVES:
            reading.came_from(column, "dataset", None, *reference.digests.values(), "")
        yield reading
