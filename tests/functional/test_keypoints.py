"""Conversions, choice of a person, PCK, and OpenPose's decoding on drawn heat maps and affinity fields."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import keypoints
from schemas.labels import Body25, Coco18

HEIGHT, WIDTH = 160, 200
# A standing person in COCO-18 order, in a box of about 60×130.
STANDING = np.array([
    (30, 12), (30, 28), (14, 28), (8, 50), (4, 70), (46, 28), (52, 50), (56, 70), (20, 72), (19, 98), (18, 124),
    (40, 72), (41, 98), (42, 124), (26, 8), (34, 8), (21, 10), (39, 10),
], float)  # fmt: skip


def draw_maps(people, height=HEIGHT, width=WIDTH):
    """Heat maps [19 h w] and affinities [38 h w] of people ([18 2], NaN = absent), as a perfect network gives them."""
    y, x = np.mgrid[:height, :width].astype(float)
    heat_maps, affinities = np.zeros((19, height, width)), np.zeros((38, height, width))
    for person in people:
        for joint in np.flatnonzero(~np.isnan(person[:, 0])):
            add_peak(heat_maps, joint, *person[joint])
        for limb in keypoints.LIMBS:
            start, end = person[limb.start], person[limb.end]
            if np.isnan([start, end]).any():
                continue
            length = np.hypot(*(end - start))
            ux, uy = (end - start) / length
            along, across = (x - start[0]) * ux + (y - start[1]) * uy, (x - start[0]) * uy - (y - start[1]) * ux
            on_limb = (along >= -1) & (along <= length + 1) & (np.abs(across) < 3)
            affinities[limb.channel][on_limb], affinities[limb.channel + 1][on_limb] = ux, uy
    return heat_maps, affinities


def add_peak(heat_maps, joint, x0, y0, height=1.0):
    y, x = np.mgrid[: heat_maps.shape[1], : heat_maps.shape[2]].astype(float)
    bump = height * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 5.0**2))
    heat_maps[joint] = np.maximum(heat_maps[joint], bump)


def without(person, *joints):
    person = person.copy()
    person[list(joints)] = np.nan
    return person


def as_keypoints(person):
    """What decoding should give: absent joints 0, 0."""
    return np.nan_to_num(person)


def test_a_drawn_person_comes_back():
    people = keypoints.openpose_people(*draw_maps([STANDING + (50, 10)]))
    assert people.shape == (1, 18, 3) and people.dtype == np.float32
    np.testing.assert_array_equal(people[0, :, :2], STANDING + (50, 10))
    np.testing.assert_allclose(people[0, :, 2], 1)


@settings(max_examples=20)
@given(st.integers(0, 130), st.integers(0, 30))
def test_wherever_it_stands(x, y):
    people = keypoints.openpose_people(*draw_maps([STANDING + (x + 5, y)]))
    np.testing.assert_array_equal(people[0, :, :2], STANDING + (x + 5, y))


def test_two_people_are_kept_apart():
    drawn = [STANDING + (10, 20), STANDING + (110, 8)]
    people = keypoints.openpose_people(*draw_maps(drawn))
    assert len(people) == 2
    for person in drawn:
        assert min(np.abs(person - found[:, :2]).max() for found in people) == 0


def test_two_people_side_by_side_with_crossed_arms():
    left, right = STANDING + (20, 20), STANDING + (85, 20)
    left[Coco18.LEFT_WRIST], right[Coco18.RIGHT_WRIST] = (95, 75), (85, 95)  # each reaches over to the other
    people = keypoints.openpose_people(*draw_maps([left, right]))
    found = sorted(people, key=lambda person: person[0, 0])
    np.testing.assert_array_equal(found[0][:, :2], left)
    np.testing.assert_array_equal(found[1][:, :2], right)


@pytest.mark.parametrize(
    "absent", [(4,), (4, 7), (9, 10, 12, 13), (0, 14, 15, 16, 17), (3, 4, 6, 7, 9, 10, 12, 13), (17,)]
)
def test_missing_joints_are_zero_and_the_others_stay(absent):
    person = without(STANDING + (60, 15), *absent)
    people = keypoints.openpose_people(*draw_maps([person]))
    assert len(people) == 1
    np.testing.assert_array_equal(people[0, :, :2], as_keypoints(person))
    assert not people[0, list(absent)].any()


def test_without_a_neck_the_arms_join_through_ears():
    """Head and arm meet only over the two limbs that join, shoulder to ear."""
    person = without(STANDING + (60, 15), Coco18.NECK)
    people = keypoints.openpose_people(*draw_maps([person]))
    upper = [Coco18.NOSE, Coco18.RIGHT_SHOULDER, Coco18.RIGHT_WRIST, Coco18.RIGHT_EAR]
    assert any((found[upper, :2] == as_keypoints(person)[upper]).all() for found in people)


@pytest.mark.parametrize("joint", list(Coco18))
def test_surplus_peaks_do_not_shift_later_joints(joint):
    """Several unconnected peaks of one joint: OOTDiffusion's renumbering of candidates goes wrong here."""
    person = STANDING + (60, 15)
    heat_maps, affinities = draw_maps([person])
    for x, y in ((10, 150), (30, 150), (190, 5), (190, 150)):
        add_peak(heat_maps, joint, x, y, 0.9)
    people = keypoints.openpose_people(heat_maps, affinities)
    assert len(people) == 1
    np.testing.assert_array_equal(people[0, :, :2], person)


