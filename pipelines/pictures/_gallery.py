"""A record as one picture: the photo and the garment, what was computed of them, every mask, and a model's result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from annotators.functional import drawing, skeletons
from schemas import kinds, pages

WIDTH, GAP, MARGIN, LABEL = 1600, 16, 28, 30
LARGE, SMALL = 6, 9  # pictures of a row
_INK, _MUTED, _GROUND = (25, 28, 33), (105, 110, 120), (255, 255, 255)
_REPAINTED, _EDGE = np.array([128, 128, 128]), (226, 88, 34)
_DIMMED = 0.35  # of a photo under the joints that are drawn on it
_MASK, _CHOOSES = "agnostic_mask", "auto"


@dataclass(frozen=True)
class Tile:
    """A picture uint8 [h w 3] with words below it; `note` in a second, paler line."""

    title: str
    picture: np.ndarray
    note: str = ""


def tiles(record: Mapping[str, Any], plain_recipe: str) -> tuple[list[Tile], list[Tile]]:
    """What was read and computed, and the masks, of a decoded try-on record; `plain_recipe` made `agnostic_mask`."""
    photo = record["person_image"]
    first = [Tile("photo", photo), Tile("garment", record["garment_image"])]
    if record.get("parse") is not None:
        first.append(Tile("human parsing", pages.coloured(kinds.TRYON.fields["parse"], record["parse"])))
    if record.get("densepose_image") is not None:
        first.append(Tile("DensePose", record["densepose_image"]))
    if record.get("keypoints") is not None:
        first.append(Tile("pose", posed(photo, record["keypoints"])))
    if record.get("high_frequency_map") is not None:
        first.append(Tile("high-frequency map", record["high_frequency_map"]))
    masks = [name for name in record if name.startswith(_MASK) and record[name] is not None]
    named = {name.removeprefix(f"{_MASK}_") if name != _MASK else plain_recipe: record[name] for name in masks}
    if len(named) > 1:
        named.pop(_CHOOSES, None)  # its mask is one of the others'
    return first, [Tile(name, masked(photo, mask)) for name, mask in named.items()]


def posed(photo: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """uint8 [h w 3]: the skeleton BODY_25 [25 3] over a dimmed photo."""
    bones = skeletons.body25(keypoints, *photo.shape[:2])
    return np.where(bones.any(axis=2, keepdims=True), bones, (photo * _DIMMED).astype(np.uint8))


def masked(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [h w 3]: what a model repaints is grey, and outlined."""
    grey = np.where(mask[:, :, None] > 0, (0.15 * photo + 0.85 * _REPAINTED).astype(np.uint8), photo)
    return drawing.outlined(grey, mask, _EDGE)


def sheet(rows: Sequence[Sequence[Tile]], texts: Sequence[tuple[str, str]]) -> Image.Image:
    """Rows of tiles, broken where they are too long, and below them texts beside their names; masks are smaller."""
    sizes = zip(rows, (LARGE, SMALL, LARGE), strict=True)
    drawn = [_row(row[at : at + most], most) for row, most in sizes for at in range(0, len(row), most)]
    lines = _texts(texts)
    height = sum(image.height for image in drawn) + lines.height + GAP * len(drawn) + 2 * MARGIN
    canvas, top = Image.new("RGB", (WIDTH, height), _GROUND), MARGIN
    for image in [*drawn, lines]:
        canvas.paste(image, (MARGIN, top))
        top += image.height + GAP
    return canvas


def _row(row: Sequence[Tile], most: int) -> Image.Image:
    inner = WIDTH - 2 * MARGIN
    width = (inner - GAP * (most - 1)) // most
    pictures = [_narrow(tile.picture, width) for tile in row]
    tallest = max(picture.height for picture in pictures)
    two_lines = any(tile.note for tile in row)
    canvas = Image.new("RGB", (inner, tallest + LABEL + (20 if two_lines else 0)), _GROUND)
    pen = ImageDraw.Draw(canvas)
    for number, (tile, picture) in enumerate(zip(row, pictures, strict=True)):
        left = number * (width + GAP)
        canvas.paste(picture, (left, tallest - picture.height))
        pen.text((left, tallest + 6), tile.title, _INK, ImageFont.load_default(17))
        pen.text((left, tallest + 28), tile.note, _MUTED, ImageFont.load_default(13))
    return canvas


def _narrow(pixels: np.ndarray, width: int) -> Image.Image:
    height = round(pixels.shape[0] * width / pixels.shape[1])
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)


def _texts(texts: Sequence[tuple[str, str]]) -> Image.Image:
    canvas = Image.new("RGB", (WIDTH - 2 * MARGIN, 30 * len(texts)), _GROUND)
    pen = ImageDraw.Draw(canvas)
    for number, (name, text) in enumerate(texts):
        pen.text((0, 30 * number), name, _MUTED, ImageFont.load_default(17))
        pen.text((170, 30 * number), text, _INK, ImageFont.load_default(17))
    return canvas
