"""Recipes on drawn rectangles, whose masks are worked out here by hand; pixels of the recipe's own frame."""

import numpy as np
import pytest

from annotators.functional import agnostic, masks
from annotators.functional.agnostic import loaders
from annotators.functional.agnostic.recipes import ootdiffusion
from annotators.functional.agnostic.recipes.fitdit import Extremities
from schemas.labels import Atr, Cihp, Lip

SMALL, LARGE = (512, 384), (1024, 768)
NOBODY = np.zeros((18, 2))

# COCO-18 of 768 × 1024: upright, arms hanging.
JOINTS = {
    2: (300, 300), 3: (280, 450), 4: (270, 600), 5: (460, 300), 6: (480, 450), 7: (490, 600),
    8: (330, 650), 9: (325, 780), 10: (320, 900), 11: (430, 650), 12: (435, 780), 13: (440, 905),
}  # fmt: skip


def skeleton(*absent, scale=1.0):
    points = np.zeros((18, 2))
    for joint, point in JOINTS.items():
        points[joint] = point
    points[list(absent)] = 0
    return points * scale


def boxed(shape, *regions):
    """Label map with (label, top, bottom, left, right), ends not included; later ones on top."""
    label_map = np.zeros(shape, np.uint8)
    for label, top, bottom, left, right in regions:
        label_map[top:bottom, left:right] = label
    return label_map


def rectangle(shape, top, bottom, left, right):
    return boxed(shape, (255, top, bottom, left, right))


def assert_masks_equal(made, expected):
    assert made.dtype == np.uint8 and made.shape == expected.shape
    np.testing.assert_array_equal(made, expected)


# LaDI-VTON: 5×5 five times reaches 10 pixels.


def test_ladi_dilates_the_garment_and_keeps_trousers():
    parse = boxed(SMALL, (Cihp.UPPER_CLOTHES, 200, 300, 150, 250), (Cihp.PANTS, 300, 400, 150, 250))
    expected = rectangle(SMALL, 190, 310, 140, 260)
    expected[300:, 150:250] = 0
    assert_masks_equal(agnostic.ladi_mask(parse, NOBODY, "upper_body", "hd"), expected)


def test_ladi_strokes_both_arms_and_keeps_hands_beyond():
    joints = NOBODY.copy()
    joints[[7, 6, 5, 2, 3, 4]] = [(300, 200), (260, 200), (220, 200), (160, 200), (120, 200), (80, 200)]
    parse = boxed(SMALL, (Cihp.RIGHT_ARM, 195, 205, 40, 120), (Cihp.FACE, 60, 110, 170, 210))
    made = agnostic.ladi_mask(parse, joints, "upper_body", "hd")
    stroke = 90 * 512 // 512  # wide
    rows = np.flatnonzero(made[:, 190])
    assert len(rows) == pytest.approx(stroke + 2 * 10, abs=1) and rows.mean() == pytest.approx(200, abs=1)
    assert not made[195:205, 40:80].any(), "the hand beyond the wrist stays"
    assert made[195:205, 80:120].all(), "the arm under the stroke goes"
    assert made[190, 75] == 255, "background beside the hand is reached by dilation"
    wide = agnostic.ladi_mask(masks.resize(parse, *LARGE), joints * 2, "upper_body", "hd")
    assert np.count_nonzero(wide[:, 380]) == pytest.approx(2 * stroke + 2 * 10, abs=1)


def test_ladi_for_dresscode_is_that_loader_with_a_wider_stroke():
    parse = boxed(SMALL, (Atr.UPPER_CLOTHES, 200, 300, 150, 250))
    made = agnostic.ladi_mask(parse, skeleton(scale=0.5), "upper_body", "dc")
    thin = agnostic.dresscode_mask(parse, skeleton(scale=0.5), "upper_body")
    assert masks.area(thin & ~made) < 100 and masks.area(made) > 1.1 * masks.area(thin)  # ends are butt


# Dress Code: 20×20 five times reaches 45 pixels up and left, 50 down and right.


@pytest.mark.parametrize(
    ("category", "label", "kept"),
    [("lower_body", Atr.PANTS, Atr.UPPER_CLOTHES), ("lower_body", Atr.LEFT_LEG, Atr.LEFT_ARM)],
)
def test_dresscode_dilates_and_keeps_what_the_category_protects(category, label, kept):
    parse = boxed(LARGE, (label, 500, 600, 300, 400), (kept, 400, 500, 300, 400))
    expected = rectangle(LARGE, 455, 650, 255, 450)
    expected[:500, 300:400] = 0
    assert_masks_equal(agnostic.dresscode_mask(parse, NOBODY, category), expected)
    assert_masks_equal(agnostic.idm_vton_mask(parse, NOBODY, category), expected)


