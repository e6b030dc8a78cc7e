"""Which pairs a clip gives: frames drawn at random, masks that pass the rules, then the records."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from annotators.functional.placement import acceptance, intervals
from pipelines.sources.clips.pairs import records
from pipelines.sources.clips.pairs.frames import Clip, Frame, Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMask, ObjectMasks
from pipelines.sources.clips.pairs.records import Half
from pipelines.sources.clips.pairs.variety import Variety
from pipelines.sources.outcomes import Declined, Outcome, Planned, Reading, ReadSettings, Rejection

TRIES = 8  # draws for each pair that is wanted


@dataclass(frozen=True)
class Terms:
    """How pairs of a data set are drawn (specs/anydoor.md §4): a `parts`-th of the clip lies at least between them."""

    rule: acceptance.Rule
    dynamics: str
    parts: int = 10
    pairs_per_object: int = 4
    variety: Variety = field(default_factory=Variety)


def generator(seed: int, *words: str) -> np.random.Generator:
    """Chance of its own for whatever the words name."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr((seed, *words)).encode()).digest()[:16], "little"))


class Pairing:
    """The pairs of one clip, object after object; a file that can't be read is rejected once."""

    def __init__(self, item: Planned, clip: Clip, terms: Terms, settings: ReadSettings) -> None:
        self.item, self.clip, self.terms, self.settings = item, clip, terms, settings
        self._bad: set[str] = set()

    def of(self, tracked: ObjectMasks) -> Iterator[Outcome]:
        """Up to `pairs_per_object` records, what was declined on the way, and rejects."""
        draws = generator(self.settings.seed, self.item.record_id, tracked.object_id)
        drawn = intervals.pairs(len(tracked.positions), self.terms.parts, draws)
        left = self.terms.pairs_per_object
        nothing = True
        for start, end in islice(drawn, left * TRIES):
            nothing = False
            outcome = self._pair(tracked, tracked.positions[start], tracked.positions[end])
            if outcome is not None:
                yield outcome
            left -= isinstance(outcome, Reading)
            if not left:
                return
        if nothing:
            yield Declined("too_few_frames")

    def _pair(self, tracked: ObjectMasks, start: int, end: int) -> Outcome | None:
        """None where a file is to blame that was rejected already."""
        try:
            masks = tracked.mask(start), tracked.mask(end)
            reason = acceptance.declined(masks[0].pixels, masks[1].pixels, self.terms.rule)
            if reason is not None:
                return Declined(reason)
            halves = [self._half(position, mask) for position, mask in zip((start, end), masks, strict=True)]
        except Unreadable as error:
            return self._rejection(error)
        reason = self.terms.variety.declined(halves[0], halves[1])
        if reason is not None:
            return Declined(reason)
        return records.pair(self.item, self.settings, tracked.object_id, self.terms.dynamics, halves[0], halves[1])

    def _half(self, position: int, mask: ObjectMask) -> Half:
        frame: Frame = self.clip.frame(position)
        fitting = mask.for_picture(*frame.pixels.shape[:2])
        return Half(frame, fitting, self.clip.name(position), self.clip.number(position))

    def _rejection(self, error: Unreadable) -> Rejection | None:
        if error.path in self._bad:
            return None
        self._bad.add(error.path)
        return Rejection(self.item.record_id, "read", "unreadable", str(error), error.path)
