"""MOSE (arXiv:2302.01872): crowded clips; references are objects in one piece."""

from collections.abc import Iterator
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, vos
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder

DATASET = "mose"
EXPECTED = "train/JPEGImages/<clip>/00000.jpg, train/Annotations/<clip>/00000.png; valid likewise"
KIND = "object_pair"
GIVES = records.GIVES
PAIRS = vos.Dataset(Rule(both_sides=False, one_contour=True), "high_quality", pairs_per_object=8)
FOLDERS = vos.Folders("JPEGImages", "Annotations", {"train": "train", "valid": "test", "test": "test"}, EXPECTED)


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Raises UsageError where there is no such layout."""
    return vos.by_split(root, dataset, FOLDERS, split)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from vos.read(item, root, settings, PAIRS)