@pytest.mark.parametrize("category", ["upper_body", "dresses", "lower_body"])
def test_dresscode_repaints_the_neck_from_40_pixels_above_the_shoulders(category):
    parse = boxed(LARGE, (Atr.FACE, 200, 320, 350, 410), (Atr.PANTS, 500, 600, 300, 400))
    made = agnostic.dresscode_mask(parse, skeleton(), category)
    face = made[200:320, 350:410]
    neck = JOINTS[2][1] - 40 - 200
    assert not face[:neck].any()
    assert face[neck:].all() == (category != "lower_body") and face[neck:].any() == (category != "lower_body")


def test_dresscodes_neck_follows_slanting_shoulders():
    joints = skeleton()
    joints[2], joints[5] = (300, 280), (460, 320)  # a quarter of a pixel down per pixel to the right
    parse = boxed(LARGE, (Atr.FACE, 200, 320, 300, 460))
    made = agnostic.dresscode_mask(parse, joints, "upper_body")
    for column in (301, 350, 459):
        begins = int((column - 300) / 4 + 280 - 40)
        assert not made[200 : begins - 1, column].any() and made[begins + 1 : 320, column].all()


def test_small_dresscode_maps_are_dilated_less():
    parse = boxed(SMALL, (Atr.PANTS, 250, 300, 150, 200))
    assert_masks_equal(agnostic.dresscode_mask(parse, NOBODY, "lower_body"), rectangle(SMALL, 240, 310, 140, 210))


def test_idm_vton_is_dresscode_with_joints_at_half_size():
    parse = boxed(LARGE, (Atr.UPPER_CLOTHES, 300, 640, 300, 460), (Atr.LEFT_ARM, 450, 700, 470, 500))
    expected = agnostic.dresscode_mask(parse, skeleton(), "upper_body")
    assert_masks_equal(agnostic.idm_vton_mask(parse, skeleton(scale=0.5), "upper_body"), expected)


@pytest.mark.parametrize("absent", [(4,), (7,), (3, 4), (6, 7), (4, 7), (3,)], ids=str)
def test_absent_joints_leave_the_stroke(absent):
    """No line runs to the picture's corner."""
    parse = boxed(LARGE, (Atr.UPPER_CLOTHES, 300, 640, 300, 460))
    made = agnostic.dresscode_mask(parse, skeleton(*absent), "upper_body")
    whole = agnostic.dresscode_mask(parse, skeleton(), "upper_body")
    assert masks.area(made & ~masks.dilate(whole, 3, 8)) == 0 and not made[:200].any()


def test_shoulders_are_needed_where_the_neck_goes():
    parse = boxed(LARGE, (Atr.DRESS, 300, 640, 300, 460), (Atr.PANTS, 640, 700, 300, 460))
    for category in ("upper_body", "dresses"):
        with pytest.raises(ValueError, match="both shoulders are missing"):
            agnostic.dresscode_mask(parse, skeleton(2, 5), category)
        assert agnostic.dresscode_mask(parse, skeleton(2), category).any()
    assert agnostic.dresscode_mask(parse, NOBODY, "lower_body").any()


@pytest.mark.parametrize("away", [(2000, 0), (-2000, 0), (0, 3000), (0, -3000)], ids=str)
def test_joints_outside_the_frame_draw_nothing(away):
    outside = skeleton() + away
    outside[[0, 1, *range(14, 18)]] = 0
    for parse in (np.zeros(LARGE, np.uint8), boxed(LARGE, (Atr.SCARF, 0, 20, 0, 20))):
        assert not agnostic.dresscode_mask(parse, outside, "upper_body").any()
        assert not agnostic.ootdiffusion_mask(parse, outside, "dresses", "hd").any()


@pytest.mark.parametrize("square", [3, 5, 8])
def test_loaders_masks_grow_with_dilation(square):
    parse = boxed(LARGE, (Atr.UPPER_CLOTHES, 300, 640, 300, 460), (Atr.FACE, 150, 290, 350, 410))
    smaller, larger = (
        loaders.draw(parse, skeleton(), loaders.DRESSCODE["upper_body"], loaders.Values(30, side, side))
        for side in (square, square + 2)
    )
    assert (larger >= smaller).all() and masks.area(larger) > masks.area(smaller)


