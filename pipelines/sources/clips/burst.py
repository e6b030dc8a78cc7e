"""BURST (arXiv:2209.12118): TAO's frames, some of which have masks, and a JSON with these for each split."""

from collections.abc import Iterator, Mapping
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import listed, records
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas import json_shape
from schemas.folders import InputFolder
from schemas.messages import printable

DATASET = "burst"
EXPECTED = (
    "annotations/train/all_classes.json (val and test alike), frames/train/<dataset>/<sequence>/<frame>.jpg; "
    "both also without the outer folder"
)
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True)
PARTS, PAIRS = 10, 4  # as AnyDoor's other video sets: its code has no loader for this one
SPLITS = {"train": "train", "val": "test", "test": "test"}
LISTS = (  # best first; the others of BURST's lists hold some of the same masks
    "annotations/{0}/all_classes.json",
    "{0}/all_classes.json",
    "annotations/{0}/{0}.json",
    "annotations/{0}.json",
    "{0}.json",
    "annotations/{0}/first_frame_annotations.json",
    "{0}/first_frame_annotations.json",
)
FRAME_FOLDERS = ("frames", "images", ".")
SEQUENCE: dict[str, Any] = {
    "dataset": str,
    "seq_name": str,
    "all_image_paths": list[str],
    "annotated_image_paths": list[str],
    "segmentations": list[dict[str, Any]],
}


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """An entry for each sequence that has a mask. Raises UsageError."""
    found = Entries(root, dataset, split)
    for own, name in SPLITS.items():
        path = next(filter(found.lookup.find, (template.format(own) for template in LISTS)), None)
        if path is not None and found.wants(name):
            found.lookup.take(path)
            for sequence in listed.document(root, path, ("sequences",), EXPECTED)["sequences"]:
                _add(found, own, {"all_image_paths": sequence.get("annotated_image_paths"), **sequence}, path)
    return found.closed(listed.folders(found), EXPECTED)


def _add(found: Entries, own: str, sequence: Mapping[str, Any], path: str) -> None:
    split = SPLITS[own]
    video_id = f"{sequence.get('dataset')}/{sequence.get('seq_name')}"
    fault = _fault(sequence)
    if fault:
        record_id = "/".join(printable(word) for word in (found.dataset, split, *video_id.split("/")))
        found.refuse(split, record_id, "damaged_entry", fault, path)
        return
    annotated: list[str] = sequence["annotated_image_paths"]
    size = [sequence.get("height"), sequence.get("width")]
    objects: dict[str, dict[str, Any]] = {}
    for name, masks in zip(annotated, sequence["segmentations"], strict=True):
        for track, mask in masks.items():
            objects.setdefault(printable(track), {})[name] = _run_lengths(mask, size)
    if objects:
        every: list[str] = sequence["all_image_paths"]
        names = every if set(annotated) <= set(every) else annotated
        places = [f"{before}/{own}/{video_id}" for before in FRAME_FOLDERS]
        frames = listed.Frames(names, places, frozenset(names) - set(annotated))
        listed.add(found, split, video_id, frames, objects, path)


def _fault(sequence: Mapping[str, Any]) -> str:
    """What keeps a sequence from being an entry; "" where nothing does."""
    for name, hint in SEQUENCE.items():
        if not json_shape.fits(sequence.get(name), hint):
            return f"{name} is missing, or of another type than in BURST"
    masks, frames = len(sequence["segmentations"]), len(sequence["annotated_image_paths"])
    return "" if masks == frames else f"masks for {masks} frames, of {frames}"


def _run_lengths(mask: Any, size: list[Any]) -> Any:
    """In COCO's words; what is no mask stays as it is, and is rejected where it is read."""
    packed = mask.get("rle") if isinstance(mask, dict) else mask
    return {"size": size, "counts": packed} if isinstance(packed, str) else packed


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "video", PARTS, PAIRS)
    yield from listed.read(item, root, settings, terms)
