"""Clips in the layout of DAVIS: a folder of frames and one of index masks for each, named alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from annotators.functional.placement import acceptance
from pipelines.sources import Listing, Refused
from pipelines.sources.clips.pairs import annotated, entries
from pipelines.sources.clips.pairs.frames import Unreadable
from pipelines.sources.clips.pairs.objects import IndexMasks, ObjectMasks, index_picture
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings, Rejection
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents


@dataclass(frozen=True)
class Dataset:
    """How a data set is paired: see `pairing.Terms`; and how its masks tell objects: see `objects.IndexMasks`."""

    rule: acceptance.Rule
    dynamics: str
    parts: int = 10
    pairs_per_object: int = 4
    decode: Callable[[bytes], np.ndarray] = index_picture
    ignored: int = 255  # an id that is no object's


def listing(
    root: InputFolder, dataset: str, images: str, masks: str, splits: Mapping[str, Sequence[str]], split: str
) -> Listing:
    """The clips of `images` that have masks in `masks`; `splits`: split → its clips in their order."""
    found = Listing()
    for name, clips in splits.items():
        for video in clips if split in ("all", name) else ():
            _add(root, dataset, name, video, f"{images}/{video}", f"{masks}/{video}", found)
    return found


@dataclass(frozen=True)
class Folders:
    """Where a data set keeps clips and masks; `splits`: the folder of a split → the split's name with us."""

    images: str
    masks: str
    splits: Mapping[str, str]
    expected: str


def by_split(root: InputFolder, dataset: str, folders: Folders, split: str) -> Listing:
    """The clips of every split's folder; of the root itself, as the training split, where it holds clips directly.

    Raises UsageError where there is no such folder.
    """
    places = {f"{place}/": name for place, name in folders.splits.items()} | {"": "train"}
    found, there = Listing(), False
    for place, name in places.items():
        images = f"{place}{folders.images}"
        if not root.is_folder(images):
            continue
        there = True
        clips = sorted(root.folders(images), key=entries.natural) if split in ("all", name) else []
        for video in clips:
            _add(root, dataset, name, video, f"{images}/{video}", f"{place}{folders.masks}/{video}", found)
    if not there:
        raise UsageError(f"layout not found in {root}: expected {folders.expected}; found {contents(root)}")
    return found


def _add(root: InputFolder, dataset: str, split: str, video: str, images: str, masks: str, found: Listing) -> None:
    frames = _pictures(root, images)
    annotated = _pictures(root, masks)
    record_id = f"{dataset}/{split}/{video}"
    missing = images if not frames else masks if not annotated else ""
    if missing:
        found.refused.append(Refused(record_id, split, "missing_file", f"no picture in {missing}", missing))
        return
    leading_out = [path for path in (*frames.values(), *annotated.values()) if root.escapes(path)]
    if leading_out:
        path = leading_out[0]
        found.refused.append(Refused(record_id, split, "outside_root", f"{path} leads out of the input folder", path))
        return
    positions = {stem: position for position, stem in enumerate(frames)}
    unused = [PurePosixPath(path).name for stem, path in annotated.items() if stem not in positions]
    if unused:
        found.unused[masks] = unused
    by_position = {positions[stem]: path for stem, path in annotated.items() if stem in positions}
    found.records.append(entries.listed(dataset, split, video, list(frames.values()), by_position, images))
    for folder in (images, masks):
        found.files |= {f"{folder}/{name}": entry for name, entry in root.files(folder).items()}


def _pictures(root: InputFolder, folder: str) -> dict[str, str]:
    """Stem → path of the pictures of a folder, in natural order; none where the folder isn't there."""
    if not root.is_folder(folder):
        return {}
    names = [name for name in root.files(folder) if PurePosixPath(name).suffix.lower() in entries.PICTURES]
    names = [name for name in names if not name.startswith(".")]
    return {PurePosixPath(name).stem: f"{folder}/{name}" for name in sorted(names, key=entries.natural)}


def read(item: Planned, root: InputFolder, settings: ReadSettings, dataset: Dataset) -> Iterator[Outcome]:
    """The pairs of a clip: of an object with several masks, from these; with one, the tracker carries it on."""
    options = ClipOptions.of(settings)
    clip = entries.clip_of(item, root)
    masks = IndexMasks(root, entries.files_of(item, entries.MASK), dataset.decode, dataset.ignored)
    seen: dict[int, list[int]] = {}
    for position in masks.files:
        try:
            for object_id in masks.ids(position):
                seen.setdefault(object_id, []).append(position)
        except Unreadable as error:
            yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)
    objects = [
        ObjectMasks(str(object_id), tuple(positions), partial(masks.mask, object_id=object_id))
        for object_id, positions in sorted(seen.items())
    ]
    terms = options.terms(dataset.rule, dataset.dynamics, dataset.parts, dataset.pairs_per_object)
    yield from annotated.outcomes(item, clip, objects, terms, options, settings)