# OOTDiffusion: 5×5 five times reaches 10 pixels; Leffa: 10×10 five times reaches 20 up and left, 25 down and right.


def dressed_legs():
    """Trousers under a wide shirt, which lower_body protects."""
    return boxed(SMALL, (Atr.PANTS, 200, 300, 150, 250), (Atr.UPPER_CLOTHES, 100, 200, 50, 350))


@pytest.mark.parametrize("model_type", agnostic.MODEL_TYPES)
def test_ootdiffusion_dilates_by_ten(model_type):
    made = agnostic.ootdiffusion_mask(dressed_legs(), NOBODY, "lower_body", model_type)
    assert_masks_equal(made, rectangle(SMALL, 200, 310, 140, 260))


def test_leffa_dilates_further_and_wears_off_what_it_protects():
    made = agnostic.leffa_mask(dressed_legs(), NOBODY, "lower_body", "hd")
    assert_masks_equal(made, rectangle(SMALL, 198, 325, 130, 275))  # two rows of the shirt are gone


def test_leffa_does_not_wear_off_the_head():
    parse = boxed(SMALL, (Atr.DRESS, 200, 300, 150, 250), (Atr.FACE, 100, 200, 50, 350))
    made = agnostic.leffa_mask(parse, NOBODY, "dresses", "hd")
    assert_masks_equal(made, rectangle(SMALL, 200, 325, 130, 275))


def test_leffa_for_dresscode_fills_holes_and_calls_the_neck_head():
    parse = boxed(SMALL, (Atr.PANTS, 200, 300, 150, 250), (Atr.BAG, 240, 260, 190, 210))
    assert_masks_equal(agnostic.leffa_mask(parse, NOBODY, "lower_body", "dc"), rectangle(SMALL, 180, 325, 130, 275))
    necks = [boxed(SMALL, (label, 100, 200, 170, 210), (Atr.UPPER_CLOTHES, 200, 300, 150, 250)) for label in (11, 18)]
    one, other = (agnostic.leffa_mask(parse, skeleton(scale=0.5), "upper_body", "dc") for parse in necks)
    assert_masks_equal(one, other)


def test_ootdiffusion_keeps_the_largest_piece_off_the_frames_edge():
    parse = boxed(SMALL, (Atr.PANTS, 0, 100, 100, 200), (Atr.SKIRT, 300, 340, 100, 140))
    made = agnostic.ootdiffusion_mask(parse, NOBODY, "lower_body", "hd")
    assert_masks_equal(made, rectangle(SMALL, 1, 110, 90, 210))


def test_ootdiffusion_fills_holes():
    parse = boxed(SMALL, (Atr.PANTS, 200, 300, 150, 250), (Atr.BAG, 240, 260, 190, 210))
    made = agnostic.ootdiffusion_mask(parse, NOBODY, "lower_body", "hd")
    assert_masks_equal(made, rectangle(SMALL, 190, 310, 140, 260))


@pytest.mark.parametrize("absent", [2, 3, 4], ids=["shoulder", "elbow", "wrist"])
def test_an_arm_that_lacks_a_joint_counts_by_its_label(absent):
    parse = boxed(SMALL, (Atr.UPPER_CLOTHES, 150, 320, 150, 230), (Atr.RIGHT_ARM, 200, 320, 130, 145))
    made = agnostic.ootdiffusion_mask(parse, skeleton(absent, scale=0.5), "upper_body", "hd")
    assert made[210:310, 130:145].all() and not made[:100].any()
    assert_masks_equal(made, agnostic.ootdiffusion_mask(parse, skeleton(4, scale=0.5), "upper_body", "hd"))


def test_ootdiffusion_grows_with_the_arms_width():
    parse = boxed(SMALL, (Atr.UPPER_CLOTHES, 150, 320, 150, 230))
    areas = [
        masks.area(ootdiffusion.draw(parse, skeleton(scale=0.5), "upper_body", ootdiffusion.Form(width)))
        for width in (30, 45, 60)
    ]
    assert areas == sorted(set(areas))


def test_ootdiffusion_takes_parses_of_other_sizes():
    parse = boxed(SMALL, (Atr.UPPER_CLOTHES, 150, 320, 150, 230))
    given = skeleton(scale=0.5), "upper_body", "dc"
    assert_masks_equal(
        agnostic.ootdiffusion_mask(masks.resize(parse, *LARGE), *given), agnostic.ootdiffusion_mask(parse, *given)
    )


# FitDiT: a rectangle around joints and garment, padded.

SHIRT = (Atr.UPPER_CLOTHES, 320, 700, 310, 450)


