"""Which pairs of masks and frames are taken, and where an object is laid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.functional.placement import acceptance, collage, intervals, outlines, stitching

HEIGHT, WIDTH = 100, 200
OR, AND = acceptance.Rule(both_sides=False), acceptance.Rule(both_sides=True)


def filled(*boxes, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 255
    return mask


GOOD = filled((60, 20, 120, 70))


def test_an_ordinary_pair_is_taken():
    assert acceptance.declined(GOOD, GOOD, OR) is None


@pytest.mark.parametrize(
    ("reason", "reference", "target", "rule"),
    [
        ("fragmented_reference", filled((10, 10, 60, 60), (100, 10, 120, 60)), GOOD, AND),
        ("fragmented_reference", filled(), GOOD, AND),
        (
            "several_contours",
            filled((10, 10, 90, 90), (150, 10, 156, 16)),
            GOOD,
            acceptance.Rule(True, one_contour=True),
        ),
        ("reference_area", filled((0, 0, 195, 70)), GOOD, AND),
        ("reference_area", filled((0, 0, 14, 14)), GOOD, AND),
        ("target_area", GOOD, filled((0, 0, 14, 14)), AND),
        ("small_reference", filled((10, 10, 190, 19)), GOOD, OR),
        ("large_target", GOOD, filled((10, 10, 30, 90)), OR),
    ],
)
def test_every_rule_turns_a_pair_down(reason, reference, target, rule):
    assert acceptance.declined(reference, target, rule) == reason


def test_both_sides_must_fail_where_the_rule_says_so():
    flat, tall = filled((10, 10, 190, 19)), filled((10, 10, 30, 90))
    assert acceptance.declined(flat, GOOD, AND) is None
    assert acceptance.declined(GOOD, tall, AND) is None
    assert acceptance.declined(GOOD, filled((10, 5, 170, 82)), AND) == "large_target"
    assert acceptance.declined(GOOD, filled((10, 5, 170, 82)), acceptance.Rule(True, largest_box=1.0)) is None


def test_limits_themselves_are_taken():
    smallest = filled((0, 0, 10, 20))  # 200 of 20,000 pixels
    assert acceptance.declined(smallest, GOOD, AND) is None
    assert acceptance.declined(filled((0, 0, 160, 80)), GOOD, AND) is None  # 0.64
    assert (
        acceptance.declined(filled((10, 10, 31, 21)), GOOD, OR) is None
    )  # an outline of 20 x 10: a tenth of each side


def test_a_second_part_of_a_tenth_is_too_much():
    nine_tenths = filled((0, 0, 91, 11), (100, 0, 111, 11))  # contours through pixel centres: 900 and 100
    assert outlines.largest_share(nine_tenths) == pytest.approx(0.9)
    assert acceptance.declined(nine_tenths, GOOD, AND) == "fragmented_reference"


@given(st.integers(0, 30), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_pairs_of_frames_are_all_that_lie_far_enough_apart(frames, parts, seed):
    pairs = list(intervals.pairs(frames, parts, np.random.default_rng(seed)))
    least = max(1, frames // parts)
    assert sorted(pairs) == [(a, b) for a in range(frames) for b in range(a + least, frames)]


def test_pairs_come_in_an_order_of_their_seed():
    first, again, other = (list(intervals.pairs(40, 10, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert first == again != other


@given(st.integers(3, 60), st.integers(3, 60), st.data())
def test_a_box_never_leaves_its_crop(height, width, data):
    x0, y0 = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    mask = filled(
        (x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))),
        height=height,
        width=width,
    )
    placement = collage.place(mask, outlines.CROP_RATIOS, np.random.default_rng(0))
    left, top, right, bottom = placement.box_in_crop
    crop = placement.crop
    assert 0 <= left <= right <= crop[2] - crop[0]
    assert 0 <= top <= bottom <= crop[3] - crop[1]


def test_shape_control_lays_the_mask_and_not_the_box():
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:60] = np.eye(40, dtype=np.uint8)[::-1] * 255
    mask[20:60, 38:42] = 255
    scene = np.full((80, 80, 3), 100, np.uint8)
    placement = collage.place(mask, (20, 21), np.random.default_rng(0))
    detail = np.full((224, 224, 3), 9, np.uint8)
    x0, y0, x1, y1 = placement.crop
    boxed, shaped = (collage.compose(scene, detail, placement, shape) for shape in (None, mask[y0:y1, x0:x1]))
    assert np.array_equal(boxed.collage, shaped.collage)
    assert 0 < (shaped.mask == collage.GENERATE).sum() < (boxed.mask == collage.GENERATE).sum()


@pytest.mark.parametrize("size", [(120, 80), (80, 120), (100, 100), (97, 64)])
def test_stitching_changes_the_crop_alone_and_keeps_what_the_network_returned(size):
    scene = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    mask = filled((20, 25, 50, 60), height=size[0], width=size[1])
    placement = collage.place(mask, (29, 30), np.random.default_rng(1))
    result = np.full((512, 512, 3), 77.9)
    stitched = stitching.stitch(result, scene, placement, 3)
    x0, y0, x1, y1 = placement.crop
    assert (stitched[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] == 77).all()
    stitched[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = scene[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
    assert np.array_equal(stitched, scene)
    boxed = stitching.stitch_box(result, scene, placement, 3)
    x0, y0, x1, y1 = placement.box
    assert (boxed[y0:y1, x0:x1] == stitching.stitch(result, scene, placement, 3)[y0:y1, x0:x1]).all()
    boxed[y0:y1, x0:x1] = scene[y0:y1, x0:x1]
    assert np.array_equal(boxed, scene)


def test_blending_begins_softly_inside_the_box_and_changes_nothing_outside():
    scene = np.zeros((100, 120, 3), np.uint8)
    placement = collage.Placement((30, 20, 94, 84), (10, 0, 120, 100))
    result = np.full((512, 512, 3), 200, np.uint8)
    blended = stitching.blend(result, scene, placement)[..., 0].astype(int)
    assert blended[:, :30].max() == blended[:20].max() == blended[:, 94:].max() == blended[84:].max() == 0
    assert np.array_equal(blended[50, 30:36], [50, 100, 150, 200, 200, 200])
    region = np.zeros((100, 120), np.uint8)
    region[40:60, 40:60] = 1
    shaped = stitching.blend(result, scene, placement, region)[..., 0]
    assert (shaped > 0).sum() == region.sum() and shaped[50, 50] == 200


def test_blending_mixes_nothing_where_the_scene_ends():
    scene, result = np.zeros((64, 64, 3), np.uint8), np.full((512, 512, 3), 200, np.uint8)
    blended = stitching.blend(result, scene, collage.Placement((32, 0, 64, 64), (0, 0, 64, 64)))[..., 0]
    assert (blended[:, 40:] == 200).all() and 0 < blended[10, 32] < 200 and not blended[:, :32].any()
