"""Clips that nobody annotated: objects are found in the first frame of each piece, and followed through it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from annotators.functional import masks
from annotators.tracking import choosing, seeding
from pipelines.sources.clips.pairs import tracks
from pipelines.sources.clips.pairs.frames import Clip, Unreadable, read_bytes
from pipelines.sources.clips.pairs.objects import ObjectMask, index_picture
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Pairing, Terms
from pipelines.sources.clips.pairs.video import VideoFile
from pipelines.sources.outcomes import Declined, Outcome, Planned, ReadSettings, Rejection
from schemas import codecs, json_text
from schemas.folders import InputFolder

SEEDINGS = ("motion", "person")
GIVEN = "seeds"  # the reference of a file that tells the objects of the first frame
APART = 3  # frames between those in which motion is looked for


def outcomes(
    item: Planned, root: InputFolder, settings: ReadSettings, clip: Clip, options: ClipOptions, terms: Terms
) -> Iterator[Outcome]:
    """The pairs of every piece of a clip."""
    pairing = Pairing(item, clip, terms, settings)
    tracker = choosing.shared(options.chosen_tracker(settings.weights_dir), settings.device)
    pieces = cut(clip, options)
    if GIVEN in item.references:
        pieces = pieces[:1]
    for positions in pieces:
        try:
            seeds = _seeds(item, root, settings, clip, positions, options)
            if not seeds:
                yield Declined("nothing_moves" if options.seeding == "motion" else "nobody")
                continue
            for tracked in tracks.carry(clip, positions, seeds, positions[0], tracker):
                yield from pairing.of(tracked)
        except Unreadable as error:
            yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)
            return


def cut(clip: Clip, options: ClipOptions) -> list[list[int]]:
    """Positions that are looked at, piece by piece; of a long clip some pieces, evenly spread."""
    step = _step(clip, options.seconds_between)
    sampled = range(0, len(clip), step)
    pieces = [list(sampled[start : start + options.frames]) for start in range(0, len(sampled), options.frames)]
    long_enough = [piece for piece in pieces if len(piece) > 1]
    return [long_enough[index] for index in tracks.spread(len(long_enough), options.segments)]


def _step(clip: Clip, seconds: float) -> int:
    """Frames between two that are looked at; picture files are all looked at."""
    if not isinstance(clip, VideoFile) or len(clip) < 2:
        return 1
    between = (clip.second(len(clip) - 1) - clip.second(0)) / (len(clip) - 1)
    return max(1, round(seconds / between)) if between > 0 else 1


def _seeds(
    item: Planned, root: InputFolder, settings: ReadSettings, clip: Clip, positions: Sequence[int], options: ClipOptions
) -> dict[str, ObjectMask]:
    """Object → its mask in the piece's first frame."""
    first = clip.frame(positions[0]).pixels
    if GIVEN in item.references:
        return _given(root, item.references[GIVEN][0], first)
    if options.seeding == "person":
        found, how = _persons(first, settings), "person_mask"
    else:
        near = range(positions[0], len(clip), APART)[:3]
        found, how = seeding.moving_objects([clip.frame(at).pixels for at in near], options.objects), "motion"
    name = clip.name(positions[0])
    return {f"{name}.{number}": ObjectMask(mask, annotator=f"seeding:{how}") for number, mask in enumerate(found)}


def _persons(picture: np.ndarray, settings: ReadSettings) -> list[np.ndarray]:
    import annotators

    (record,) = annotators.annotate(
        [{"person_image": picture}], want=("person_mask",), weights=settings.weights_dir, device=settings.device
    )
    mask = record.get("person_mask")
    return [] if mask is None or not mask.any() else [mask]


def _given(root: InputFolder, path: str, first: np.ndarray) -> dict[str, ObjectMask]:
    """Of an index picture, an object for each id; of {"boxes": [[x0, y0, x1, y1]]}, one for each box, in its order."""
    data = read_bytes(root, path)
    try:
        if PurePosixPath(path).suffix.lower() == ".json":
            found = [(str(number), seeding.in_box(first, box)) for number, box in enumerate(_boxes(data), start=1)]
            return {name: ObjectMask(mask, annotator="seeding:box") for name, mask in found if mask.any()}
        ids = index_picture(data)
    except (codecs.CodecError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(path, str(error) or type(error).__name__) from None
    return {str(number): ObjectMask(masks.as_mask(ids == number), path) for number in np.unique(ids).tolist() if number}


def _boxes(data: bytes) -> list[tuple[int, int, int, int]]:
    document: Any = json_text.parse(data)
    if not isinstance(document, Mapping) or not isinstance(document.get("boxes"), list):
        raise ValueError('no {"boxes": [[x0, y0, x1, y1], …]}')
    return [(round(x0), round(y0), round(x1), round(y1)) for x0, y0, x1, y1 in document["boxes"]]