def test_fitdit_around_an_upper_garment():
    parse = boxed(LARGE, SHIRT, (Atr.FACE, 200, 300, 340, 420))
    expected = rectangle(LARGE, 300 - 20, 700 + 10, 270 - 25, 490 + 25)
    expected[200:300, 340:420] = 0
    assert_masks_equal(agnostic.fitdit_mask(parse, skeleton(), "upper_body"), expected)


def test_fitdit_does_not_pad_below_hips_that_lie_lower_than_the_garment():
    joints = skeleton()
    joints[[8, 11], 1] = 750
    assert_masks_equal(
        agnostic.fitdit_mask(boxed(LARGE, SHIRT), joints, "upper_body"), rectangle(LARGE, 280, 750, 245, 515)
    )


def test_fitdit_reaches_to_fingers_and_jaw():
    hands, face = np.zeros((42, 2)), np.zeros((68, 2))
    hands[5], face[5], face[11] = (600, 720), (350, 270), (410, 290)
    beyond = Extremities(hands=hands, face=face)
    made = agnostic.fitdit_mask(boxed(LARGE, SHIRT), skeleton(), "upper_body", beyond)
    assert_masks_equal(made, rectangle(LARGE, 280, 720, 245, 625))  # the jaw's middle, and no pad above it
    for mean, top in ((240, 240), (290, 290), (300, 280), (310, 280)):  # a jaw below the joints raises nothing
        face[5], face[11] = (350, mean - 10), (410, mean + 10)
        made = agnostic.fitdit_mask(boxed(LARGE, SHIRT), skeleton(), "upper_body", Extremities(face=face))
        assert_masks_equal(made, rectangle(LARGE, top, 710, 245, 515))
        made = agnostic.fitdit_mask(boxed(LARGE, SHIRT), skeleton(), "dresses", Extremities(face=face))
        assert_masks_equal(made, rectangle(LARGE, top, 905 + 10, 220, 540))
    face[11] = 0  # half a jaw is none
    made = agnostic.fitdit_mask(boxed(LARGE, SHIRT), skeleton(), "upper_body", Extremities(face=face))
    assert_masks_equal(made, rectangle(LARGE, 280, 710, 245, 515))
    face[5], face[11] = (350, 270), (410, 290)
    hands[5] = (600, 250)
    made = agnostic.fitdit_mask(boxed(LARGE, SHIRT), skeleton(), "upper_body", beyond)
    assert_masks_equal(made, rectangle(LARGE, 250 - 20, 710, 245, 625))  # fingers higher than the jaw


def test_fitdit_leaves_out_specks_and_absent_joints():
    parse = boxed(LARGE, SHIRT, (Atr.UPPER_CLOTHES, 900, 909, 700, 709))
    made = agnostic.fitdit_mask(parse, skeleton(4, 7), "upper_body")
    assert_masks_equal(made, rectangle(LARGE, 280, 710, 280 - 25, 480 + 25))


def test_fitdit_around_legs():
    feet = np.zeros((6, 2))
    feet[2] = (460, 930)  # the left heel
    trousers = (Atr.PANTS, 480, 860, 300, 460)
    made = agnostic.fitdit_mask(boxed(LARGE, trousers), skeleton(), "lower_body", Extremities(feet=feet))
    assert_masks_equal(made, rectangle(LARGE, 480 - 5, 930 + 10, 300 - 30, 460 + 30))
    bare = agnostic.fitdit_mask(boxed(LARGE, (Atr.BAG, 700, 720, 400, 420)), skeleton(), "lower_body")
    expected = rectangle(LARGE, 650 - 50, 905 + 10, 320 - 30, 440 + 30)
    expected[700:720, 400:420] = 0
    assert_masks_equal(bare, expected)


def test_fitdit_looks_sideways_at_a_dress_when_there_is_nothing_else_on_the_legs():
    parse = boxed(LARGE, (Atr.DRESS, 300, 800, 250, 500))
    made = agnostic.fitdit_mask(parse, skeleton(), "lower_body")
    assert_masks_equal(made, rectangle(LARGE, 650 - 50, 905 + 10, 250 - 30, 500 + 30))


def test_fitdit_around_a_dress():
    parse = boxed(LARGE, (Atr.DRESS, 310, 800, 290, 470), (Atr.LEFT_SHOE, 900, 910, 430, 450))
    expected = rectangle(LARGE, 300 - 20, 905 + 10, 270 - 50, 490 + 50)
    expected[900:910, 430:450] = 0
    assert_masks_equal(agnostic.fitdit_mask(parse, skeleton(), "dresses"), expected)


