"""A try-on record: the person and the garment, over which everything that is aligned with them can be laid."""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image

from annotators.functional import densepose
from pipelines.pictures import Drawing, Values, View, _layers
from schemas import fields, kinds
from schemas.pages import Layer

SHOWN: tuple[str, ...] = ("agnostic_mask",)
_MASKS = ("person_mask", "worn_garment_mask", "warped_garment_mask")
_SHIFT = 2
_PARTS_FILTER = 3  # window that clears the rims which JPEG leaves around parts, in a picture that was made small


def facts(row: Mapping[str, Any]) -> Iterator[str]:
    """The photo's size, and whether the person wears this garment."""
    if row.get("height"):
        yield f"{row['height']}×{row['width']}"
    if "paired" in row:
        yield "paired" if row["paired"] else "unpaired"


def views(row: Mapping[str, Any], values: Values) -> Iterator[View]:
    """The person and the garment; what isn't aligned with them is shown beside them."""
    if row.get("person_image") is not None:
        layers = dict(_of_person(row, values))
        yield View(
            "person_image", partial(values, "person_image"), ("person_image", *layers, "densepose"), layers, True
        )
    if row.get("garment_image") is not None:
        layers = dict(_layers.outlines(["garment_mask"] if row.get("garment_mask") else [], values, first=1))
        yield View("garment_image", partial(values, "garment_image"), ("garment_image", *layers), layers, True)


def _of_person(row: Mapping[str, Any], values: Values) -> Iterator[tuple[str, Drawing]]:
    present = [column for column, cell in row.items() if cell is not None]
    for column in ("parse", "parse_lip", "parse_atr"):
        if column in present:
            space = fields.label_space(kinds.TRYON.fields[column])

            def draw_labels(width: int, height: int, column: str = column, space: str = space) -> Layer:
                return _layers.label_map(column, values(column), space, width, height)

            yield column, draw_labels
    if "densepose_image" in present:
        yield "densepose_image", lambda width, height: _parts(values("densepose_image"), width, height)
    if "keypoints" in present:
        yield "keypoints", lambda width, height: _skeleton(values, width, height)
    recipes = sorted(column for column in present if column.startswith("agnostic_mask"))
    yield from _layers.outlines([*recipes, *(name for name in _MASKS if name in present)], values)


def _parts(picture: np.ndarray, width: int, height: int) -> Layer:
    """DensePose's parts, told by their colours: resized nearest, since between two colours lies a third part's."""
    small = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))
    red, green, blue = np.moveaxis(small.astype(np.int32) >> _SHIFT, -1, 0)
    parts = densepose.mode_filter(_parts_of_colours()[red, green, blue], _PARTS_FILTER)
    return _layers.label_map("densepose_image", parts, "densepose", width, height)


@cache
def _parts_of_colours() -> np.ndarray:
    """uint8 [64 64 64]: the part of a colour, of which six bits a channel tell DensePose's own apart."""
    levels = np.arange(64, dtype=np.uint8) * 4 + 2
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return densepose.decode(cube.reshape(64, -1, 3)).reshape(64, 64, 64)


def _skeleton(values: Values, width: int, height: int) -> Layer:
    photo = values("person_image").shape[:2]
    return _layers.joints("keypoints", values("keypoints"), photo, width, height)
