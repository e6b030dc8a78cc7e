"""Masks that a tracker carries from the frames where they are known to the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from annotators.functional import masks, shots
from annotators.tracking import Tracker
from pipelines.sources.clips.pairs.frames import Clip, Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMask, ObjectMasks

LEAST_SCORE = 0.5  # of a step that a pair may show


@dataclass(frozen=True)
class Packed:
    """A mask, eight pixels to a byte."""

    bits: np.ndarray
    height: int
    width: int

    @classmethod
    def of(cls, mask: np.ndarray) -> "Packed":
        return cls(np.packbits(mask > 0, axis=1), *mask.shape)

    def mask(self) -> np.ndarray:
        """uint8 [h w] 0/255."""
        return masks.as_mask(np.unpackbits(self.bits, axis=1, count=self.width))


def carry(
    clip: Clip, positions: Sequence[int], seeds: Mapping[str, ObjectMask], seed: int, tracker: Tracker
) -> list[ObjectMasks]:
    """The objects of one frame, followed to the others of these ascending positions, forwards and backwards.

    `seed` is the position of the frame that the masks are of. A track ends at a cut, and at a frame that can't be read.
    Raises Unreadable where the seed's own frame can't be read.
    """
    kept: dict[str, dict[int, Packed]] = {name: {} for name in seeds}
    height, width = clip.frame(seed).pixels.shape[:2]
    fitted = {name: mask.for_picture(height, width) for name, mask in seeds.items()}
    later = [position for position in positions if position > seed]
    earlier = [position for position in reversed(positions) if position < seed]
    for way in (later, earlier):
        steps = tracker.follow(_one_shot(clip, [seed, *way]), [mask.pixels for mask in fitted.values()])
        for position, objects in zip(way, steps, strict=False):
            for name, step in zip(seeds, objects, strict=True):
                if step is not None and step.score >= LEAST_SCORE:
                    kept[name][position] = Packed.of(step.mask)
    return [
        ObjectMasks(name, tuple(sorted([seed, *packed])), partial(_mask, fitted[name], seed, packed, tracker.NAME))
        for name, packed in kept.items()
    ]


def _mask(given: ObjectMask, seed: int, packed: Mapping[int, Packed], tracker: str, position: int) -> ObjectMask:
    if position == seed:
        return given
    return ObjectMask(packed[position].mask(), annotator=f"tracking:{tracker}")


def _one_shot(clip: Clip, positions: Iterable[int]) -> Iterator[np.ndarray]:
    """The pictures up to the first cut, or to the first that can't be read or has another size."""
    before: np.ndarray | None = None
    size: tuple[int, ...] | None = None
    for position in positions:
        try:
            pixels = clip.frame(position).pixels
        except Unreadable:
            return
        colours = shots.colours(pixels)
        if (before is not None and shots.is_cut(before, colours)) or (size or pixels.shape) != pixels.shape:
            return
        before, size = colours, pixels.shape
        yield pixels


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` positions, evenly spread, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())) if count else []
