"""Clips whose objects have masks: the pairs of each, from its masks or from where a tracker carries a single one."""

from collections.abc import Iterator, Sequence

from pipelines.sources.clips.pairs import tracks
from pipelines.sources.clips.pairs.frames import Clip, Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMasks
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Pairing, Terms
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings, Rejection


def outcomes(
    item: Planned,
    clip: Clip,
    objects: Sequence[ObjectMasks],
    terms: Terms,
    options: ClipOptions,
    settings: ReadSettings,
) -> Iterator[Outcome]:
    """The pairs of a clip: of an object with several masks, from these; with one, the tracker carries it on."""
    pairing = Pairing(item, clip, terms, settings)
    alone: dict[int, list[ObjectMasks]] = {}
    for each in objects:
        if len(each.positions) > 1:
            yield from pairing.of(each)
        elif each.positions:
            alone.setdefault(each.positions[0], []).append(each)
    for position, there in sorted(alone.items()):
        try:
            carried = _carried(clip, position, there, options, settings)
        except Unreadable as error:
            yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)
            continue
        for each in carried:
            yield from pairing.of(each)


def _carried(
    clip: Clip, position: int, objects: Sequence[ObjectMasks], options: ClipOptions, settings: ReadSettings
) -> list[ObjectMasks]:
    """Raises Unreadable."""
    tracker = options.loaded_tracker(settings)
    seeds = {each.object_id: each.mask(position) for each in objects}
    positions = sorted({*tracks.spread(len(clip), options.frames), position})
    return tracks.carry(clip, positions, seeds, position, tracker)
