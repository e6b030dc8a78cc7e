"""FashionTryOn (Zheng et al., ACM MM 2019): a garment alone, and worn in several poses."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import entries, records, views
from pipelines.sources.clips.pairs.frames import Unreadable
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Terms, generator
from pipelines.sources.clips.pairs.records import Half
from pipelines.sources.clips.pairs.stills import Entries, beside, first_folder, folders_below, stem
from pipelines.sources.outcomes import Outcome, Planned, Reading, ReadSettings, Rejection
from schemas.folders import InputFolder
from schemas.messages import printable

DATASET = "fashiontryon"
EXPECTED = "train/ or test/ with <id>/target.jpg, <id>/mask.jpg, <id>/<pose>.jpg and <id>/<pose>/segment.png"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True, largest_box=1.0)
GARMENT = 7  # in segment.png
EROSIONS = 3
PAIRS = 4
POSE, SEGMENT = "pose", "segment"


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Folders that lie in the root itself belong to the training split."""
    found = Entries(root, dataset, split)
    there = {name: name for name in ("train", "test") if first_folder(root, name)} or {"train": ""}
    folders = []
    for name, folder in there.items():
        own = list(folders_below(root, folder)) if found.wants(name) else []
        folders += own
        for garment in own:
            _add(found, name, garment)
    return found.closed(folders, EXPECTED)


def _add(found: Entries, split: str, folder: str) -> None:
    """A garment with the poses that have both files; the others are refused one by one."""
    garment = PurePosixPath(folder).name
    roles: dict[str, list[str]] = {"garment": beside(folder, "target"), "mask": beside(folder, "mask")}
    whole = 0
    for pose in map(stem, folders_below(found.root, folder)):
        files = {POSE: beside(folder, pose), SEGMENT: [f"{folder}/{pose}/segment.png"]}
        missing = [paths[0] for paths in files.values() if not any(map(found.lookup.find, paths))]
        if missing:
            record_id = f"{found.dataset}/{split}/{printable(garment)}/{printable(pose)}"
            found.refuse(split, record_id, "missing_file", f"{printable(missing[0])} is missing", missing[0])
            continue
        roles |= {f"{role}:{whole:05d}": paths for role, paths in files.items()}
        whole += 1
    if whole:
        found.add(split, garment, roles)
    elif not list(folders_below(found.root, folder)):
        found.refuse(split, f"{found.dataset}/{split}/{printable(garment)}", "missing_file", "no pose", folder)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _pairs(item, root, settings))


def _pairs(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    """The garment with some of its poses, in the order of chance; a pose that can't be read is rejected."""
    terms = ClipOptions.of(settings).terms(RULE, "high_quality", 1, PAIRS)
    garment = views.half(views.frame(item, root, "garment"), views.grey_mask(item, root, "mask"), "target")
    poses = entries.files_of(item, POSE)
    left = terms.pairs_per_object
    for position in generator(settings.seed, item.record_id).permutation(list(poses)).tolist():
        outcome = _worn(item, root, settings, terms, garment, position)
        yield outcome
        left -= isinstance(outcome, Reading)
        if not left:
            return


def _worn(
    item: Planned, root: InputFolder, settings: ReadSettings, terms: Terms, garment: Half, position: int
) -> Outcome:
    pose, segment = (f"{role}:{position:05d}" for role in (POSE, SEGMENT))
    try:
        mask = views.label_mask(item, root, segment, (GARMENT,), EROSIONS)
        name = stem(item.references[pose][0])
        worn = views.half(views.frame(item, root, pose), mask, name, position + 1)
    except Unreadable as error:
        return Rejection(item.record_id, "read", "unreadable", str(error), error.path)
    return views.pair(item, settings, terms, "garment", garment, worn)
