"""Skeleton pictures: OpenPose's colours, blending and sizes, in both styles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import skeletons
from schemas.labels import Body25


def points(count, **joints):
    keypoints = np.zeros((count, 3), np.float32)
    for name, (x, y) in joints.items():
        keypoints[int(name[1:])] = (x, y, 0.9)
    return keypoints


def test_bone_is_153_and_a_disc_on_it_214():
    """0.6 · 255 laid over black, then 0.6 · 255 over that: blended, so not 255."""
    picture = skeletons.body25(points(25, j1=(100, 100), j8=(100, 300)), 400, 600)
    assert picture.shape == (400, 600, 3) and picture.dtype == np.uint8
    assert picture[200, 100].tolist() == [153, 0, 0]  # mid-hip's colour
    assert picture[300, 100].tolist() == [214, 0, 0]
    assert picture[303, 100].tolist() == [153, 0, 0]  # the disc beyond the bone's end
    assert not picture[:90].any()


def test_bone_takes_its_second_joint_s_colour():
    picture = skeletons.body25(points(25, j2=(100, 100), j3=(300, 100)), 400, 400)
    assert picture[100, 200].tolist() == [153, 102, 0]  # 0.6 · (255, 170, 0)
    assert picture[100, 102].tolist() == [214, 92, 0]  # the shoulder's (255, 85, 0) over the bone


def test_later_bones_cover_earlier_ones():
    crossing = points(25, j1=(100, 100), j2=(300, 100), j3=(200, 20), j4=(200, 180))
    picture = skeletons.body25(crossing, 400, 400)
    one, two = np.array([255, 85, 0]), np.array([255, 255, 0])  # 1-2, then 3-4 over it
    np.testing.assert_array_equal(picture[100, 200], np.rint(0.6 * two + 0.4 * 0.6 * one))


def test_sizes_follow_the_shorter_side():
    picture = skeletons.body25(points(25, j1=(384, 200), j8=(384, 800)), 1024, 768)
    across = np.flatnonzero(picture[500, :, 0])
    assert 384 - across[0] == across[-1] - 384 == 6  # half-width 6.4
    disc = skeletons.body25(points(25, j0=(384, 200)), 1024, 768)
    assert np.flatnonzero(disc[200, :, 0]).tolist() == list(range(377, 392))  # radius 7.68


def test_absent_and_doubtful_joints_are_not_drawn():
    keypoints = points(25, j1=(100, 100), j8=(100, 300), j9=(0, 0))
    keypoints[Body25.MID_HIP, 2] = 0.05
    picture = skeletons.body25(keypoints, 400, 400)
    assert not picture[150:].any() and picture[100, 100].any()
    assert not skeletons.body25(np.zeros((25, 3)), 64, 48).any()


def test_joints_outside_the_picture_do_no_harm():
    keypoints = points(25, j1=(-20, 20), j8=(30, 40), j9=(1e6, 1e6))
    picture = skeletons.body25(keypoints, 64, 48)
    assert picture.shape == (64, 48, 3) and picture.any()
    assert skeletons.body25(points(25, j1=(10, 10), j8=(10, 10)), 64, 48).any()  # a bone without length


def test_hand_bones_brighten_outwards():
    hands = np.zeros((42, 3), np.float32)
    hands[21:26] = [(100 * k + 100, 500, 1) for k in range(5)]  # the right hand's thumb
    picture = skeletons.body25(np.zeros((25, 3)), 1000, 1000, hands)
    assert [picture[500, x, 0] for x in (150, 250, 350, 450)] == [60, 90, 120, 153]
    assert not picture[..., 1:][:, 120:].any()
    body = skeletons.body25(points(25, j1=(100, 500), j8=(500, 500)), 1000, 1000)
    assert (picture[:, 250, 0] > 0).sum() < (body[:, 250, 0] > 0).sum()


def test_coco_18_variants():
    keypoints = points(18, j2=(100, 100), j3=(300, 100))
    dimmed = skeletons.coco18(keypoints, 512, 384, "dimmed")
    assert dimmed[100, 200].tolist() == [153, 102, 0]  # bone 2 has colour 2, times 0.6
    assert dimmed[100, 100].tolist() == [255, 170, 0] and dimmed[100, 300].tolist() == [255, 255, 0]
    blended = skeletons.coco18(keypoints, 512, 384, "blended")
    assert blended[100, 200].tolist() == [153, 102, 0]
    assert blended[100, 97].tolist() == [255, 170, 0]  # the disc beyond the bone
    assert blended[100, 297].tolist() == [255, 204, 0]  # 0.4 · (255, 255, 0) of the disc under 0.6 · (255, 170, 0)
    with pytest.raises(ValueError, match="'bright'; allowed are dimmed, blended"):
        skeletons.coco18(keypoints, 512, 384, "bright")


def test_coco_18_sizes_follow_the_height():
    small = skeletons.coco18(points(18, j0=(100, 100)), 512, 384)
    assert np.flatnonzero(small[100, :, 0]).tolist() == list(range(96, 105))
    large = skeletons.coco18(points(18, j0=(200, 200)), 1024, 768)
    assert np.flatnonzero(large[200, :, 0]).tolist() == list(range(192, 209))


def test_coco_18_draws_17_bones_and_no_shoulder_to_ear():
    assert len(skeletons.COCO_18_BONES) == 17
    picture = skeletons.coco18(points(18, j2=(100, 300), j16=(100, 100)), 512, 384)
    assert not picture[200, 100].any()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150), st.floats(0, 1)), min_size=25, max_size=25))
def test_any_keypoints_can_be_drawn(rows):
    keypoints = np.array(rows, np.float32)
    for picture in (skeletons.body25(keypoints, 90, 70), skeletons.coco18(keypoints[:18], 90, 70)):
        assert picture.shape == (90, 70, 3) and picture.dtype == np.uint8


def test_mirrored_pose_mirrors_the_picture_s_shape():
    keypoints = points(25, j1=(50, 20), j2=(30, 20), j5=(70, 20), j8=(50, 60))
    mirrored = keypoints.copy()
    mirrored[:, 0] = np.where(keypoints[:, 0] > 0, 99 - keypoints[:, 0], 0)
    drawn, flipped = (skeletons.body25(k, 100, 100).any(axis=2) for k in (keypoints, mirrored))
    np.testing.assert_array_equal(drawn[:, ::-1], flipped)
