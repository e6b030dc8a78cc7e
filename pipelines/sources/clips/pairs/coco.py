"""Objects as COCO's JSON holds them, with outlines or run lengths: of each that is large enough, a still."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.sources.clips.pairs import polygons, rle, views
from pipelines.sources.clips.pairs.frames import Frame, Unreadable
from pipelines.sources.clips.pairs.objects import ObjectMask
from pipelines.sources.clips.pairs.pairing import Terms
from pipelines.sources.clips.pairs.stills import stem
from pipelines.sources.outcomes import Declined, Outcome, Planned, ReadSettings, Rejection
from schemas.messages import printable


@dataclass(frozen=True)
class Annotations:
    """Objects of a photo, each with its `area` in pixels and its `segmentation`; the file that they stand in."""

    objects: Sequence[Mapping[str, Any]]
    path: str
    digest: str | None = None


def stills(
    item: Planned, settings: ReadSettings, terms: Terms, photo: Frame, annotations: Annotations, smallest: float
) -> Iterator[Outcome]:
    """Every object of more than `smallest` pixels; one whose mask is none is rejected, the others aren't to blame."""
    height, width = photo.pixels.shape[:2]
    for number, annotation in enumerate(annotations.objects):
        try:
            if _area(annotation) <= smallest:
                yield Declined("small_object")
                continue
            pixels = mask(annotation.get("segmentation"), height, width)
            own = views.half(photo, ObjectMask(pixels, annotations.path, annotations.digest), stem(photo.path))
        except (ValueError, TypeError, Unreadable) as error:
            message = f"object {number}: {error or type(error).__name__}"
            yield Rejection(item.record_id, "read", "unreadable", message, annotations.path)
            continue
        yield views.pair(item, settings, terms, printable(str(annotation.get("id", number))), own)


def mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """uint8 [h w] 0/255 of a `segmentation`; run lengths have a size of their own. Raises ValueError."""
    if isinstance(segmentation, list):
        return polygons.mask(segmentation, height, width)
    if not isinstance(segmentation, Mapping):
        raise ValueError(f"a segmentation that is {type(segmentation).__name__}; allowed are outlines and run lengths")
    return rle.decode(segmentation)


def _area(annotation: Mapping[str, Any]) -> float:
    area = annotation.get("area")
    if isinstance(area, bool) or not isinstance(area, int | float):
        raise ValueError(f"its area {area!r} is no number")
    return float(area)
