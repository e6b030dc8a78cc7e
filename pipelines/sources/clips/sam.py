"""SA-1B (Segment Anything, arXiv:2304.02643): photos, and a JSON with the masks of each."""

import hashlib
from collections.abc import Iterator
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import coco, records, views
from pipelines.sources.clips.pairs.frames import Unreadable, read_bytes
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, beside, folders_below, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas import json_text
from schemas.folders import InputFolder
from schemas.kinds.object_pair import STILL

DATASET = "sam"
EXPECTED = "x.jpg and x.json, in the folder or in folders such as 0000/ and sa_000000/"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=False)
SMALLEST = 50_000  # pixels; an object has more


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """All belong to the training split. The photo's folder is part of its id."""
    found = Entries(root, dataset, split)
    folders = ["", *folders_below(root)]
    for folder in folders if found.wants("train") else ():
        for name in sorted(found.lookup.folder(folder).files):
            if name.lower().endswith(".json"):
                path = f"{folder}/{name}" if folder else name
                roles = {"objects": [path], "image": beside(folder, stem(name))}
                found.add("train", f"{folder}/{stem(name)}" if folder else stem(name), roles)
    return found.closed(folders, EXPECTED)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _stills(item, root, settings))


def _stills(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, STILL, 1, 1)
    path = item.references["objects"][0]
    data = read_bytes(root, path)
    annotations = coco.Annotations(_annotations(path, data), path, hashlib.sha256(data).hexdigest())
    yield from coco.stills(item, settings, terms, views.frame(item, root, "image"), annotations, SMALLEST)


def _annotations(path: str, data: bytes) -> list[dict[str, Any]]:
    """Raises Unreadable."""
    try:
        document = json_text.parse(data)
    except ValueError:
        raise Unreadable(path, "no JSON") from None
    annotations = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        raise Unreadable(path, "no list of annotations")
    return annotations
