"""YouTube-VIS (arXiv:1905.04804) in YouTube-VOS's layout, as AnyDoor reads it: not its COCO-like JSON."""

from collections.abc import Iterator
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, vos
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder

DATASET = "youtubevis"
EXPECTED = "train/JPEGImages/<clip>/00000.jpg, train/Annotations/<clip>/00000.png ; valid likewise"
KIND = "object_pair"
GIVES = records.GIVES
PAIRS = vos.Dataset(Rule(both_sides=True), "video", pairs_per_object=6)
FOLDERS = vos.Folders("JPEGImages", "Annotations", {"train": "train", "valid": "test", "test": "test"}, EXPECTED)


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Raises UsageError where there is no such layout."""
    return vos.by_split(root, dataset, FOLDERS, split)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from vos.read(item, root, settings, PAIRS)
