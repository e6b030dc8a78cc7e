"""Garments on their canvas: where they land, what is cut away, what keeps its colour."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import boxes, canvas, masks
from annotators.functional.garment_mask import garment_mask

SIZE = (1024, 768)


def garment(height=400, width=300, box=(60, 80, 240, 360), colour=(180, 40, 50), ground=(255, 255, 255)):
    """A block of cloth with a stripe on a plain ground, and its mask."""
    x0, y0, x1, y1 = box
    photo = np.full((height, width, 3), ground, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 255
    photo[mask > 0] = colour
    photo[(y0 + y1) // 2 : (y0 + y1) // 2 + 8, x0:x1] = (20, 20, 120)
    return photo, mask


@pytest.mark.parametrize("ground", [(255, 255, 255), (246, 246, 246), (213, 212, 208), (90, 60, 40)], ids=str)
def test_a_garment_takes_85_percent_of_the_height_on_246(ground):
    photo, mask = garment(ground=ground)
    image, moved = canvas.place(photo, mask, canvas.geometry(mask, SIZE))
    assert image.shape == (*SIZE, 3) and moved.shape == SIZE
    x0, y0, x1, y1 = boxes.of_mask(moved)
    assert (y1 - y0) / 1024 == pytest.approx(0.85, abs=0.003) and (x1 - x0) / (y1 - y0) == pytest.approx(
        180 / 280, abs=0.01
    )
    assert abs(x0 + x1 - 768) <= 2 and abs(y0 + y1 - 1024) <= 2, "in the middle"
    assert (image[moved == 0] == canvas.GREY).all()
    assert (image[y0 + 10 : y0 + 100, x0 + 10 : x1 - 10] == (180, 40, 50)).all(), "its own colour"


def test_a_wide_garment_is_limited_by_the_width():
    photo, mask = garment(300, 600, (20, 100, 580, 200))
    _, moved = canvas.place(photo, mask, canvas.geometry(mask, SIZE))
    x0, y0, x1, y1 = boxes.of_mask(moved)
    assert (x1 - x0) / 768 == pytest.approx(0.9, abs=0.003) and (y1 - y0) / (x1 - x0) == pytest.approx(
        100 / 560, abs=0.01
    )


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(8, 90), st.integers(8, 90), st.data())
def test_the_geometry_says_where_every_part_went(height, width, out_height, out_width, data):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    photo, mask = garment(height, width, (x0, y0, x1, y1))
    geometry = canvas.geometry(mask, (out_height, out_width))
    corners = geometry.to_stored(np.array([[x0, y0], [x1, y1]], float))
    share = (corners[1] - corners[0]) / (canvas.WIDTH_SHARE * out_width, canvas.HEIGHT_SHARE * out_height)
    assert share.max() == pytest.approx(1) and share.min() <= 1 + 1e-9
    np.testing.assert_allclose(corners.mean(axis=0), (out_width / 2, out_height / 2))
    image, moved = canvas.place(photo, mask, geometry)
    assert image.shape[:2] == moved.shape == (out_height, out_width) and (image[moved == 0] == canvas.GREY).all()
    placed = boxes.of_mask(moved)
    if placed is not None and (corners[1] - corners[0]).min() > 4:
        assert np.abs(np.array(placed).reshape(2, 2) - corners).max() < 1.6


def test_holes_in_white_cloth_on_white_do_not_show():
    photo, mask = garment(colour=(250, 251, 250))
    mask[200:210, 100:200] = 0  # the mask tore where cloth and ground are alike
    image, moved = canvas.place(photo, mask, canvas.geometry(mask, SIZE))
    cloth = cv2.erode(masks.fill_holes(moved), np.ones((9, 9), np.uint8)) > 0
    stripe = cv2.dilate(np.uint8(image[..., 0] < 200), np.ones((25, 25), np.uint8)) > 0
    shown = image[cloth & ~stripe].astype(int)
    assert shown.max() - shown.min() < 6


def test_torn_masks_are_noticed_and_sound_ones_pass():
    _, mask = garment(1024, 768, (150, 100, 620, 930))
    assert not canvas.is_torn(mask)
    sleeve = mask.copy()
    sleeve[300:930, 220:260] = 0
    assert not canvas.is_torn(sleeve), "a wide gap between sleeve and body"
    torn = mask.copy()
    for x in range(320, 520, 24):
        torn[400:700, x : x + 4] = 0
    assert canvas.is_torn(torn)


@pytest.mark.parametrize(("length", "is_torn"), [(480, False), (780, True)])
def test_rifts_of_half_a_percent_are_sound_and_of_eight_tenths_torn(length, is_torn):
    """Sound masks have up to 0.4 %, torn ones from 0.9 % on."""
    _, mask = garment(1024, 768, (150, 100, 620, 930))
    mask[120 : 120 + length, 300:304] = 0
    assert canvas.is_torn(mask) is is_torn


@pytest.mark.parametrize(("level", "moved"), [(255, 246), (231, 226.5), (208, 208), (205, 205), (150, 150)])
def test_only_what_is_like_a_white_background_moves_to_grey_with_it(level, moved):
    """By 9 levels at the background's own colour, by half of that at 24 levels from it, by none from 48 on."""
    photo, mask = garment(colour=(level,) * 3)
    image, placed = canvas.place(photo, mask, canvas.geometry(mask, SIZE))
    x0, y0, x1, _ = boxes.of_mask(placed)
    assert np.abs(image[y0 + 20 : y0 + 200, x0 + 20 : x1 - 20] - moved).max() <= 0.5


def test_large_photos_are_masked_smaller_and_come_back_aligned():
    photo, mask = garment(3000, 2000, (400, 500, 1600, 2500))
    small = canvas.reduce(photo)
    assert small.shape == (1024, 683, 3) and canvas.reduce(small) is small
    assert masks.iou(canvas.enlarge(garment_mask(small), 3000, 2000), mask) > 0.99


def test_edges_name_the_sides_that_a_garment_reaches():
    _, mask = garment(100, 80, (0, 20, 60, 100))
    assert canvas.edges(mask) == ("bottom", "left")
    assert canvas.edges(garment()[1]) == ()


def test_an_empty_mask_has_no_place():
    with pytest.raises(ValueError, match="empty mask"):
        canvas.geometry(np.zeros((8, 8), np.uint8), SIZE)
