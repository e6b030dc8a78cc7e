"""Own clips, without annotations: video files, and folders of frames; objects are found and followed by us."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listed, Listing
from pipelines.sources.clips.pairs import entries, raw, records
from pipelines.sources.clips.pairs.frames import Unreadable
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.video import open_video
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings, Rejection
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.messages import printable

DATASET = "raw"
EXPECTED = (
    "videos (mp4, mov, webm, mkv, avi, m4v), folders of frames; NAME.png or NAME.json tells the objects of NAME.mp4"
)
KIND = "object_pair"
GIVES = records.GIVES
VIDEOS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".mpg", ".mpeg", ".ogv", ".flv")
SEEDS = (".png", ".json")
RULE = Rule(both_sides=True)


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """All belong to the training split. Raises UsageError where nothing is a clip."""
    found = Listing()
    files = root.files()
    clips = [name for name in sorted(files, key=entries.natural) if PurePosixPath(name).suffix.lower() in VIDEOS]
    seeds = {PurePosixPath(name).stem: name for name in files if PurePosixPath(name).suffix.lower() in SEEDS}
    used = set(clips)
    for name in clips if split in ("all", "train") else ():
        stem = PurePosixPath(name).stem
        references = {"video": name} | ({raw.GIVEN: seeds[stem]} if stem in seeds else {})
        used |= set(references.values())
        record_id = f"{dataset}/train/{printable(name)}"
        found.records.append(Listed(record_id, "train", {"video_id": name}, references, name))
    found.files |= {name: files[name] for name in used}
    _add_folders(root, split, dataset, seeds, found)
    unused = sorted(set(files) - set(found.files))
    if unused:
        found.unused["."] = unused
    if not found.records and split in ("all", "train"):
        raise UsageError(f"no clip in {root}: expected {EXPECTED}; found {contents(root)}")
    return found


def _add_folders(root: InputFolder, split: str, dataset: str, seeds: dict[str, str], found: Listing) -> None:
    for folder in sorted(root.folders(), key=entries.natural) if split in ("all", "train") else ():
        names = root.files(folder)
        frames = [name for name in names if PurePosixPath(name).suffix.lower() in entries.PICTURES]
        if len(frames) < 2:
            found.unused[folder] = sorted(names) or ["nothing that is a clip"]
            continue
        paths = [f"{folder}/{name}" for name in sorted(frames, key=entries.natural)]
        entry = entries.listed(dataset, "train", folder, paths, {}, folder)
        if folder in seeds:
            entry.references[raw.GIVEN] = seeds[folder]
        found.records.append(entry)
        found.files |= {f"{folder}/{name}": names[name] for name in frames}
        found.files |= {seeds[folder]: root.files()[seeds[folder]]} if folder in seeds else {}


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    options = ClipOptions.of(settings)
    terms = options.terms(RULE, "video", 10, 4)
    if "video" not in item.references:
        yield from raw.outcomes(item, root, settings, entries.clip_of(item, root), options, terms)
        return
    path = item.references["video"][0]
    try:
        with root.local(path) as file:
            video = open_video(file, path, options.decoders.split("+"))
            yield from raw.outcomes(item, root, settings, video, options, terms)
    except Unreadable as error:
        yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)
    except OSError as error:
        yield Rejection(item.record_id, "read", "unreadable", error.strerror or type(error).__name__, path)
