"""FASHN's classes as ATR's: the cross-walk of specs/annotations.md §2.2, with sides, and the network's input."""

import numpy as np
import pytest

from annotators.functional import fashn
from annotators.functional.parsing import to_cihp
from schemas.labels import Atr, Body25, Cihp, Fashn

HEIGHT, WIDTH = 200, 120


def test_the_classes_are_those_that_the_model_card_lists_in_this_order():
    card = "background face hair top dress skirt pants belt bag hat scarf glasses arms hands legs feet torso jewelry"
    assert [label.name.lower() for label in Fashn] == card.split()
    np.testing.assert_array_equal(fashn.class_table(card.split()), np.arange(18))
    np.testing.assert_array_equal(fashn.class_table(card.split()[::-1]), np.arange(18)[::-1])
    assert fashn.class_table(card.split()[:-1]) is None and fashn.class_table(["background"] * 18) is None


@pytest.mark.parametrize(
    ("label", "atr", "cihp"),
    [
        (0, 0, 0), (9, 1, 1), (2, 2, 2), (11, 3, 4), (3, 4, 5), (5, 5, 12), (6, 6, 9), (4, 7, 6), (7, 8, 0),
        (1, 11, 13), (10, 17, 11), (8, 16, 0), (17, 0, 0),
    ],
)  # fmt: skip
def test_the_crosswalk(label, atr, cihp):
    made = fashn.to_atr(np.full((4, 4), label, np.uint8), None)
    assert (made == atr).all() and (to_cihp(made, "atr") == cihp).all()


def person():
    """A frontal person's map, and its joints: the left side is on the right of the picture."""
    parse = np.zeros((HEIGHT, WIDTH), np.uint8)
    parse[10:30, 50:70] = Fashn.FACE
    parse[30:45, 55:65] = Fashn.TORSO  # the neck
    parse[40:90, 40:80] = Fashn.TOP
    parse[40:50, 56:64] = Fashn.TORSO  # and the cleavage
    parse[90:100, 40:80] = Fashn.TORSO  # the belly
    parse[100:120, 40:80] = Fashn.SKIRT
    parse[45:90, 20:38] = parse[45:90, 82:100] = Fashn.ARMS
    parse[90:100, 20:38] = parse[90:100, 82:100] = Fashn.HANDS
    parse[120:180, 42:56] = parse[120:180, 64:78] = Fashn.LEGS
    parse[180:190, 42:56] = parse[180:190, 64:78] = Fashn.FEET
    joints = np.zeros((25, 3), np.float32)
    for side, x in (("RIGHT", 30), ("LEFT", 90)):
        for name, y in (("SHOULDER", 45), ("ELBOW", 70), ("WRIST", 95)):
            joints[Body25[f"{side}_{name}"]] = x, y, 1
    for side, x in (("RIGHT", 49), ("LEFT", 71)):
        for name, y in (("HIP", 100), ("KNEE", 140), ("ANKLE", 178)):
            joints[Body25[f"{side}_{name}"]] = x, y, 1
    return parse, joints


def sides(atr):
    """Ids at the picture's left and right: arm, hand, leg, foot."""
    return [
        [int(atr[y, x]) for y, x in zip((60, 95, 150, 185), xs, strict=True)]
        for xs in ((29, 29, 49, 49), (91, 91, 71, 71))
    ]


RIGHT, LEFT = [15, 15, 13, 10], [14, 14, 12, 9]


def test_sides_go_by_the_nearer_joints():
    parse, joints = person()
    assert sides(fashn.to_atr(parse, joints)) == [RIGHT, LEFT]
    turned = joints.copy()
    for name in ("SHOULDER", "ELBOW", "WRIST", "HIP", "KNEE", "ANKLE"):
        left, right = Body25[f"LEFT_{name}"], Body25[f"RIGHT_{name}"]
        turned[[left, right]] = joints[[right, left]]
    assert sides(fashn.to_atr(parse, turned)) == [LEFT, RIGHT], "a person seen from behind"


def test_without_joints_it_is_a_front_view():
    parse, _ = person()
    assert sides(fashn.to_atr(parse, None)) == [RIGHT, LEFT]
    assert sides(fashn.to_atr(parse, np.zeros((25, 3), np.float32))) == [RIGHT, LEFT]
    shifted = np.roll(parse, -18, axis=1)  # the middle is the person's, not the frame's
    assert sides(np.roll(fashn.to_atr(shifted, None), 18, axis=1)) == [RIGHT, LEFT]


def test_crossed_arms_go_by_their_joints():
    parse, joints = person()
    parse[60:70, 38:82] = Fashn.ARMS
    joints[Body25.LEFT_WRIST, :2], joints[Body25.LEFT_ELBOW, :2] = (32, 65), (90, 65)
    made = fashn.to_atr(parse, joints)
    assert made[65, 45] == made[65, 75] == Atr.LEFT_ARM, "the left forearm reaches to the right elbow"


def test_torso_above_the_collar_is_neck_and_the_belly_is_lost():
    made = fashn.to_atr(*person())
    assert (made[31:39, 56:64] == Atr.NECK).all() and made[47, 60] == Atr.NECK and made[95, 60] == 0
    assert to_cihp(made, "atr")[35, 60] == Cihp.NECK == 10
    bare = np.zeros((20, 20), np.uint8)
    bare[5:15, 5:15] = Fashn.TORSO
    assert (fashn.to_atr(bare, None)[5:15, 5:15] == Atr.NECK).all()


def test_the_network_sees_a_stretched_photo_normalised():
    photo = np.random.default_rng(0).integers(0, 256, (1152, 1536, 3), dtype=np.uint8)
    seen = fashn.network_input(photo)
    assert seen.shape == (3, 576, 384) and seen.dtype == np.float32
    averages = photo.reshape(576, 2, 384, 4, 3).mean(axis=(1, 3))
    right = (averages / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(seen, right.transpose(2, 0, 1), atol=0.01)
