"""Clips whose objects' masks stand as run lengths in a JSON list: an entry of the plan holds those of its own clip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipelines.sources.clips.pairs import annotated, entries, rle
from pipelines.sources.clips.pairs.frames import Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMask, ObjectMasks
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Terms
from pipelines.sources.clips.pairs.stills import Entries, folders_below
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings, Rejection
from pipelines.sources.paths import BadPath, inside
from schemas import json_text
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.messages import printable


@dataclass(frozen=True)
class Frames:
    """The pictures of a clip in the order of time, by their names in its list; `optional` may be absent from the disk.

    folders: where the clip may lie, best first; "." is the root.
    """

    names: Sequence[str]
    folders: Sequence[str]
    optional: frozenset[str] = frozenset()


def document(root: InputFolder, path: str, lists: Sequence[str], expected: str) -> dict[str, Any]:
    """A JSON file with these lists of objects. Raises UsageError for one that is none: nothing is built without it."""
    try:
        parsed = json_text.whole(json_text.parse(root.read(path)))
    except ValueError:
        raise UsageError(f"--input {root}: {path} is no JSON; expected {expected}") from None
    for name in lists:
        rows = parsed.get(name) if isinstance(parsed, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"--input {root}: {path} has no list of {name}; expected {expected}")
    return dict(parsed)


def add(
    found: Entries, split: str, video_id: str, frames: Frames, objects: Mapping[str, Mapping[str, Any]], path: str
) -> None:
    """An entry, or its refusal. `objects`: object → frame's name → what stands in the list at `path` for a mask."""
    record_id = "/".join(printable(word) for word in (found.dataset, split, *video_id.split("/")))
    try:
        names = list(dict.fromkeys(map(inside, frames.names)))
        folder = _folder(found, frames.folders, names)
        paths = {name: inside(f"{folder}/{name}") for name in names}
        there = [name for name in names if name not in frames.optional or found.lookup.find(paths[name])]
        if not there:
            raise BadPath("missing_file", "no frame")
    except BadPath as fault:
        found.refuse(split, record_id, fault.error, str(fault), path)
        return
    positions = {name: position for position, name in enumerate(there)}
    own = {
        object_id: {str(positions[inside(name)]): value for name, value in by_frame.items()}
        for object_id, by_frame in objects.items()
    }
    roles = {f"{entries.FRAME}:{position:05d}": [paths[name]] for name, position in positions.items()}
    found.add(split, video_id, roles, {"objects": own, "list": path})


def _folder(found: Entries, places: Sequence[str], names: Sequence[str]) -> str:
    """The first of the places in which one of the names lies; else the best one. Raises BadPath."""
    tried = ((place, inside(f"{place}/{name}")) for place in places for name in names)
    return next((place for place, path in tried if found.lookup.find(path)), places[0])


def folders(found: Entries) -> list[str]:
    """Where files of entries lie, for `Entries.closed`; clips beside them that no entry uses are noted as unused."""
    own = {path.rpartition("/")[0] for path in found.listing.files}
    parents = sorted({folder.rpartition("/")[0] for folder in own} - {""}) if found.split == "all" else []
    for parent in parents:
        unused = [place.rpartition("/")[2] for place in folders_below(found.root, parent) if place not in own]
        if unused:
            found.listing.unused[printable(parent)] = unused
    return sorted(own)


def read(item: Planned, root: InputFolder, settings: ReadSettings, terms: Terms) -> Iterator[Outcome]:
    """The pairs of a clip. A mask that is none is rejected; the object's others aren't to blame."""
    path = str(item.values["list"])
    clip = entries.clip_of(item, root)
    objects = []
    for object_id, masks in sorted(item.values["objects"].items(), key=lambda each: entries.natural(each[0])):
        seen = []
        for position, segmentation in sorted((int(key), value) for key, value in masks.items()):
            try:
                seen += [position] if rle.area(segmentation) else []
            except ValueError as error:
                message = f"object {object_id}, frame {clip.name(position)}: {error}"
                yield Rejection(item.record_id, "read", "unreadable", message, path)
        objects.append(ObjectMasks(object_id, tuple(seen), partial(_mask, masks, path)))
    yield from annotated.outcomes(item, clip, objects, terms, ClipOptions.of(settings), settings)


def _mask(masks: Mapping[str, Any], path: str, position: int) -> ObjectMask:
    try:
        return ObjectMask(rle.decode(masks[str(position)]), path)
    except ValueError as error:
        raise Unreadable(path, str(error)) from None
