"""A clip as an entry of the list: which of its files are frames and which are masks, and back again."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipelines.sources import Listed
from pipelines.sources.clips.pairs.frames import FrameFolder
from pipelines.sources.outcomes import Planned
from schemas.folders import InputFolder
from schemas.messages import printable

FRAME, MASK = "frame", "mask"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def listed(
    dataset: str, split: str, video_id: str, frames: Sequence[str], masks: Mapping[int, str], source: str
) -> Listed:
    """The entry of a clip of picture files, in the order of time; `masks` by the position of their frame."""
    references = {f"{FRAME}:{position:05d}": path for position, path in enumerate(frames)}
    references |= {f"{MASK}:{position:05d}": path for position, path in masks.items()}
    words = (dataset, split, *video_id.split("/"))
    record_id = "/".join(printable(word) for word in words)
    return Listed(record_id, split, {"video_id": video_id}, references, source)


def files_of(item: Planned, kind: str) -> dict[int, str]:
    """Position → path below the root, of the entry's frames or masks."""
    found = {}
    for name, (path, _) in item.references.items():
        own, _, position = name.partition(":")
        if own == kind:
            found[int(position)] = path
    return dict(sorted(found.items()))


def clip_of(item: Planned, root: InputFolder) -> FrameFolder:
    """The clip that an entry's frames make up; frames are called as their files are."""
    paths = files_of(item, FRAME).values()
    return FrameFolder(root, {PurePosixPath(path).stem: path for path in paths})


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """What names are sorted by: 2 before 10."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, character))
    return tuple(parts)
