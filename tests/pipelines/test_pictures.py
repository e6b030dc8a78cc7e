"""What a person is shown of a record: every kind says it, and of pairs it is what AnyDoor is trained on."""

from typing import Any

import numpy as np
import pytest
from support import object_pairs

from annotators.functional.placement import collage, outlines
from pipelines import pictures
from pipelines.pictures import object_pair
from schemas import codecs, kinds, record

TITLES = ["reference", "target, its box ×1.1 and the crop", "reference, cut out", "crop with the details in its box"]
TITLES.append("white: to be painted, grey: beyond the picture")


def drawn(row: dict[str, Any]) -> dict[str, np.ndarray]:
    def values(column: str) -> Any:
        return record.decode(kinds.OBJECT_PAIR.fields[column], row[column])

    return {view.title: view.draw() for view in object_pair.views(row, values)}


def test_every_kind_says_what_is_shown_of_it() -> None:
    assert set(pictures.names()) == set(kinds.KINDS)
    for kind in kinds.KINDS.values():
        module = pictures.of(kind)
        assert list(module.facts({})) in ([], [""]) and list(module.views({}, lambda column: None)) == []


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.unique(picture.reshape(-1, 3), axis=0).tolist()}


def test_a_pair_is_shown_with_outlines_box_crop_and_composite() -> None:
    row = object_pairs.row(0)
    shown = drawn(row)
    assert list(shown) == TITLES
    reference, target = shown[TITLES[0]], shown[TITLES[1]]
    assert object_pair.OUTLINE in colours(reference) and object_pair.BOX not in colours(reference)
    assert {object_pair.OUTLINE, object_pair.BOX, object_pair.CROP} <= colours(target)
    rows, columns = np.nonzero((target == object_pair.BOX).all(axis=2))
    mask = codecs.decode_mask(row["target_mask"]["bytes"])
    box = outlines.expand(outlines.of_mask(mask), 1.1, *mask.shape)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == box
    assert shown[TITLES[2]].shape == (224, 224, 3) and (shown[TITLES[2]][0] == 255).all()
    assert shown[TITLES[3]].shape == shown[TITLES[4]].shape == (512, 512, 3)
    assert set(np.unique(shown[TITLES[4]])) <= {0, 128, 255}
    again = drawn(row)
    assert all(np.array_equal(again[title], shown[title]) for title in shown), "chance follows from the record's id"
    ratios = {str(drawn(object_pairs.row(0, record_id=str(number)))[TITLES[1]].tobytes()) for number in range(6)}
    assert len(ratios) > 1


def test_a_still_is_its_own_target() -> None:
    row = object_pairs.row(0, "still")
    shown = drawn(row)
    assert list(shown) == TITLES
    pixels = codecs.decode_image(row["reference_image"]["bytes"])
    untouched = (shown[TITLES[1]] == pixels).all(axis=2)
    assert 0.5 < untouched.mean() < 1


def test_a_target_that_is_a_box_is_placed_there() -> None:
    box = np.array([20, 10, 50, 40], np.float32)
    shown = drawn(object_pairs.row(0, target_mask=None, target_box=box))
    assert object_pair.OUTLINE not in colours(shown[TITLES[1]])
    rows, columns = np.nonzero((shown[TITLES[1]] == object_pair.BOX).all(axis=2))
    placed = outlines.expand((20, 10, 49, 39), 1.1, object_pairs.HEIGHT, object_pairs.WIDTH)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == placed


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
