"""Which pictures have room for a crop: the rule by the picture it makes, and the records of shards by it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
from support import small_shards

from schemas import codecs
from vton_models.reading import shapes
from vton_models.reading.catalogue import catalogue
from vton_models.system import Shape

PHOTOS = ("person_image", "garment_image")


@pytest.mark.parametrize(
    ("size", "crop", "room"),
    [
        ((1024, 768), (640, 512), True),
        ((1280, 1024), (640, 512), True),  # exactly 1.25
        ((1279, 1024), (640, 512), False),
        ((1000, 1000), (640, 512), False),
        ((768, 1024), (640, 512), False),
        ((1000, 1000), (512, 512), True),
        ((768, 1024), (512, 512), True),
        ((640, 512), (512, 640), False),
        ((512, 700), (512, 640), True),
        ((512, 600), (512, 640), False),
    ],
)
def test_the_shorter_side_becomes_the_crops(size: tuple[int, int], crop: tuple[int, int], room: bool) -> None:
    assert Shape(PHOTOS, *crop, pads=True).holds(*size) == room
    scaled = [min(crop) * side // min(size) for side in size]
    assert room == all(side >= needed for side, needed in zip(scaled, crop, strict=True))


def picture(height: int, width: int) -> dict[str, Any]:
    return {"bytes": codecs.encode_png(np.zeros((height, width, 3), np.uint8)), "path": "x.png"}


def change(number: int, row: dict[str, Any]) -> None:
    if number == 1:
        row["garment_image"] = picture(50, 50)
    if number == 2:
        row |= {"person_image": picture(50, 80), "height": 50, "width": 80}
    if number == 3:
        row["garment_image"] = {"bytes": b"no picture", "path": "x.png"}
    if number == 4:
        row["height"] = None


@pytest.mark.parametrize(
    ("columns", "flat"), [(PHOTOS, {1, 2}), (("person_image",), {2}), (("garment_image",), {1}), ((), set())]
)
def test_records_without_room(tmp_path: Path, columns: tuple[str, ...], flat: set[int]) -> None:
    """The person's by its columns, the garment's by its first bytes; what says nothing isn't judged."""
    folder = small_shards.write(tmp_path / "shards", 5, change)
    listed = catalogue(str(folder), None, None, None)
    found = shapes.without_room(listed, Shape(columns, 80, 64, pads=True))
    assert found == {f"small/train/{number:05}" for number in flat}
