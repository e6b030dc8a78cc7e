"""Records of a notebook: pictures as PIL pictures, paths, bytes or arrays are the same to every annotator."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.helpers import draw

import annotators
from annotators.common.opening import opened
from schemas import codecs

PHOTO = draw(1)["garment"]


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["array", "PIL", "path", "text", "bytes"])
def test_every_form_of_a_photo_gives_the_same_mask(form: str, tmp_path: Path) -> None:
    image, path = Image.fromarray(PHOTO), tmp_path / "shirt.png"
    path.write_bytes(png(image))
    photo: Any = {"array": PHOTO, "PIL": image, "path": path, "text": str(path), "bytes": path.read_bytes()}[form]
    (expected,) = annotators.annotate([{"garment_image": PHOTO}], want=["garment_mask"])
    (result,) = annotators.annotate([{"garment_image": photo}], want=["garment_mask"])
    np.testing.assert_array_equal(result["garment_mask"], expected["garment_mask"])
    np.testing.assert_array_equal(result["garment_image"], PHOTO)


def test_pictures_of_other_modes_are_what_their_column_holds(tmp_path: Path) -> None:
    ids = np.zeros((6, 4), np.uint8)
    ids[2:] = 5
    see_through = Image.fromarray(np.dstack([np.zeros((6, 4, 3), np.uint8), np.where(ids, 255, 0).astype(np.uint8)]))
    turned = Image.new("RGB", (6, 4), (255, 0, 0))
    turned.getexif()[0x0112] = 6
    record = opened({
        "person_image": turned,
        "garment_image": see_through,
        "garment_mask": Image.fromarray(ids > 0),
        "parse": codecs.encode_label_map(ids, "cihp"),
        "pose_image": Image.new("CMYK", (4, 6)),
        "densepose_image": Image.new("L", (4, 6), 7),
        "caption": "no/path.jpg",
        "keypoints": None,
        "agnostic_mask": None,
    })  # fmt: skip
    assert record["person_image"].shape == (6, 4, 3), "upright"
    assert (record["garment_image"] == np.where(ids, 0, 255)[..., None]).all(), "on white"
    assert (record["garment_mask"] == np.where(ids, 255, 0)).all()
    assert (record["parse"] == ids).all()
    assert record["pose_image"].shape == (6, 4, 3) and (record["densepose_image"] == 7).all()
    assert record["caption"] == "no/path.jpg" and record["agnostic_mask"] is None


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        ("nowhere.jpg", FileNotFoundError, "nowhere.jpg"),
        (b"no picture", ValueError, "picture"),
        ([[1, 2], [3, 4]], TypeError, "person_image is a list; allowed are an array, a PIL picture, a path"),
    ],
)
def test_what_is_no_picture_is_said(value: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        annotators.annotate([{"person_image": value}], want=["quality"])
