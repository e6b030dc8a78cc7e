"""One object in two views that are no frames of a clip, or in a still: masks of every sort, and the pair's record."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from annotators.functional import masks
from annotators.functional.placement import acceptance
from pipelines.sources.clips.pairs import records
from pipelines.sources.clips.pairs.frames import Frame, Unreadable, read_bytes, read_frame
from pipelines.sources.clips.pairs.objects import ObjectMask, index_picture
from pipelines.sources.clips.pairs.pairing import Terms
from pipelines.sources.clips.pairs.records import Half
from pipelines.sources.outcomes import Declined, Outcome, Planned, Reading, ReadSettings, Rejection
from schemas import codecs
from schemas.folders import InputFolder

THRESHOLD = 128  # of a grey or transparent mask: set above it


def pair(
    item: Planned,
    settings: ReadSettings,
    terms: Terms,
    object_id: str,
    reference: Half,
    target: Half | None = None,
) -> Reading | Declined:
    """The record of an object; a still, without a target, keeps the rules as its own target."""
    other = reference if target is None else target
    reason = acceptance.declined(reference.mask.pixels, other.mask.pixels, terms.rule)
    if reason is None:
        limits = terms.variety if target is not None else replace(terms.variety, largest_overlap=1.0)
        reason = limits.declined(reference, other)
    if reason is not None:
        return Declined(reason)
    return records.pair(item, settings, object_id, terms.dynamics, reference, target)


def rejecting(item: Planned, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """What an entry gives until one of its files can't be read: that is a reject, and the end."""
    try:
        yield from outcomes
    except Unreadable as error:
        yield Rejection(item.record_id, "read", "unreadable", str(error), error.path)


def half(frame: Frame, mask: ObjectMask, name: str, number: int = 0) -> Half:
    """A view and its mask at the view's size. Raises Unreadable where the sizes differ by more than a pixel."""
    return Half(frame, mask.for_picture(*frame.pixels.shape[:2]), name, number)


def frame(item: Planned, root: InputFolder, role: str) -> Frame:
    """The picture of an entry's role. Raises Unreadable."""
    return read_frame(root, item.references[role][0])


def grey_mask(item: Planned, root: InputFolder, role: str) -> ObjectMask:
    """Set where a grey picture is lighter than half. Raises Unreadable, also for what is a photo and no mask."""
    return _mask(root, item.references[role][0], _light)


def label_mask(item: Planned, root: InputFolder, role: str, labels: tuple[int, ...], erosions: int = 0) -> ObjectMask:
    """Set where a label map holds one of these ids, shrunk so many times by a pixel on all sides. Raises Unreadable."""

    def decode(data: bytes) -> np.ndarray:
        own = masks.of_labels(_label_map(data), labels)
        return masks.erode(own, 3, erosions) if erosions else own

    mask = _mask(root, item.references[role][0], decode)
    return replace(mask, notes=(f"shrunk by {erosions} pixels",)) if erosions else mask


def alpha_mask(root: InputFolder, path: str) -> ObjectMask:
    """Set where a picture is opaque by more than half. Raises Unreadable, also for a picture without transparency."""
    return _mask(root, path, lambda data: masks.as_mask(rgba(data)[..., 3] > THRESHOLD))


def rgba(data: bytes) -> np.ndarray:
    """uint8 [h w 4] of a picture with transparency, its colours as they are stored. Raises codecs.CodecError."""
    image = codecs.open_picture(data)
    if not image.has_transparency_data:
        raise codecs.CodecError(f"a picture of mode {image.mode}; allowed is one with transparency")
    return np.asarray(image.convert("RGBA"))


def _label_map(data: bytes) -> np.ndarray:
    """Ids uint8 [h w]; also of a picture in colours of which each is a grey. Raises codecs.CodecError."""
    image = codecs.open_picture(data)
    if image.mode != "RGB":
        return index_picture(data)
    channels = np.asarray(image)
    if not (channels == channels[..., :1]).all():
        raise codecs.CodecError("a label map in colours; allowed is one channel, or three that are equal")
    return np.ascontiguousarray(channels[..., 0])


def _light(data: bytes) -> np.ndarray:
    levels = np.asarray(codecs.open_picture(data).convert("L"))
    codecs.to_mask(levels)  # raises for a photo
    return masks.as_mask(levels > THRESHOLD)


def _mask(root: InputFolder, path: str, decode: Callable[[bytes], np.ndarray]) -> ObjectMask:
    data = read_bytes(root, path)
    try:
        return ObjectMask(decode(data), path, hashlib.sha256(data).hexdigest())
    except codecs.CodecError as error:
        raise Unreadable(path, str(error)) from None
    except (OSError, ValueError) as error:
        raise Unreadable(path, f"damaged picture ({type(error).__name__})") from None
