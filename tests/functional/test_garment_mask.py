import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.garments import photo, shirt

from annotators.functional import masks
from annotators.functional.garment_mask import garment_mask, is_doubtful, worn
from schemas.labels import Cihp

GROUNDS = {"vitonhd": (246,) * 3, "white": (255,) * 3, "tinted": (243, 242, 238), "grey": (212, 211, 207)}


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
@pytest.mark.parametrize("colour", [(20, 20, 25), (180, 40, 50), (60, 90, 200), (140, 140, 140)], ids=str)
def test_plain_backgrounds_of_any_tint(ground, colour):
    assert masks.iou(garment_mask(photo(shirt(), colour, ground)), shirt()) > 0.98


@pytest.mark.parametrize("shade", [-20, -8, 8])
def test_shaded_backgrounds(shade):
    assert masks.iou(garment_mask(photo(shirt(), (40, 80, 150), (235,) * 3, shade=shade)), shirt()) > 0.98


def test_white_cloth_on_vitonhds_background():
    made = garment_mask(photo(shirt(), (236, 236, 240), GROUNDS["vitonhd"]))
    assert masks.iou(made, shirt()) > 0.95


def test_garments_that_touch_the_border():
    mask = np.zeros((1024, 768), np.uint8)
    mask[200:, 120:660] = 255
    assert masks.iou(garment_mask(photo(mask, (30, 60, 40), (246,) * 3)), mask) > 0.98


def test_lace_is_filled_and_gaps_stay_open():
    mask = shirt()
    lace = mask.copy()
    lace[240:280:4, 300:400] = 0
    closed = mask.copy()
    closed[580:600, 168:208] = 255  # the sleeve's end touches the body
    assert masks.iou(garment_mask(photo(lace, (20, 20, 25), (246,) * 3)), mask) > 0.97
    assert masks.iou(garment_mask(photo(closed, (20, 20, 25), (246,) * 3)), closed) > 0.97


def test_bare_holes_up_to_half_a_percent_of_the_frame_are_filled():
    """VITON-HD's masks have no holes; larger gaps, as between arm and body, show the background."""
    frame = 1024 * 768
    garment = np.zeros((1024, 768), np.uint8)
    garment[100:900, 100:700] = 255
    for side, is_open in ((40, False), (59, False), (67, True), (180, True)):
        holed = garment.copy()
        holed[400 : 400 + side, 300 : 300 + side] = 0
        made = garment_mask(photo(holed, (30, 60, 140), GROUNDS["vitonhd"]))
        assert (side**2 > 0.005 * frame) is is_open
        assert masks.iou(made, holed if is_open else garment) > 0.995


def test_refining_is_repeatable_and_no_worse():
    picture = photo(shirt(), (180, 60, 70), GROUNDS["grey"])
    refined = garment_mask(picture, refine=True)
    cv2.setRNGSeed(99)
    np.testing.assert_array_equal(garment_mask(picture, refine=True), refined)
    assert masks.iou(refined, shirt()) > 0.97


@settings(max_examples=15)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_anything_gives_a_mask_or_a_reason(height, width, seed):
    generator = np.random.default_rng(seed)
    low = int(generator.integers(0, 256))
    image = generator.integers(low, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    try:
        mask = garment_mask(image, refine=bool(seed % 2))
    except ValueError as error:
        assert "nothing stands out" in str(error)
    else:
        assert mask.shape == image.shape[:2] and set(np.unique(mask)) <= {0, 255} and mask.any()
    np.testing.assert_array_equal(image, before)


def test_an_empty_photo_is_refused():
    with pytest.raises(ValueError, match="nothing stands out"):
        garment_mask(np.full((64, 64, 3), 246, np.uint8))
    with pytest.raises(ValueError, match=r"\[h w 3\]"):
        garment_mask(np.zeros((64, 64), np.uint8))


def test_doubtful_masks():
    mask = np.zeros((100, 100), np.uint8)
    assert is_doubtful(mask) and is_doubtful(255 - mask)
    mask[:50] = 255
    assert not is_doubtful(mask)


@pytest.mark.parametrize(
    ("category", "worn_labels"),
    [
        (None, {5, 6, 7}),  # StableVITON's own: specs/annotations.md §6
        ("upper_body", {5, 6, 7}),
        ("lower_body", {9, 12}),
        ("dresses", {5, 6, 12}),
    ],
)
def test_what_is_worn_of_a_category(category, worn_labels):
    """A dress may be parsed as a top with a skirt."""
    parse = np.arange(20, dtype=np.uint8).reshape(4, 5)
    made = worn(parse, category)
    assert made.dtype == np.uint8 and set(parse[made == 255].tolist()) == worn_labels
    assert set(np.unique(made)) == {0, 255}
    assert (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT, Cihp.PANTS, Cihp.SKIRT) == (5, 6, 7, 9, 12)
    with pytest.raises(ValueError, match="'shoes'; allowed are upper_body, lower_body, dresses"):
        worn(parse, "shoes")