def test_too_few_parts_or_too_weak_is_nobody():
    three = without(STANDING + (60, 15), *(set(range(18)) - {1, 2, 3}))
    assert len(keypoints.openpose_people(*draw_maps([three]))) == 0
    four = without(STANDING + (60, 15), *(set(range(18)) - {1, 2, 3, 4}))
    assert len(keypoints.openpose_people(*draw_maps([four]))) == 1
    heat_maps, affinities = draw_maps([four])
    assert len(keypoints.openpose_people(heat_maps * 0.2, affinities * 0.2)) == 0
    assert keypoints.openpose_people(heat_maps * 0, affinities * 0).shape == (0, 18, 3)


def test_a_limb_needs_its_field():
    heat_maps, affinities = draw_maps([STANDING + (60, 15)])
    for limb in keypoints.LIMBS:
        if Coco18.LEFT_WRIST in (limb.start, limb.end):
            affinities[limb.channel : limb.channel + 2] *= -1
    found = keypoints.openpose_people(heat_maps, affinities)[0]
    assert not found[Coco18.LEFT_WRIST].any() and found[Coco18.LEFT_ELBOW].any()


def test_limb_counts_only_with_nine_of_ten_samples():
    starts, ends = np.array([[10.0, 20, 1]]), np.array([[100.0, 20, 1]])  # samples at x = 10, 20, … 100
    affinity = np.zeros((2, HEIGHT, WIDTH))
    affinity[0, 20, :86] = 1  # eight samples, not more than 80 %
    assert keypoints.connect(starts, ends, affinity) == []
    affinity[0, 20, :96] = 1
    ((start, end, score),) = keypoints.connect(starts, ends, affinity)
    assert (start, end) == (0, 0) and score == pytest.approx(0.9 + 0.5 * HEIGHT / 90 - 1)


def test_each_peak_joins_once_and_the_best_pair_wins():
    affinity = np.zeros((2, HEIGHT, WIDTH))
    affinity[0, 10:13, 10:60], affinity[0, 40:43, 10:60] = 1.0, 0.5
    starts, ends = np.array([[10.0, 11, 1], [10, 41, 1]]), np.array([[59.0, 41, 1], [59, 11, 1]])
    assert [pair[:2] for pair in keypoints.connect(starts, ends, affinity)] == [(0, 1), (1, 0)]


def test_peaks_are_local_maxima_with_the_unsmoothed_value():
    heat_maps = np.zeros((1, HEIGHT, WIDTH))
    for x, y, value in ((40, 30, 0.8), (120, 90, 0.5), (199, 159, 0.9)):
        add_peak(heat_maps, 0, x, y, value)
    np.testing.assert_allclose(keypoints.find_peaks(heat_maps[0]), [(40, 30, 0.8), (120, 90, 0.5), (199, 159, 0.9)])
    assert len(keypoints.find_peaks(np.full((HEIGHT, WIDTH), 0.09))) == 0


def test_a_map_without_shape_gives_a_bounded_number_of_peaks():
    assert len(keypoints.find_peaks(np.full((HEIGHT, WIDTH), 0.5))) == keypoints.MAX_PEAKS


def test_every_affinity_channel_is_used_once():
    channels = [channel for limb in keypoints.LIMBS for channel in (limb.channel, limb.channel + 1)]
    assert sorted(channels) == list(range(38))


def test_mediapipe_order():
    """The table of specs/annotations.md 3.1, with landmark i at (i, 100 + i)."""
    landmarks = np.array([(i, 100 + i, 0.5 + i / 100) for i in range(33)])
    body = keypoints.mediapipe_to_body25(landmarks)
    sources = [0, 11.5, 12, 14, 16, 11, 13, 15, 23.5, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7, 31, None, 29, 32, None, 30]
    for joint, source in enumerate(sources):
        if source is None:
            assert not body[joint].any()
        else:
            lower = int(source)
            np.testing.assert_allclose(body[joint], (source, 100 + source, 0.5 + lower / 100))


def test_unseen_and_outside_joints_become_zero():
    points = np.array([(10, 10, 0.9), (10, 10, 0.49), (-1, 10, 0.9), (10, 100, 0.9), (200, 10, 0.9), (0, 5, 0.5)])
    kept = keypoints.within_frame(points, 100, 200)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, [points[0], [0] * 3, [0] * 3, [0] * 3, [0] * 3, points[5]])


def test_face_points_of_the_mesh():
    mesh = np.stack([np.arange(478), np.zeros(478), np.ones(478)], 1)
    face = keypoints.mediapipe_to_face70(mesh)
    assert face.shape == (70, 3) and len(set(face[:, 0])) == 70
    assert face[8, 0] == 152 and face[30, 0] == 4 and face[36, 0] == 33 and face[45, 0] == 263  # chin, nose, corners


