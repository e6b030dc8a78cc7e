import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from annotators.functional import boxes, masks

sides = st.integers(1, 24)
any_mask = st.tuples(sides, sides).flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 255])))


def blob(*regions, shape=(40, 60)):
    mask = np.zeros(shape, np.uint8)
    for y0, y1, x0, x1 in regions:
        mask[y0:y1, x0:x1] = 255
    return mask


@given(any_mask, st.integers(1, 5), st.integers(1, 3))
def test_dilation_only_adds_and_erosion_only_removes(mask, size, iterations):
    before = mask.copy()
    grown, shrunk = masks.dilate(mask, size, iterations), masks.erode(mask, size, iterations)
    assert (grown >= mask).all() and (shrunk <= mask).all()
    np.testing.assert_array_equal(mask, before)


@given(any_mask, st.integers(1, 8), st.integers(1, 6))
def test_dilating_far_is_dilating(mask, size, iterations):
    np.testing.assert_array_equal(masks.dilate_far(mask, size, iterations), masks.dilate(mask, size, iterations))


def test_layers_are_bits_of_groups_of_labels():
    label_map = np.array([[0, 1, 2], [3, 2, 9]], np.uint8)
    np.testing.assert_array_equal(masks.layers(label_map, (1, 2), (), (2, 3)), [[0, 1, 5], [4, 5, 0]])
    np.testing.assert_array_equal(masks.where_set(label_map) | masks.where_unset(label_map), np.full((2, 3), 255))
    np.testing.assert_array_equal(masks.where_unset(label_map), [[255, 0, 0], [0, 0, 0]])
    table = np.arange(10, dtype=np.uint8)[::-1].copy()
    np.testing.assert_array_equal(masks.relabel(label_map, table), 9 - label_map)
    with pytest.raises(ValueError, match="label id 9; allowed are 0 to 8"):
        masks.relabel(label_map, table[:9])


@given(any_mask, st.floats(0, 1))
def test_results_are_masks_of_the_same_size(mask, share):
    before = mask.copy()
    for result in (masks.keep_components(mask, share), masks.fill_holes(mask), masks.hull(mask)):
        assert result.shape == mask.shape and set(np.unique(result)) <= {0, 255}
        assert result is not mask
    assert (masks.keep_components(mask, share) <= mask).all()
    assert (masks.fill_holes(mask) >= mask).all() and (masks.hull(mask) >= mask).all()
    np.testing.assert_array_equal(mask, before)


@given(any_mask)
def test_overlap_with_itself_and_its_complement(mask):
    assert masks.iou(mask, mask) == 1
    assert masks.iou(mask, 255 - mask) == 0
    assert masks.share(mask) + masks.share(255 - mask) == pytest.approx(1)


def test_components_below_the_share_are_dropped():
    mask = blob((2, 12, 2, 12), (20, 25, 20, 30), (30, 31, 50, 51))
    assert masks.area(masks.keep_components(mask)) == 100
    assert masks.area(masks.keep_components(mask, 0.5)) == 150
    assert masks.area(masks.keep_components(mask, 0)) == 151


def test_holes_are_filled_up_to_a_size_and_bays_are_not():
    mask = blob((5, 35, 5, 55))
    mask[10:12, 10:12] = 0
    mask[20:30, 20:30] = 0
    mask[15:17, :10] = 0
    assert masks.area(masks.fill_holes(mask, largest=4)) == masks.area(mask) + 4
    assert masks.area(masks.fill_holes(mask)) == masks.area(mask) + 104


def test_labels_become_a_mask():
    label_map = np.array([[0, 5], [13, 5]], np.uint8)
    np.testing.assert_array_equal(masks.of_labels(label_map, (5, 6)), [[0, 255], [0, 255]])
    with pytest.raises(ValueError, match=r"\[h w\]"):
        masks.as_mask(np.zeros((2, 2, 3)))


@given(any_mask, st.integers(1, 3))
def test_enlarging_and_reducing_by_a_whole_factor_changes_nothing(mask, factor):
    height, width = mask.shape
    enlarged = masks.resize(mask, height * factor, width * factor)
    np.testing.assert_array_equal(enlarged, np.kron(mask, np.ones((factor, factor), np.uint8)))
    np.testing.assert_array_equal(masks.resize(enlarged, height, width), mask)


@given(any_mask)
def test_the_box_holds_every_set_pixel_and_none_smaller_does(mask):
    box = boxes.of_mask(mask)
    if box is None:
        assert not mask.any()
        return
    inside = boxes.crop(mask, box)
    assert masks.area(inside) == masks.area(mask)
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_boxes():
    box = boxes.grow((3, 4, 10, 12), 5)
    assert box == (-2, -1, 15, 17)
    assert boxes.clip(box, height=16, width=100) == (0, 0, 15, 16)
    assert boxes.clip((50, 50, 60, 60), height=10, width=10) == (10, 10, 10, 10)
    assert boxes.union((0, 5, 2, 6), (1, 1, 9, 2)) == (0, 1, 9, 6)
    assert boxes.shift((1, 2, 3, 4), 10, 20) == (11, 22, 13, 24)


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_fit_stays_inside_the_frame_and_fills_one_side(height, width):
    fitted = boxes.fit(height, width, 1024, 768)
    assert fitted[0] <= 1024 and fitted[1] <= 768
    assert fitted[0] == 1024 or fitted[1] == 768
