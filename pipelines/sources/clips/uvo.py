"""UVO (arXiv:2104.04691): frames, and a JSON for each split with a mask of every object in every frame."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import listed, records
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, folders_below, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas import json_shape, json_text
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.messages import printable

DATASET = "uvo"
EXPECTED = (
    "VideoSparseSet/UVO_sparse_train_video_with_interpolation.json (val alike, or the dense set's), "
    "uvo_frames_sparse/<video>/0.png"
)
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True)
PARTS = {"train": 10, "test": 5}
PAIRS = 1  # upstream draws 33,000 an epoch, fewer than there are objects
LIST_FOLDERS = ("", "VideoSparseSet", "VideoDenseSet", "annotations")
WORDS = {"train": "train", "val": "test"}  # of a list's name → split
MAP = "reorg"  # in the name of upstream's own file: video → names of its frames


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """An entry for each video with objects; of several lists of a split the sparse set's counts. Raises UsageError."""
    found = Entries(root, dataset, split)
    folders = [".", *folders_below(root)]
    for word, name in WORDS.items():
        lists = _lists(found, word)
        maps = [path for path in lists if MAP in path]
        path = next((path for path in lists if path not in maps), None)
        if path is not None and found.wants(name):
            places = sorted(folders, key=partial(_unlike, path))
            _add(found, name, path, maps[0] if maps else None, places)
    there = [folder for folder in LIST_FOLDERS if found.lookup.folder(folder).files]
    return found.closed([*there, *listed.folders(found)], EXPECTED)


def _lists(found: Entries, word: str) -> list[str]:
    """Paths of the JSON files about videos of a split, best first."""
    every = (
        f"{folder}/{name}" if folder else name for folder in LIST_FOLDERS for name in found.lookup.folder(folder).files
    )
    own = (path for path in every if path.endswith(".json") and word in stem(path) and "frame" not in stem(path))
    return sorted(own, key=lambda path: ("sparse" not in path.lower(), "interpolation" not in path, path))


def _unlike(path: str, folder: str) -> tuple[bool, bool]:
    """What folders are sorted by: first the frames of the set, sparse or dense, that the list at `path` is of."""
    same = any(word in folder.lower() and word in path.lower() for word in ("sparse", "dense"))
    return not same, "frame" not in folder.lower()


def _add(found: Entries, split: str, path: str, map_path: str | None, places: Sequence[str]) -> None:
    needed = ("annotations",) if map_path else ("videos", "annotations")
    document = listed.document(found.root, path, needed, EXPECTED)
    found.lookup.take(path)
    if map_path:
        frames = _map(found, map_path)
    else:
        frames = {str(video.get("id")): video.get("file_names") for video in document["videos"]}
    by_video: dict[str, list[dict[str, Any]]] = {}
    for annotation in document["annotations"]:
        by_video.setdefault(str(annotation.get("video_id")), []).append(annotation)
    for video_id, rows in by_video.items():
        names = frames.get(video_id)
        objects = {printable(str(row.get("id", number))): row for number, row in enumerate(rows)}
        fault = "two objects of one id" if len(objects) < len(rows) else _fault(names, rows)
        if fault or names is None:
            record_id = f"{found.dataset}/{split}/{printable(video_id)}"
            found.refuse(split, record_id, "damaged_entry", fault, path)
            continue
        seen = {object_id: _seen(names, row["segmentations"]) for object_id, row in objects.items()}
        listed.add(found, split, video_id, listed.Frames(names, places), seen, path)


def _map(found: Entries, path: str) -> dict[str, Any]:
    """Raises UsageError."""
    try:
        names = json_text.whole(json_text.parse(found.root.read(path)))
    except ValueError:
        raise UsageError(f"--input {found.root}: {path} is no JSON; expected video → names of its frames") from None
    if not isinstance(names, dict):
        raise UsageError(f"--input {found.root}: {path} is no object; expected video → names of its frames")
    found.lookup.take(path)
    return names


def _fault(frames: Any, rows: Sequence[Mapping[str, Any]]) -> str:
    """What keeps a video from being an entry; "" where nothing does."""
    if not json_shape.fits(frames, list[str]):
        return "no list of its frames' names"
    for row in rows:
        masks = row.get("segmentations")
        if not isinstance(masks, list) or len(masks) != len(frames):
            count = len(masks) if isinstance(masks, list) else "no list of"
            return f"object {row.get('id')}: {count} masks for {len(frames)} frames"
    return ""


def _seen(frames: Sequence[str], masks: Sequence[Any]) -> dict[str, Any]:
    return {name: mask for name, mask in zip(frames, masks, strict=True) if mask is not None}


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "video", PARTS[item.split], PAIRS)
    yield from listed.read(item, root, settings, terms)
