"""Sleeve length from the bare part of the arms, on drawn people and on VITON-HD's."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotators.functional import coverage
from schemas import labels
from schemas.labels import Body25, Cihp

DATA = Path(os.environ.get("VTON_DATA", Path(__file__).parents[3] / "shared" / "data"))
HEIGHT, WIDTH = 200, 150
ARMS = {"RIGHT": [(50, 40), (40, 100), (30, 160)], "LEFT": [(100, 40), (110, 100), (120, 160)]}


def person(right=0.0, left=None):
    """(parse, keypoints) of somebody whose sleeves cover these shares of the arms; the rest is skin."""
    parse = np.zeros((HEIGHT, WIDTH), np.uint8)
    keypoints = np.zeros((len(Body25), 3), np.float32)
    for side, covered in (("RIGHT", right), ("LEFT", right if left is None else left)):
        points = coverage.chain_points(np.array(ARMS[side], float))
        skin = Cihp[f"{side}_ARM"]
        for place, (x, y) in enumerate(points):
            label = Cihp.UPPER_CLOTHES if place < covered * len(points) else skin
            cv2.line(parse, (int(x) - 4, int(y)), (int(x) + 4, int(y)), int(label))
        for joint, (x, y) in zip(("SHOULDER", "ELBOW", "WRIST"), ARMS[side], strict=True):
            keypoints[Body25[f"{side}_{joint}"]] = x, y, 1
    return parse, keypoints


@pytest.mark.parametrize(
    ("covered", "word"),
    [(0.0, "Sleeveless"), (0.05, "Sleeveless"), (0.3, "Short Sleeve"), (0.5, "Short Sleeve"),
     (0.7, "Cropped Sleeve"), (0.9, "Long Sleeve"), (1.0, "Long Sleeve")],
)  # fmt: skip
def test_drawn_sleeves_have_their_word(covered, word):
    bare = coverage.arm_coverage(*person(covered))
    assert bare == pytest.approx(1 - covered, abs=0.02)
    assert coverage.sleeve_length(bare) == word


def test_dress_and_coat_have_sleeves_too():
    parse, keypoints = person(1.0)
    for garment in (Cihp.DRESS, Cihp.COAT):
        assert coverage.arm_coverage(np.where(parse == Cihp.UPPER_CLOTHES, garment, parse), keypoints) == 0


def test_an_absent_joint_leaves_its_arm_out():
    parse, keypoints = person(right=0.0, left=1.0)
    assert coverage.arm_coverage(parse, keypoints) == pytest.approx(0.5, abs=0.02)
    keypoints[Body25.LEFT_WRIST] = 0
    assert coverage.arm_coverage(parse, keypoints) == 1
    keypoints[Body25.RIGHT_ELBOW] = 0
    assert coverage.arm_coverage(parse, keypoints) is None
    assert coverage.sleeve_length(None) is None


def test_hair_over_an_arm_does_not_count_and_a_hidden_arm_says_nothing():
    parse, keypoints = person(0.4)
    points = coverage.chain_points(np.array(ARMS["LEFT"], float)).astype(int)
    hidden = parse.copy()
    hidden[: points[40, 1], 75:] = Cihp.HAIR
    assert coverage.arm_coverage(hidden, keypoints) == pytest.approx(0.68, abs=0.05)
    hidden[:, 75:] = Cihp.HAIR
    assert coverage.arm_coverage(hidden, keypoints) == pytest.approx(0.6, abs=0.02)
    hidden[:] = Cihp.BACKGROUND
    assert coverage.arm_coverage(hidden, keypoints) is None


def test_an_arm_out_of_the_picture_says_nothing():
    parse, keypoints = person(0.4)
    keypoints[:, :2] += np.where(keypoints[:, :2] > 0, 1000, 0)
    assert coverage.arm_coverage(parse, keypoints) is None


def test_mirrored_people_have_the_same_sleeves():
    parse, keypoints = person(right=0.3, left=0.8)
    mirrored = keypoints[labels.FLIP_BODY_25].copy()
    present = mirrored[:, 2] > 0
    mirrored[present, 0] = WIDTH - 1 - mirrored[present, 0]
    flipped = labels.FLIP["cihp"][parse[:, ::-1]]
    assert coverage.arm_coverage(flipped, mirrored) == pytest.approx(coverage.arm_coverage(parse, keypoints), abs=0.02)


@given(st.floats(0, 1), st.floats(0, 1))
def test_longer_sleeves_show_less_arm(a, b):
    order = ["Sleeveless", "Short Sleeve", "Cropped Sleeve", "Long Sleeve"]
    short, long = sorted((a, b))
    more, less = coverage.arm_coverage(*person(short)), coverage.arm_coverage(*person(long))
    assert 0 <= less <= more <= 1
    assert order.index(coverage.sleeve_length(more)) <= order.index(coverage.sleeve_length(less))


@given(st.integers(0, 2**32 - 1))
def test_any_picture_gives_a_share_or_nothing_and_stays_unchanged(seed):
    generator = np.random.default_rng(seed)
    parse = generator.integers(0, 20, (40, 30), np.uint8)
    keypoints = generator.uniform(-20, 60, (25, 3)).astype(np.float32) * (generator.random((25, 1)) < 0.9)
    before = parse.copy(), keypoints.copy()
    bare = coverage.arm_coverage(parse, keypoints)
    assert bare is None or 0 <= bare <= 1
    assert (parse == before[0]).all() and (keypoints == before[1]).all()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=4))
def test_a_chain_runs_from_its_first_to_its_last_point_by_the_pixel(joints):
    chain = np.array(joints)
    points = coverage.chain_points(chain)
    assert np.allclose(points[0], chain[0]) and np.allclose(points[-1], chain[-1])
    assert (np.linalg.norm(np.diff(points, axis=0), axis=1) <= 1.5).all()


def test_wrong_shapes_and_shares_are_refused():
    parse, keypoints = person()
    for wrong in ((parse[..., None], keypoints), (parse, keypoints[:18]), (parse, keypoints.ravel())):
        with pytest.raises(ValueError, match="allowed"):
            coverage.arm_coverage(*wrong)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="allowed"):
            coverage.sleeve_length(share)


# By eye; 07445 wears long sleeves too, but her shipped parse calls them arms.
WORN = {"00891": "Short Sleeve", "03615": "Long Sleeve", "07573": "Short Sleeve", "10549": "Sleeveless"}


@pytest.mark.parametrize("name", WORN)
def test_people_of_vitonhd(name):
    folder = DATA / "vitonhd_mini" / "test"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    parse = np.array(Image.open(folder / "image-parse-v3" / f"{name}_00.png"))
    shipped = json.loads((folder / "openpose_json" / f"{name}_00_keypoints.json").read_text())
    keypoints = np.array(shipped["people"][0]["pose_keypoints_2d"], np.float32).reshape(25, 3)
    assert coverage.sleeve_length(coverage.arm_coverage(parse, keypoints)) == WORN[name]
