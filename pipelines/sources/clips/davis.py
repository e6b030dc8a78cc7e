"""DAVIS (arXiv:1704.00675): `JPEGImages/<resolution>/<clip>`, `Annotations`, and `ImageSets` where it is there."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import entries, records, vos
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents

DATASET = "davis"
EXPECTED = (
    "JPEGImages/480p/<clip>/00000.jpg, Annotations/480p/<clip>/00000.png; ImageSets/…/train.txt and val.txt if there"
)
KIND = "object_pair"
GIVES = records.GIVES
PAIRS = vos.Dataset(Rule(both_sides=True), "video")
RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
SPLITS = {"train": "train", "val": "test", "test-dev": "test", "test-challenge": "test", "test": "test"}


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Clips without a list belong to the training split. Raises UsageError where there is no such layout."""
    images, masks = (_resolution(root, folder) for folder in ("JPEGImages", "Annotations"))
    clips = sorted(root.folders(images), key=entries.natural)
    listed = _lists(root) or dict.fromkeys(clips, "train")
    splits = {name: [clip for clip in clips if listed.get(clip) == name] for name in ("train", "test")}
    found = vos.listing(root, dataset, images, masks, splits, split)
    unlisted = [clip for clip in clips if clip not in listed]
    if unlisted:
        found.unused[images] = unlisted
    return found


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from vos.read(item, root, settings, PAIRS)


def _resolution(root: InputFolder, folder: str) -> str:
    there = root.folders(folder) if root.is_folder(folder) else []
    for name in RESOLUTIONS:
        if name in there:
            return f"{folder}/{name}"
    raise UsageError(f"no {folder}/{RESOLUTIONS[0]} in {root}: expected {EXPECTED}; found {contents(root)}")


def _lists(root: InputFolder) -> dict[str, str]:
    """Clip → split, of every list below ImageSets; a line names the clip, or a frame of it."""
    found: dict[str, str] = {}
    if not root.is_folder("ImageSets"):
        return found
    for folder in ("ImageSets", *(f"ImageSets/{name}" for name in root.folders("ImageSets"))):
        for name in root.files(folder):
            split = SPLITS.get(PurePosixPath(name).stem)
            for line in root.read(f"{folder}/{name}").decode(errors="replace").splitlines() if split else ():
                words = line.split()
                if words and split:
                    path = PurePosixPath(words[0])
                    found.setdefault(path.parent.name or path.name, split)
    return found
