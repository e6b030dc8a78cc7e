"""Clips that nobody annotated: objects are found near the start of each piece, and followed through it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from annotators.tracking import seeding
from pipelines.sources.clips.pairs import told, tracks
from pipelines.sources.clips.pairs.frames import Clip, Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMask
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Pairing, Terms
from pipelines.sources.clips.pairs.video import VideoFile
from pipelines.sources.outcomes import Declined, Outcome, Planned, ReadSettings, Rejection
from schemas.folders import InputFolder

GIVEN = "seeds"  # the reference of a file that tells objects
NOTHING = {"motion": "nothing_moves", "person": "nobody", "model": "no_object"}  # why a piece is declined
APART = 3  # frames between those in which motion is looked for, at most


def outcomes(
    item: Planned, root: InputFolder, settings: ReadSettings, clip: Clip, options: ClipOptions, terms: Terms
) -> Iterator[Outcome]:
    """The pairs of every piece of a clip; of objects that a file tells, those of the piece around their frame."""
    pairing = Pairing(item, clip, terms, settings)
    tracker = options.loaded_tracker(settings)
    try:
        if GIVEN in item.references:
            objects = told.read(root, item.references[GIVEN][0])
            seeds, faults = _told(objects, clip, options, settings)
            yield from (Rejection(item.record_id, "read", "unreadable", fault, objects.path) for fault in faults)
            pieces = iter([(_around(clip, options, objects.frame), objects.frame, seeds)] if seeds else [])
        else:
            starts = ((piece, _start(clip, piece)) for piece in cut(clip, options))
            pieces = ((piece, start, _seeds(settings, clip, start, options)) for piece, start in starts)
        for positions, seed, seeds in pieces:
            if not seeds:
                yield Declined(NOTHING[options.seeding])
                continue
            for tracked in tracks.carry(clip, positions, seeds, seed, tracker):
                yield from pairing.of(tracked)
    except Unreadable as error:
        yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)


def _told(
    objects: told.Told, clip: Clip, options: ClipOptions, settings: ReadSettings
) -> tuple[dict[str, ObjectMask], list[str]]:
    """Masks by object, and what is wrong with other objects. Raises Unreadable."""
    if not 0 <= objects.frame < len(clip):
        raise Unreadable(objects.path, f"frame {objects.frame} of a clip of {len(clip)}")
    cut_out: told.Cutter = told.by_contrast
    if options.seeding == "model":
        cut_out = options.loaded_segmenter(settings).at
    return objects.masks(clip.frame(objects.frame).pixels, cut_out)


def _around(clip: Clip, options: ClipOptions, position: int) -> list[int]:
    """Positions that are looked at, this one in the middle of them where there are many."""
    step = _step(clip, options.seconds_between)
    sampled = range(position % step, len(clip), step)
    start = max(0, min(position // step - options.frames // 2, len(sampled) - options.frames))
    return list(sampled[start : start + options.frames])


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


def _start(clip: Clip, piece: Sequence[int]) -> int:
    """The first position of a piece that motion before and after it can be told of; else its very first."""
    apart = _apart(clip)
    return next((at for at in piece if at - apart >= piece[0] and at + apart < len(clip)), piece[0])


def _apart(clip: Clip) -> int:
    """Frames between those in which motion is looked for: fewer in a clip of a few."""
    return max(1, min(APART, (len(clip) - 1) // 2))


def _seeds(settings: ReadSettings, clip: Clip, start: int, options: ClipOptions) -> dict[str, ObjectMask]:
    """Object → its mask at a position. Raises Unreadable."""
    reach = 2 * _apart(clip)
    seen = {start: clip.frame(start).pixels}
    for position in range(max(start % _apart(clip), start - reach), min(start + reach + 1, len(clip)), _apart(clip)):
        with suppress(Unreadable):  # its neighbours tell enough
            seen[position] = clip.frame(position).pixels
    at, pictures = sorted(seen).index(start), [seen[position] for position in sorted(seen)]
    if options.seeding == "person":
        found = _persons(pictures[at], settings)
    elif options.seeding == "model":
        segmenter = options.loaded_segmenter(settings)
        found = seeding.moving_first(pictures, segmenter.everything(pictures[at]), options.objects, at)
    else:
        found = seeding.moving_objects(pictures, options.objects, at)
    by = f"seeding:{'person_mask' if options.seeding == 'person' else options.seeding}"
    name = clip.name(start)
    return {f"{name}.{number}": ObjectMask(mask, annotator=by) for number, mask in enumerate(found)}


def _persons(picture: np.ndarray, settings: ReadSettings) -> list[np.ndarray]:
    import annotators

    (record,) = annotators.annotate(
        [{"person_image": picture}], want=("person_mask",), weights=settings.weights_dir, device=settings.device
    )
    mask = record.get("person_mask")
    return [] if mask is None or not mask.any() else [mask]
