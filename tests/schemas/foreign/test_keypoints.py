"""Keypoint files in the versions, units and frames that tools write; the right joints, or one clear error."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas import codecs, labels
from schemas.foreign import keypoints as files

SIZE = (1024, 768)
RNG = np.random.default_rng(3)
BODY = np.concatenate([RNG.uniform((100, 200), (600, 900), (25, 2)), np.full((25, 1), 0.5)], axis=1).round(2)
BODY[[11, 24]] = 0


def read(data: bytes, size: tuple[int, int] | None = None) -> dict[str, np.ndarray]:
    return files.read(data, size).columns


def document(points: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"version": 1.3, "people": [{"pose_keypoints_2d": points.ravel().tolist()}]} | more


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def moved(points: np.ndarray, scale: tuple[float, float], shift: float = 0.0) -> np.ndarray:
    there = points[:, :2].any(axis=1)
    result = points.copy()
    result[there, :2] = points[there, :2] * scale + shift
    return result


@given(hnp.arrays(np.float32, (25, 3), elements=st.floats(1, 1000, width=32)))
def test_keypoints_round_trip(keypoints: np.ndarray) -> None:
    found = read(codecs.encode_keypoints(keypoints))
    assert np.allclose(found["keypoints"], keypoints, atol=1e-4)


def test_face_and_hands_come_along() -> None:
    face, hands = np.ones((70, 3), np.float32), np.full((42, 3), 2, np.float32)
    found = read(codecs.encode_keypoints(np.ones((25, 3)), face, hands))
    assert (found["keypoints_face"] == face).all() and (found["keypoints_hands"] == hands).all()


@pytest.mark.parametrize("numbers", [54, 51])
def test_coco_forms_are_told_by_their_length(numbers: int) -> None:
    document = {"people": [{"pose_keypoints_2d": [1.0] * numbers}]}
    assert read(json.dumps(document).encode())["keypoints"].shape == (25, 3)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{}", "no list of people"),
        (b"[1]", "not OpenPose JSON"),
        (b"\xff", "not OpenPose JSON"),
        (b'{"people": []}', "no person"),
        (b'{"people": [{"pose_keypoints_2d": [NaN, 1, 1]}]}', "NaN or infinity"),
        (b'{"people": [{"pose_keypoints_2d": ["1", 1, 1]}]}', "not a number"),
        (b'{"people": [{"pose_keypoints_2d": [1, 1, 1]}]}', "3 pose numbers"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0] * 75}]}).encode(), "no person"),
        (b'{"people": [{"keypoints": []}]}', "no pose_keypoints_2d"),
        (b'{"people": {"pose_keypoints_2d": []}}', "no list of people"),
        (b"[{}, {}]", "a list of 2 frames; allowed is one"),
        (b'{"people": [{"pose_keypoints_2d": [1' + b"0" * 400 + b"]}]}", "out of range"),
    ],
)
def test_bad_keypoints_are_refused_in_words(document: bytes, message: str) -> None:
    with pytest.raises(codecs.CodecError, match=message):
        read(document)


joint = st.tuples(st.floats(2, 383), st.floats(2, 511), st.floats(0, 1))


@given(st.lists(st.none() | joint, min_size=18, max_size=18).filter(any), st.integers(8, 2000), st.integers(8, 2000))
def test_dresscode_keypoints_are_brought_to_the_photo(joints: list[tuple | None], height: int, width: int) -> None:
    rows = [[-1, -1, 0, -1] if j is None else [*j, n] for n, j in enumerate(joints)]
    found = read(json.dumps({"keypoints": rows}).encode(), (height, width))
    assert set(found) == {"keypoints"} and found["keypoints"].dtype == np.float32
    for point, expected in zip(labels.body25_to_coco18(found["keypoints"]), joints, strict=True):
        x, y, score = expected or (0, 0, 0)
        assert np.allclose(point, (x * width / 384, y * height / 512, score), rtol=1e-5)


def test_absent_joints_of_dresscode() -> None:
    absent = [[0, 0, 0.5, 1], [1, 1, 0.9, 2], [-1, -1, 0, -1], [-1, 20, 0.5, 3], [20, -3, 0.5, 4]]
    present = [[0.5, 30, 0.5, 5], [40, 1, -0.5, 6]]
    rows = absent + present + [[100, 100, 1, 0]] * (18 - len(absent) - len(present))
    found = labels.body25_to_coco18(read(json.dumps({"keypoints": rows}).encode(), (512, 384))["keypoints"])
    assert not found[:5].any()
    assert found[5:8].tolist() == [[0.5, 30, 0.5], [40, 1, 0], [100, 100, 1]]


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        ([[1, 2, 3]] * 17, "no 18 joints"),
        ([[1, 2]] * 18, "no 18 joints"),
        ("none", "no 18 joints"),
        ([[1, 2, "3", 4]] * 18, "not a number"),
        ([[1, 2, float("nan"), 4]] * 18, "NaN"),
        ([[0, 0, 0, -1]] * 18, "no joint"),
    ],
)
def test_bad_dresscode_keypoints_are_refused_in_words(joints: object, message: str) -> None:
    with pytest.raises(codecs.CodecError, match=message):
        read(json.dumps({"keypoints": joints}).encode(), (10, 10))


def test_dresscode_keypoints_need_their_photo() -> None:
    with pytest.raises(codecs.CodecError, match="no photo"):
        read(json.dumps({"keypoints": [[5, 5, 1, 0]] * 18}).encode())


@pytest.mark.parametrize(
    ("scale", "shift", "unit"),
    [((1 / 768, 1 / 1024), 0.0, "0 to 1"), ((2 / 768, 2 / 1024), -1.0, "-1 to 1")],
)
def test_normalised_joints_are_brought_to_pixels(scale: tuple[float, float], shift: float, unit: str) -> None:
    found = files.read(encoded(document(moved(BODY, scale, shift))), SIZE)
    assert unit in found.note
    assert np.allclose(found.columns["keypoints"], BODY, atol=0.01)


def test_a_normalised_joint_may_lie_on_the_very_edge() -> None:
    edge = np.zeros((25, 3))
    edge[:2] = [(1, 1, 0.9), (0.5, 0.25, 0.9)]
    assert read(encoded(document(edge)), SIZE)["keypoints"][:2, :2].tolist() == [[768, 1024], [384, 256]]


def test_hands_and_face_are_brought_to_pixels_with_the_body() -> None:
    face, hands = np.full((70, 3), 0.5), np.full((42, 3), 0.25)
    data = codecs.encode_keypoints(moved(BODY, (1 / 768, 1 / 1024)), face, hands)
    found = read(data, SIZE)
    assert found["keypoints_face"][0].tolist() == [384, 512, 0.5]
    assert found["keypoints_hands"][41].tolist() == [192, 256, 0.25]


def test_coordinates_below_one_in_a_tiny_photo_are_pixels() -> None:
    small = moved(BODY, (1 / 768, 1 / 1024))
    assert np.allclose(read(encoded(document(small)), (12, 9))["keypoints"], small, atol=1e-6)


def test_coordinates_in_no_unit_are_refused() -> None:
    with pytest.raises(codecs.CodecError, match="in no known unit"):
        read(encoded(document(moved(BODY, (-1 / 100, -1 / 100)))), SIZE)


@pytest.mark.parametrize("canvas", [(512, 384), (2048, 1536), (256, 192), (1020, 768)])
def test_a_named_canvas_is_brought_to_the_photo(canvas: tuple[int, int]) -> None:
    there = moved(BODY, (canvas[1] / 768, canvas[0] / 1024))
    frame = document(there, canvas_height=canvas[0], canvas_width=canvas[1])
    for value in (frame, [frame]):
        found = files.read(encoded(value), SIZE)
        assert np.allclose(found.columns["keypoints"], BODY, atol=0.01)
        assert f"{canvas[0]}x{canvas[1]}" in found.note
    assert "only frame" in found.note


def test_a_canvas_of_another_shape_is_refused() -> None:
    with pytest.raises(codecs.CodecError, match="512x512 canvas; its photo has 1024x768"):
        read(encoded(document(BODY, canvas_height=512, canvas_width=512)), SIZE)
    assert read(encoded(document(BODY, canvas_height=1000, canvas_width=768)), SIZE), "2.3 % is rounding"
    with pytest.raises(codecs.CodecError, match="980x768 canvas"):
        read(encoded(document(BODY, canvas_height=980, canvas_width=768)), SIZE)


@pytest.mark.parametrize("canvas", [{"canvas_height": 1024, "canvas_width": 768}, {"canvas_height": True}, {}])
def test_the_customary_form_has_no_note(canvas: dict[str, object]) -> None:
    found = files.read(encoded(document(BODY, **canvas)), SIZE)
    assert found.note == "" and np.allclose(found.columns["keypoints"], BODY)


def test_version_1_names_its_lists_without_2d() -> None:
    joints = labels.body25_to_coco18(BODY)
    person = {"pose_keypoints": joints.ravel().tolist(), "face_keypoints": [], "hand_left_keypoints": [1.0] * 63}
    found = read(encoded({"version": 1.0, "people": [person]}), SIZE)
    assert np.allclose(labels.body25_to_coco18(found["keypoints"]), joints)
    assert found["keypoints_hands"][:21].all() and not found["keypoints_hands"][21:].any()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_largest_person_counts_wherever_it_stands(place: int) -> None:
    others = [moved(BODY, (0.1, 0.1), 20.0), np.zeros((25, 3))]
    people = [{"pose_keypoints_2d": points.ravel().tolist()} for points in others]
    people.insert(place, document(BODY)["people"][0])
    people.append({"pose_keypoints_2d": []})
    found = files.read(encoded({"people": people}), SIZE)
    assert np.allclose(found.columns["keypoints"], BODY)
    assert found.note == "the largest of 2 people"


def test_dresscode_joints_outside_their_frame_are_photo_pixels() -> None:
    joints = [[100 + 20 * n, 900 - 30 * n, 1.0, n] for n in range(18)]
    found = files.read(encoded({"keypoints": joints}), SIZE)
    assert labels.body25_to_coco18(found.columns["keypoints"])[:, :2].tolist() == [joint[:2] for joint in joints]
    assert "photo pixels" in found.note