def test_fitdit_of_nobody_is_empty_and_a_back_view_is_not():
    assert not agnostic.fitdit_mask(np.zeros(LARGE, np.uint8), NOBODY, "upper_body").any()
    behind = skeleton()
    behind[[2, 3, 4, 5, 6, 7]] = behind[[5, 6, 7, 2, 3, 4]]
    made = agnostic.fitdit_mask(boxed(LARGE, (Atr.UPPER_CLOTHES, 320, 340, 370, 390)), behind, "upper_body")
    assert made[330, 280:480].all()


# CatVTON: upstream's own masks are in tests/parity; sizes that upstream can't do are here.


def body_maps(shape):
    height, width = shape
    parts, lip, atr = (np.zeros(shape, np.uint8) for _ in range(3))
    torso = np.s_[height // 4 : height // 2, width // 3 : 2 * width // 3]
    parts[torso], lip[torso], atr[torso] = 2, Lip.UPPER_CLOTHES, Atr.UPPER_CLOTHES
    lip[height // 2 : height, width // 3 : 2 * width // 3] = Lip.PANTS
    lip[height // 8 : height // 4, width // 3 : 2 * width // 3] = Lip.FACE
    return parts, lip, atr


@pytest.mark.parametrize(
    "shape", [(1024, 768), (1023, 766), (1026, 770), (97, 61), (5, 3), (1, 1), (300, 900)], ids=str
)
def test_catvton_of_any_size(shape):
    parts, lip, atr = body_maps(shape)
    made = agnostic.catvton_mask(parts, lip, atr, "upper")
    assert made.shape == shape and set(np.unique(made)) <= {0, 255}
    assert made[atr == Atr.UPPER_CLOTHES].all()
    if min(shape) > 700:
        assert not made[: shape[0] // 6].any(), "the face is kept"
        small = agnostic.catvton_mask(*body_maps((512, 384)), "upper")
        assert masks.iou(masks.resize(made, 512, 384), small) > 0.9


def test_catvton_of_nobody_is_empty():
    nothing = np.zeros((40, 30), np.uint8)
    assert not agnostic.catvton_mask(nothing, nothing, nothing, "overall").any()


# Wrong arguments.

PARSE = np.zeros(SMALL, np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agnostic.ootdiffusion_mask(PARSE, NOBODY, "hat", "hd"), "category 'hat'; allowed are upper_body"),
        (lambda: agnostic.ootdiffusion_mask(PARSE, NOBODY, "dresses", "xl"), "model_type 'xl'; allowed are hd, dc"),
        (lambda: agnostic.ootdiffusion_mask(PARSE[0], NOBODY, "dresses", "hd"), r"parse is uint8 .*allowed is uint8"),
        (lambda: agnostic.ootdiffusion_mask(PARSE, np.zeros((25, 3)), "dresses", "hd"), r"allowed is \[18 2\]"),
        (lambda: agnostic.leffa_mask(PARSE, NOBODY, "hat", "dc"), "category 'hat'"),
        (lambda: agnostic.leffa_mask(PARSE, NOBODY, "dresses", "xl"), "model_type 'xl'"),
        (lambda: agnostic.ladi_mask(PARSE, NOBODY, "dresses", "hd"), "category 'dresses'; allowed are upper_body"),
        (lambda: agnostic.ladi_mask(PARSE, NOBODY, "hat", "dc"), "category 'hat'"),
        (lambda: agnostic.dresscode_mask(PARSE, NOBODY, "hat"), "category 'hat'"),
        (lambda: agnostic.dresscode_mask(PARSE.astype(int), NOBODY, "dresses"), "parse is int64"),
        (lambda: agnostic.dresscode_mask(PARSE, NOBODY[:5], "dresses"), "keypoints of shape"),
        (lambda: agnostic.fitdit_mask(PARSE, NOBODY, "hat"), "category 'hat'"),
        (lambda: agnostic.fitdit_mask(PARSE, NOBODY[:5], "dresses"), "keypoints of shape"),
        (lambda: agnostic.catvton_mask(PARSE, PARSE, PARSE, "upper_body"), "allowed are upper, lower, overall, inner"),
        (lambda: agnostic.catvton_mask(PARSE, PARSE, PARSE[1:], "upper"), "atr of .* beside lip of"),
        (lambda: agnostic.catvton_mask(PARSE[1:], PARSE, PARSE, "upper"), "densepose_parts of"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
