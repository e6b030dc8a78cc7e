"""VIPSeg (CVPR 2022): panoptic masks whose colours are ids; each region is an object."""

from collections.abc import Iterator
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, vos
from pipelines.sources.clips.pairs.objects import colour_picture
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder

DATASET = "vipseg"
EXPECTED = "images/<clip>/00000.jpg, panomasksRGB/<clip>/00000.png"
KIND = "object_pair"
GIVES = records.GIVES
PAIRS = vos.Dataset(Rule(both_sides=False, one_contour=True), "video", parts=100, decode=colour_picture, ignored=-1)
FOLDERS = vos.Folders("images", "panomasksRGB", {}, EXPECTED)


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Raises UsageError where there is no such layout."""
    return vos.by_split(root, dataset, FOLDERS, split)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from vos.read(item, root, settings, PAIRS)
