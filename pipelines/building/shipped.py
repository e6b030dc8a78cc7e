"""A shipped file's bytes → the columns it fills, at the size of the photo it belongs to, and what follows from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from annotators.common import decoding
from annotators.functional import crosschecks, densepose, parsing
from annotators.functional import geometry as shapes
from schemas import codecs, fields, kinds, labels, record
from schemas.foreign import keypoints, label_maps, masks
from schemas.uv import decode_uv

Size = tuple[int, int]  # height, width
PARTS = "densepose_parts"  # a part map on its own: no column, but `densepose_image` follows from it
SLACK = 0.01  # of a side, by which tools round sizes to multiples of 2, 8 or 64
SMALLEST = 8  # a picture with less than 1/8 of its photo's sides is taken for something else


@dataclass(frozen=True)
class Found:
    """Values decoded from one file, what had to be done to them, and whether its bytes may go into a shard."""

    columns: dict[str, np.ndarray]
    note: str = ""
    bytes_can_stay: bool = False


def decode(reference: str, data: bytes, size: Size) -> Found:
    """The columns in a file listed as `reference`, of a photo of `size`.

    Raises codecs.CodecError, also for a picture of another shape than its photo.
    """
    if reference in (PARTS, "densepose", "densepose_image"):
        return _densepose(reference, data, size)
    field = kinds.TRYON.fields[reference]
    if fields.kind(field) == "keypoints":
        pose = keypoints.read(data, size)
        return Found(pose.columns, pose.note)
    if fields.kind(field) == "image":
        return _picture(reference, data, size)
    if fields.kind(field) == "mask":
        annotation = masks.read(data, painted_is_transparent=reference == "agnostic_mask")
    else:
        annotation = label_maps.read(data, fields.label_space(field))
    value, note = _at_size(annotation.value, size, nearest=True)
    return Found({reference: value}, _joined(annotation.note, note))


def decode_iuv(parts: bytes, uv: bytes, size: Size) -> Found:
    """`densepose`, uint8 [h w 3] I, U, V, from Dress Code's two files. Raises codecs.CodecError."""
    ids = codecs.decode_parts(parts)
    value, note = _at_size(np.dstack([ids, decode_uv(uv, ids.shape)]), size, nearest=True)
    return Found({"densepose": value}, note)


def _picture(column: str, data: bytes, size: Size) -> Found:
    photo = decoding.photo(data)
    value, note = _at_size(photo.pixels, size, nearest=False)
    return Found({column: value}, note, photo.bytes_can_stay and not note)


def _densepose(reference: str, data: bytes, size: Size) -> Found:
    """I, U, V in three channels; a picture in part colours; or, in one channel, part ids alone (GP-VTON's files)."""
    ids = _part_ids(reference, data)
    if ids is not None:
        parts, note = _at_size(ids, size, nearest=True)
        if reference != "densepose_image":
            return Found({PARTS: parts}, note)
        return Found({reference: densepose.render(parts)}, _joined(note, "drawn from a shipped part map"))
    photo = decoding.photo(data)
    order = crosschecks.densepose_channels(photo.pixels)
    if reference == "densepose_image" and not order:
        return _picture(reference, data, size)
    if photo.format == "JPEG":
        raise codecs.CodecError("not I, U, V: JPEG mixes them; allowed is PNG")
    iuv = photo.pixels[..., ::-1] if order == "vui" else photo.pixels
    highest = int(iuv[..., 0].max(initial=0))
    if highest > max(labels.DensePose):
        raise codecs.CodecError(f"not I, U, V: part ids up to {highest}; allowed are 0 to 24")
    value, resized = _at_size(np.ascontiguousarray(iuv), size, nearest=True)
    turned = "channels V, U, I read in the order I, U, V" if order == "vui" else ""
    if reference == "densepose_image":
        return Found({reference: densepose.render(value[..., 0])}, _joined(turned, resized, "drawn from I, U, V"))
    return Found({reference: value}, _joined(turned, resized), photo.bytes_can_stay and not turned and not resized)


