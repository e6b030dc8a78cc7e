"""What a person is shown of a record: every kind says it, and of pairs it is what AnyDoor is trained on."""

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import object_pairs

from annotators.functional import densepose
from annotators.functional.placement import collage, outlines
from pipelines import pictures
from pipelines.pictures import object_pair, tryon
from schemas import codecs, fields, kinds, labels, record
from schemas.pages import Layer

TITLES = ["reference", "target, its box ×1.1 and the crop", "reference, cut out", "crop with the details in its box"]
TITLES.append("white: to be painted, grey: beyond the picture")


def drawn(row: dict[str, Any]) -> dict[str, np.ndarray]:
    def values(column: str) -> Any:
        return record.decode(kinds.OBJECT_PAIR.fields[column], row[column])

    return {view.title: view.draw() for view in object_pair.views(row, values)}


def layers(row: dict[str, Any], title: str) -> dict[str, Layer]:
    """What lies over a picture of a pair that is shown at its own size."""

    def values(column: str) -> Any:
        return record.decode(kinds.OBJECT_PAIR.fields[column], row[column])

    (view,) = (view for view in object_pair.views(row, values) if view.title == title)
    return {name: draw(object_pairs.WIDTH, object_pairs.HEIGHT) for name, draw in view.layers.items()}


def corners(layer: Layer) -> tuple[float, float, float, float]:
    """x0 y0 x1 y1 of a layer's only line."""
    (line,) = layer.outlines
    points = np.array([float(n) for n in re.findall(r"[\d.]+", line.path)]).reshape(-1, 2)
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def test_every_kind_says_what_is_shown_of_it() -> None:
    assert set(pictures.names()) == set(kinds.KINDS)
    for kind in kinds.KINDS.values():
        module = pictures.of(kind)
        assert list(module.facts({})) in ([], [""]) and list(module.views({}, lambda column: None)) == []


def test_a_pair_is_shown_with_outlines_box_crop_and_composite() -> None:
    row = object_pairs.row(0)
    shown = drawn(row)
    assert list(shown) == TITLES
    for title, column in zip(TITLES[:2], ("reference_image", "target_image"), strict=True):
        assert np.array_equal(shown[title], codecs.decode_image(row[column]["bytes"]))
    on_reference, on_target = layers(row, TITLES[0]), layers(row, TITLES[1])
    assert list(on_reference) == ["reference_mask"] and list(on_target) == ["target_mask", "box ×1.1", "crop"]
    mask = codecs.decode_mask(row["target_mask"]["bytes"])
    assert corners(on_target["box ×1.1"]) == outlines.expand(outlines.of_mask(mask), 1.1, *mask.shape)
    rows, columns = np.nonzero(mask)
    around = (columns.min(), rows.min(), columns.max(), rows.max())
    assert corners(on_target["target_mask"]) == pytest.approx(around, abs=1)
    assert corners(on_target["crop"]) == object_pair.placement(row["record_id"], mask).crop
    drawn_in = {line.colour for layer in on_target.values() for line in layer.outlines}
    assert drawn_in == {object_pair.OUTLINE, object_pair.BOX, object_pair.CROP}
    assert shown[TITLES[2]].shape == (224, 224, 3) and (shown[TITLES[2]][0] == 255).all()
    assert shown[TITLES[3]].shape == shown[TITLES[4]].shape == (512, 512, 3)
    assert set(np.unique(shown[TITLES[4]])) <= {0, 128, 255}
    again = drawn(row)
    assert all(np.array_equal(again[title], shown[title]) for title in shown), "chance follows from the record's id"
    crops = {corners(layers(object_pairs.row(0, record_id=str(number)), TITLES[1])["crop"]) for number in range(6)}
    assert len(crops) > 1


def test_a_still_is_its_own_target() -> None:
    row = object_pairs.row(0, "still")
    shown = drawn(row)
    assert list(shown) == TITLES
    assert np.array_equal(shown[TITLES[1]], codecs.decode_image(row["reference_image"]["bytes"]))
    assert list(layers(row, TITLES[1])) == ["reference_mask", "box ×1.1", "crop"]


def test_a_target_that_is_a_box_is_placed_there() -> None:
    box = np.array([20, 10, 50, 40], np.float32)
    on_target = layers(object_pairs.row(0, target_mask=None, target_box=box), TITLES[1])
    assert list(on_target) == ["box ×1.1", "crop"]
    placed = outlines.expand((20, 10, 49, 39), 1.1, object_pairs.HEIGHT, object_pairs.WIDTH)
    assert corners(on_target["box ×1.1"]) == placed


def test_a_pair_without_a_target_shows_its_columns_alone() -> None:
    assert drawn(object_pairs.row(0, target_mask=None)) == {}


