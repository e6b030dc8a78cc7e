"""Label maps: ids in one or three channels, or colours of a customary palette; the border id 255 is background."""

import numpy as np
from PIL import Image

from schemas import codecs, labels
from schemas.codecs import CodecError
from schemas.foreign import Annotation

BORDER = 255  # PASCAL VOC's id of pixels between objects
# CIHP_PGN's own colours are one above those of VITON-HD's files; other palettes are further apart than that.
_TOLERANCE = 1


def read(data: bytes, space: str) -> Annotation:
    """uint8 [h w] ids of `space` (a key of `labels.PALETTES`).

    Raises CodecError for lossy files, colours of no known palette, and ids that the space doesn't have.
    """
    image = codecs.open_picture(data)
    if image.format == "JPEG":
        raise CodecError("label map as JPEG, which mixes ids; allowed is PNG")
    ids, notes = _ids(image, space)
    if (ids == BORDER).any():
        ids = np.where(ids == BORDER, np.uint8(0), ids)
        notes = (*notes, f"border id {BORDER} read as background")
    try:
        labels.check_ids(ids, space)
    except ValueError as error:
        raise CodecError(str(error)) from None
    return Annotation(ids, "; ".join(notes))


def _ids(image: Image.Image, space: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """uint8 [h w] as the file means them, and notes."""
    if image.mode == "P":
        return _of_palette(image, space)
    pixels = np.array(image)
    if pixels.ndim == 2 and image.mode != "1":
        return _bytes(pixels), ()
    if image.mode in ("LA", "PA"):
        return np.array(image.convert("LA"))[..., 0], ("alpha left out",)
    if image.mode not in ("RGB", "RGBA"):
        raise CodecError(f"label map in mode {image.mode}; allowed are P, L, RGB and RGBA")
    colours = pixels[..., :3]
    alpha = ("alpha left out",) if image.mode == "RGBA" else ()
    used, places = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True)
    grey = bool((used == used[:, :1]).all())
    if grey and set(used[:, 0].tolist()) <= {*labels.SPACES[space], BORDER}:
        return np.ascontiguousarray(colours[..., 0]), alpha
    ids = _ids_of(used, space)
    if ids is None and grey:
        return np.ascontiguousarray(colours[..., 0]), alpha
    if ids is None:
        raise CodecError(f"label map in {len(used)} colours that aren't those of a palette of {space}")
    return ids[places].reshape(colours.shape[:2]), (*alpha, "ids read from the palette's colours")


def _of_palette(image: Image.Image, space: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The indices; ids by colour where a program has sorted a customary palette anew."""
    indices = np.array(image)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    if used.size == 0 or int(used.max()) >= len(palette):
        return indices, ()
    ids = _ids_of(palette[used], space)
    if ids is None or (ids == used).all():
        return indices, ()
    table = np.zeros(256, np.uint8)
    table[used] = ids
    return table[indices], ("ids read from the palette's colours",)


def _ids_of(colours: np.ndarray, space: str) -> np.ndarray | None:
    """uint8 [n] ids of colours uint8 [n 3]: of the space's own palette, else of VOC's; None where one is in neither.

    A grey colour in the unused part of a palette is no colour of an id.
    """
    count = max(labels.SPACES[space]) + 1
    for palette in (labels.PALETTES[space][:count], labels.voc_palette()[:count]):
        distances = np.abs(colours[:, None].astype(int) - palette[None].astype(int)).max(axis=2)
        if (distances.min(axis=1) <= _TOLERANCE).all():
            return distances.argmin(axis=1).astype(np.uint8)
    return None


def _bytes(values: np.ndarray) -> np.ndarray:
    """uint8 of whole numbers from 0 to 255 in a wider type. Raises CodecError."""
    if values.dtype == np.uint8:
        return values
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0 or values.max() > BORDER:
        raise CodecError(f"label map with values from {values.min():g} to {values.max():g}; allowed are ids")
    return values.astype(np.uint8)