def _part_ids(reference: str, data: bytes) -> np.ndarray | None:
    """uint8 [h w] where the file is a part map; None for one with colours or channels. Raises codecs.CodecError."""
    mode = codecs.mode_of(data)
    if reference != PARTS and mode not in ("L", "P"):
        return None
    try:
        return codecs.decode_parts(data)
    except codecs.CodecError:
        if reference == "densepose_image" and mode == "P":
            return None  # a picture with some colours more, after JPEG
        raise


def _at_size(value: np.ndarray, size: Size, nearest: bool) -> tuple[np.ndarray, str]:
    """A picture [h w] or [h w 3] at its photo's size, and a note where that took a resize.

    Raises codecs.CodecError where it hasn't the photo's shape.
    """
    height, width = value.shape[:2]
    if (height, width) == size:
        return value, ""
    if not _same_shape((height, width), size):
        raise codecs.CodecError(f"{height}x{width} pixels; its photo has {size[0]}x{size[1]}")
    if nearest:
        resized = shapes.label_map(value, shapes.fit((height, width), size, "stretch"))
    else:
        resized = np.array(Image.fromarray(value).resize(size[::-1], Image.Resampling.BILINEAR))
    return resized, f"{record.WRONG_SIZE}: {height}x{width}, its photo has {size[0]}x{size[1]}"


def _same_shape(own: Size, photo: Size) -> bool:
    """True where one side, scaled as the other, is nearly the photo's, and the picture isn't tiny."""
    (height, width), (photo_height, photo_width) = own, photo
    large_enough = SMALLEST * height >= photo_height and SMALLEST * width >= photo_width
    by_height = abs(photo_width * height / photo_height - width) <= max(1, SLACK * width)
    by_width = abs(photo_height * width / photo_width - height) <= max(1, SLACK * height)
    return large_enough and (by_height or by_width)


def cihp(maps: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str]:
    """`parse` from shipped label maps, space ("atr", "lip" or both) → uint8 [h w], and a note on what it lacks.

    ATR leads, as it tells skirt, trousers and dress like CIHP; its belts go to the garment they touch. LIP, where it
    is there too, tells neck from face (OOTDiffusion's rule).
    """
    if "atr" not in maps:
        gone = labels.lost(maps["lip"], "lip", "cihp")
        return parsing.to_cihp(maps["lip"], "lip"), _joined("from the shipped parse_lip", _lost(gone), "no neck")
    atr, lip = maps["atr"], maps.get("lip")
    marked = atr if lip is None else parsing.mark_neck(atr, lip)
    gone = [
        f"{name} (to the garment it touches)" if name == "BELT" else name for name in labels.lost(atr, "atr", "cihp")
    ]
    neck = "" if (marked == labels.Atr.NECK).any() else "FACE may hold the neck"
    origin = "from the shipped parse_atr" + ("" if lip is None else ", neck by the shipped parse_lip")
    return parsing.to_cihp(marked, "atr"), _joined(origin, _lost(gone), neck)


def _lost(names: list[str]) -> str:
    return f"lost {', '.join(names)}" if names else ""


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


_MOVES: dict[str, Callable[[np.ndarray, shapes.Geometry], np.ndarray]] = {
    "image": shapes.photo,
    "mask": shapes.mask,
    "label_map": shapes.label_map,
    "keypoints": shapes.keypoints,
}
_IDS = {"densepose", PARTS}  # must not be mixed by a filter
_ON_BLACK = {"densepose_image", "pose_image"}


def moved(column: str, value: np.ndarray, geometry: shapes.Geometry) -> np.ndarray:
    """The column's value where `geometry` takes its photo."""
    if not moves(geometry):
        return value
    if column in _IDS:
        return shapes.label_map(value, geometry)
    if column in _ON_BLACK:
        return shapes.photo(value, geometry, fill=0)
    return _MOVES[fields.kind(kinds.TRYON.fields[column])](value, geometry)


def moves(geometry: shapes.Geometry) -> bool:
    return geometry != shapes.identity(geometry.source_height, geometry.source_width)