def test_facts_of_a_pair() -> None:
    quality = {"reference_area": 0.176, "target_area": 0.02}
    assert list(object_pair.facts(object_pairs.row(0, quality=quality))) == [
        "frame 0 → 5",
        "48×64",
        "object covers 17.6% → 2.0%",
    ]
    assert list(object_pair.facts(object_pairs.row(0, "still", reference_frame=3))) == ["frame 3", "48×64"]
    assert list(object_pair.facts(object_pairs.row(0, target_image={"bytes": b"x", "path": "x"})))[1:] == [
        "48×64 → unreadable"
    ]


def test_a_mask_of_another_size_is_refused() -> None:
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.ones((4, 8), np.uint8)
    with pytest.raises(ValueError, match=r"mask of \(4, 8\) for a picture of \(8, 8\)"):
        object_pair.trained("a", picture, mask, picture, mask)


def test_the_box_drawn_is_the_box_of_the_composite() -> None:
    """All in which the collage differs from the scene is the box."""
    mask = np.zeros((200, 200), np.uint8)
    mask[80:120, 70:130] = 1
    scene = np.full((200, 200, 3), 99, np.uint8)
    for number in range(5):
        pair = object_pair.trained(str(number), scene, mask, scene, mask)
        place = object_pair.placement(str(number), mask)
        x0, y0, x1, y1 = place.box_in_crop
        scale = 512 / (place.crop[2] - place.crop[0])
        rows, columns = np.nonzero((pair.composite.collage != pair.composite.scene).any(axis=2))
        corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert corners == pytest.approx([side * scale for side in (x0, y0, x1, y1)], abs=scale)


def test_the_masks_values_have_their_shades() -> None:
    mask = np.array([[collage.PAD, collage.KEEP, collage.GENERATE]], np.int8)
    assert object_pair.shades(mask)[0].tolist() == [[128] * 3, [0] * 3, [255] * 3]


def photo_cell(pixels: np.ndarray) -> dict[str, Any]:
    return {"bytes": codecs.encode_png(pixels), "path": "x.png"}


def test_every_colour_of_densepose_tells_its_part() -> None:
    table = tryon._parts_of_colours()
    told = [int(table[tuple(np.asarray(colour) >> 2)]) for colour in labels.DENSEPOSE_COLOURS]
    assert told == list(range(25))


def test_over_a_person_lies_what_is_aligned_with_it() -> None:
    """A square of upper clothes, a mask around it, and one bone, at half their size."""
    parse, mask = np.zeros((80, 60), np.uint8), np.zeros((80, 60), np.uint8)
    parse[20:60, 10:50], mask[16:64, 8:52] = labels.Cihp.UPPER_CLOTHES, 255
    parts = np.where(parse > 0, np.uint8(labels.DensePose.TORSO_FRONT), np.uint8(0))
    keypoints = np.zeros((25, 3), np.float32)
    keypoints[1], keypoints[8], keypoints[4] = (30, 20, 0.9), (30, 60, 0.8), (5, 5, 0.01)
    row = {
        "person_image": photo_cell(np.full((80, 60, 3), 99, np.uint8)),
        "garment_image": photo_cell(np.full((80, 60, 3), 200, np.uint8)),
        "parse": {"bytes": codecs.encode_label_map(parse, "cihp"), "path": "x.png"},
        "densepose_image": photo_cell(densepose.render(parts)),
        "keypoints": keypoints.ravel(),
        "agnostic_mask": {"bytes": codecs.encode_mask(mask), "path": "x.png"},
        "agnostic_mask_catvton": {"bytes": codecs.encode_mask(mask), "path": "x.png"},
        "garment_mask": {"bytes": codecs.encode_mask(mask), "path": "x.png"},
    }
    columns = {**kinds.TRYON.fields, "agnostic_mask_catvton": fields.mask("agnostic_mask_catvton")}
    person, garment = tryon.views(row, lambda column: record.decode(columns[column], row[column]))
    assert person.main and garment.main and list(garment.layers) == ["garment_mask"]
    on_person = {name: draw(30, 40) for name, draw in person.layers.items()}
    recipes = ["agnostic_mask", "agnostic_mask_catvton"]
    assert list(on_person) == ["parse", "densepose_image", "keypoints", *recipes]
    assert corners(on_person["agnostic_mask"]) == pytest.approx((4, 8, 25, 31), abs=1)
    assert len({on_person[name].outlines[0].colour for name in recipes}) == 2
    assert [(point.x, point.y) for point in on_person["keypoints"].points] == [(15, 10), (15, 30)]
    assert on_person["keypoints"].points[0].label == "neck 0.90"
    assert on_person["keypoints"].outlines[0].path == "M15.0 10.0L15.0 30.0"
    for name, space in (("parse", "cihp"), ("densepose_image", "densepose")):
        layer = on_person[name]
        image = Image.open(io.BytesIO(base64.b64decode(layer.source.partition(",")[2])))
        colour = "#{:02x}{:02x}{:02x}".format(*np.asarray(image.convert("RGB"))[20, 15])
        told = pictures.names_of_colours()[space][colour]
        assert layer.space == space and told == {"cihp": "upper clothes", "densepose": "torso front"}[space]
        assert np.asarray(image.convert("RGBA"))[0, 0, 3] == 0, "the background is clear"