def chains(connections):
    """MediaPipe's lists of (start, end) as paths of vertices."""
    paths = []
    for edge in connections:
        if paths and paths[-1][-1] == edge.start:
            paths[-1].append(edge.end)
        else:
            paths.append([edge.start, edge.end])
    return paths


def steps(path, points):
    """Places of the points on a path, which must be in the path's order."""
    found = [path.index(point) for point in points]
    assert found == sorted(found)
    return found


def test_face_points_lie_on_the_features_that_mediapipe_names():
    """iBUG's order on each feature, and the same places on the left and the right half of the face."""
    published = pytest.importorskip("mediapipe.tasks.python.vision").FaceLandmarksConnections
    mesh = np.stack([np.arange(478), np.zeros(478), np.ones(478)], 1)
    face = [int(x) for x in keypoints.mediapipe_to_face70(mesh)[:, 0]]

    (oval,) = chains(published.FACE_LANDMARKS_FACE_OVAL)
    chin = oval.index(152)  # from the forehead down the left side to it, and up the right side
    right = steps(oval[chin:], face[8::-1])
    assert right == steps(oval[chin::-1], face[8:17]) and right == [0, 1, 3, 5, 6, 7, 9, 10, 12]

    lower, upper = chains(published.FACE_LANDMARKS_RIGHT_EYE)
    left_lower, left_upper = chains(published.FACE_LANDMARKS_LEFT_EYE)
    assert steps(upper, face[36:40]) == steps(left_upper, face[45:41:-1]) == [0, 3, 5, 8]
    assert steps(lower, face[41:39:-1]) == steps(left_lower, face[46:48]) == [3, 5]

    (_, above), (_, left_above) = map(
        chains, (published.FACE_LANDMARKS_RIGHT_EYEBROW, published.FACE_LANDMARKS_LEFT_EYEBROW)
    )
    assert steps(above, face[18:22]) == steps(left_above, face[25:21:-1]) == [1, 2, 3, 4]
    assert (face[17], face[26]) == (71, 301), "beside the brows' outer ends, 70 and 300"

    bridge = chains(published.FACE_LANDMARKS_NOSE)[0]
    assert steps(bridge, face[27:31]) == [0, 2, 4, 5] and steps([98, 97, 2, 326, 327], face[32:35]) == [1, 2, 3]
    assert (face[31], face[35]) == (75, 305)

    below, over, inner_below, inner_over = chains(published.FACE_LANDMARKS_LIPS)
    assert steps(over, face[48:55]) == [0, 3, 4, 5, 6, 7, 10] and steps(below[::-1], face[55:60]) == [3, 4, 5, 6, 7]
    assert steps(inner_over, face[60:65]) == [0, 4, 5, 6, 10]
    assert steps(inner_below[::-1], face[65:68]) == [4, 5, 6]

    for pupil, iris in zip(face[68:], ("RIGHT", "LEFT"), strict=True):
        ring = {edge.start for edge in getattr(published, f"FACE_LANDMARKS_{iris}_IRIS")}
        assert pupil == min(ring) - 1, "the centre comes before its ring"


def body(x, y, size, score=0.9):
    """A BODY_25 person in a square of that size."""
    points = np.zeros((25, 3), np.float32)
    points[[0, 1, 8, 9, 12]] = [
        (x, y, score),
        (x, y + 0.3 * size, score),
        (x, y + size, score),
        (x - size / 2, y + size, score),
        (x + size / 2, y + size, score),
    ]
    return points


def test_choice_of_a_person():
    people = [body(60, 20, 40), body(300, 10, 150, 0.6), body(210, 80, 30, 0.7)]
    assert keypoints.choose(people, "score", 200, 400) == 0
    assert keypoints.choose(people, "largest", 200, 400) == 1
    assert keypoints.choose(people, "center", 200, 400) == 2
    with pytest.raises(ValueError, match="'tallest'; allowed are largest, center, score"):
        keypoints.choose(people, "tallest", 200, 400)
    with pytest.raises(ValueError, match="no person"):
        keypoints.choose([], "largest", 200, 400)


def test_the_person_in_the_box():
    people = [body(60, 20, 40), body(300, 10, 150)]
    assert keypoints.choose_in_box(people, np.array([30, 10, 90, 70])) == 0
    assert keypoints.choose_in_box(people, np.array([200, 0, 400, 200])) == 1
    assert keypoints.choose_in_box(people, np.array([120, 0, 180, 200])) is None
    assert keypoints.choose_in_box([], np.array([120, 0, 180, 200])) is None


def test_pck_counts_joints_present_in_both():
    reference = body(100, 0, 100)  # torso of 70 px
    found = reference.copy()
    found[Body25.NOSE, 0] += 6.9
    found[Body25.RIGHT_HIP, 0] += 7.1
    found[Body25.LEFT_HIP] = 0
    found[Body25.LEFT_ANKLE] = (10, 10, 1)
    assert keypoints.pck(found, reference) == (3, 4)
    assert keypoints.pck(found, reference, 0.05) == (2, 4)
    with pytest.raises(ValueError, match="neck or mid-hip"):
        keypoints.pck(found, np.zeros((25, 3)))
