"""Masks: white on black in any mode, 0 and 1, two colours, or kept in alpha."""

import numpy as np
from PIL import Image

from schemas import codecs
from schemas.foreign import Annotation

OPAQUE = 128
_FEW_COLOURS = 2
_LEAST = 0.002  # of the picture: fewer see-through pixels are edges or dust


def read(data: bytes, painted_is_transparent: bool = False) -> Annotation:
    """uint8 [h w] 0/255, 255 = set.

    Of a picture with transparency whose colours are no mask, alpha is the mask. What is opaque is set, as in a cut-out;
    with `painted_is_transparent`, and a photo below, what is see-through, as image editors for inpainting write it.
    Raises CodecError where so many pixels are grey that the file is a photo and no mask.
    """
    image = codecs.open_picture(data)
    if image.has_transparency_data:
        return _with_alpha(image.convert("RGBA"), painted_is_transparent)
    values, note = _values(image)
    return Annotation(codecs.to_mask(values), note)


def _values(image: Image.Image) -> tuple[np.ndarray, str]:
    """uint8 [h w] levels in which the mask is white, and a note."""
    if image.mode == "1":
        return np.where(np.asarray(image), np.uint8(255), np.uint8(0)), ""
    if image.mode in ("L", "I", "I;16", "I;16B", "F"):
        return _levels(np.asarray(image))
    colours = np.asarray(image.convert("RGB"))
    if (np.abs(colours.astype(int) - colours[..., :1]).max(initial=0)) <= OPAQUE // 4:
        return _levels(colours[..., 0])
    return _two_colours(colours)


def _levels(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Grey of any depth to 0–255; 0 and 1, or one other level beside 0, count as unset and set."""
    used = np.unique(values)
    white = 255 if values.dtype == np.uint8 else 65535
    if used.size == _FEW_COLOURS and used[0] == 0 and used[1] != 255:
        note = f"values 0 and {used[1]:g} read as unset and set" if used[1] < white / 2 else ""
        return np.where(values > 0, np.uint8(255), np.uint8(0)), note
    if used.size == 1 and used[0] == 1:
        return np.full(values.shape, 255, np.uint8), "values of 1 read as set"
    return (values if values.dtype == np.uint8 else np.asarray(codecs.from_16_bit(values))), ""


def _two_colours(colours: np.ndarray) -> tuple[np.ndarray, str]:
    """A colour on black is set, whichever it is; of more colours the first channel counts."""
    used = np.unique(colours.reshape(-1, 3), axis=0)
    if len(used) == _FEW_COLOURS and not used[0].any():
        note = f"colour {tuple(int(v) for v in used[1])} read as set"
        return np.where(colours.any(axis=2), np.uint8(255), np.uint8(0)), note
    return colours[..., 0], ""


def _with_alpha(image: Image.Image, painted_is_transparent: bool) -> Annotation:
    pixels = np.asarray(image)
    alpha, colours = pixels[..., 3], pixels[..., :3]
    if np.mean(alpha < OPAQUE) < _LEAST:  # practically opaque: the colours are the mask
        values, note = _values(image.convert("RGB"))
        return Annotation(codecs.to_mask(values), note)
    photo = _is_photo(colours)
    if not photo and _has_both(colours):
        values, note = _values(image.convert("RGB"))
        opaque = np.where(alpha < OPAQUE, np.uint8(0), values)
        return Annotation(codecs.to_mask(opaque), "; ".join(filter(None, (note, "what is transparent read as unset"))))
    if photo and painted_is_transparent:
        return Annotation(
            np.where(alpha < OPAQUE, np.uint8(255), np.uint8(0)), "mask read from alpha: transparent = set"
        )
    return Annotation(np.where(alpha < OPAQUE, np.uint8(0), np.uint8(255)), "mask read from alpha: opaque = set")


def _is_photo(colours: np.ndarray) -> bool:
    """More than a tenth neither dark nor light, or coloured."""
    middle = (colours > codecs.DARK) & (colours < codecs.LIGHT)
    return bool(middle.any(axis=2).mean() > codecs.MAX_GREY)


def _has_both(colours: np.ndarray) -> bool:
    """Dark and light in more than specks."""
    light = np.mean(colours[..., 0] >= OPAQUE)
    return bool(_LEAST <= light <= 1 - _LEAST)
