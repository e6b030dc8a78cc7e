"""Annotations against each other: a drawn person, spoilt one way at a time."""

import numpy as np
import pytest

from annotators.functional import crosschecks, densepose
from schemas import labels
from schemas.labels import Body25, Category, Cihp, DensePose

HEIGHT, WIDTH = 400, 300


def drawn_parse() -> np.ndarray:
    """A person from head to knee in the middle of the frame."""
    parse = np.zeros((HEIGHT, WIDTH), np.uint8)
    parse[40:60, 130:170] = Cihp.HAIR
    parse[60:90, 130:170] = Cihp.FACE
    parse[90:110, 140:160] = Cihp.NECK
    parse[110:250, 100:200] = Cihp.UPPER_CLOTHES
    parse[150:250, 80:100] = Cihp.RIGHT_ARM
    parse[150:250, 200:220] = Cihp.LEFT_ARM
    parse[250:400, 105:195] = Cihp.PANTS
    return parse


def drawn_joints() -> np.ndarray:
    keypoints = np.zeros((25, 3), np.float32)
    places = {Body25.NOSE: (150, 75), Body25.NECK: (150, 115), Body25.RIGHT_SHOULDER: (105, 118)}
    places |= {Body25.LEFT_SHOULDER: (195, 118), Body25.RIGHT_ELBOW: (90, 180), Body25.LEFT_ELBOW: (210, 180)}
    places |= {Body25.RIGHT_HIP: (125, 250), Body25.LEFT_HIP: (175, 250), Body25.MID_HIP: (150, 250)}
    for joint, (x, y) in places.items():
        keypoints[joint] = x, y, 0.9
    return keypoints


PARSE, JOINTS = drawn_parse(), drawn_joints()
BODY = PARSE > 0
MASK = np.where(np.isin(PARSE, (Cihp.UPPER_CLOTHES, Cihp.RIGHT_ARM, Cihp.LEFT_ARM)), np.uint8(255), np.uint8(0))
PARTS = np.where(PARSE == Cihp.UPPER_CLOTHES, DensePose.TORSO_FRONT, np.where(BODY, 10, 0)).astype(np.uint8)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("evidence", ["parse", "densepose", "none"])
def test_an_agnostic_mask_the_other_way_round(negative: bool, evidence: str) -> None:
    mask = 255 - MASK if negative else MASK
    parse, parts = {"parse": (PARSE, None), "densepose": (None, PARTS), "none": (None, None)}[evidence]
    inside = crosschecks.must_repaint(Category.UPPER_BODY, parse, parts)
    body = crosschecks.person(parse, parts, None)
    assert (inside is None) == (evidence == "none")
    assert crosschecks.agnostic_inverted(mask, inside, body) is negative


def test_evidence_against_each_other_decides_nothing() -> None:
    everything = np.full((HEIGHT, WIDTH), 255, np.uint8)
    inside = crosschecks.must_repaint(Category.UPPER_BODY, PARSE, None)
    assert crosschecks.agnostic_inverted(everything, inside, BODY) is None
    assert crosschecks.agnostic_inverted(everything, None, None) is None


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_a_mask_that_sets_about_half_of_what_it_must_leaves_the_verdict_to_the_background(share: float) -> None:
    half = MASK.copy()
    half[110 : 110 + round(140 * (1 - share))] = 0
    inside = PARSE == Cihp.UPPER_CLOTHES
    assert crosschecks.agnostic_inverted(half, inside, BODY) is False
    assert crosschecks.agnostic_inverted(half, inside, None) is None


def test_what_a_category_repaints() -> None:
    lower = crosschecks.must_repaint(Category.LOWER_BODY, PARSE, PARTS)
    assert lower is not None and (lower == (PARSE == Cihp.PANTS)).all()
    assert crosschecks.must_repaint(Category.LOWER_BODY, None, PARTS) is None
    assert crosschecks.must_repaint(None, PARSE, None) is None


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("box", [(30, 370, 40, 260), (0, 400, 60, 240), (0, 200, 0, 300)])
def test_a_garment_mask_the_other_way_round(negative: bool, box: tuple[int, int, int, int]) -> None:
    """Also of garments that reach the frame, where only the photo tells."""
    top, bottom, left, right = box
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, left:right] = 255
    photo = np.full((HEIGHT, WIDTH, 3), 246, np.uint8)
    photo[mask > 0] = (40, 60, 90)
    if mask[:, 0].any() and mask[:, -1].any():
        photo = np.where(mask[..., None] > 0, 246, photo).astype(np.uint8)  # most of the rim is the garment: undecided
        photo[mask > 0] = 246
        assert crosschecks.garment_inverted(mask, photo) is None
        return
    assert crosschecks.garment_inverted(255 - mask if negative else mask, photo) is negative


@pytest.mark.parametrize("body", [None, BODY])
def test_a_person_mask_the_other_way_round(body: np.ndarray | None) -> None:
    mask = np.where(BODY, np.uint8(255), np.uint8(0))
    assert crosschecks.person_inverted(mask, body) is False
    assert crosschecks.person_inverted(255 - mask, body) is True


@pytest.mark.parametrize("keypoints", [None, JOINTS])
def test_atr_in_place_of_cihp(keypoints: np.ndarray | None) -> None:
    assert crosschecks.label_space(PARSE, keypoints) is None
    assert crosschecks.label_space(labels.CIHP_TO_ATR[PARSE], keypoints) == "atr"


def test_a_little_of_id_4_is_sunglasses_and_ids_beyond_atrs_are_cihps() -> None:
    """Without joints; a fiftieth of 400 x 300 is 2,400 pixels."""
    for rows, space in ((10, None), (30, "atr")):
        glasses = np.where(PARSE == Cihp.FACE, Cihp.HAIR, PARSE).astype(np.uint8)
        glasses[110 : 110 + rows, 100:200] = Cihp.SUNGLASSES
        assert crosschecks.label_space(glasses, None) == space
    shod = labels.CIHP_TO_ATR[PARSE]
    shod[390:, 105:195] = Cihp.RIGHT_SHOE
    assert int(shod.max()) == 19 and crosschecks.label_space(shod, JOINTS) is None


def test_lip_in_place_of_cihp_has_a_hole_for_a_throat() -> None:
    lip = labels.CIHP_TO_LIP[PARSE]
    assert crosschecks.label_space(lip, JOINTS) == "lip"
    assert crosschecks.label_space(lip, None) is None
    covered = np.where(PARSE == Cihp.NECK, Cihp.UPPER_CLOTHES, PARSE).astype(np.uint8)  # a turtleneck
    assert crosschecks.label_space(covered, JOINTS) is None


@pytest.mark.parametrize(("beyond", "is_off"), [(11, 0), (14, 1)])
@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_joints_a_little_beyond_frame_or_body_are_none_of_another_photo(beyond: int, is_off: int, side: str) -> None:
    """Three hundredths of the height: 12 of 400 pixels."""
    outside, off = JOINTS.copy(), JOINTS.copy()
    frame = {"left": (-beyond, 200), "top": (150, -beyond), "right": (WIDTH + beyond, 200), "bottom": (150, HEIGHT)}
    outside[Body25.RIGHT_WRIST] = *frame[side], 0.9
    outside[Body25.RIGHT_WRIST, 1] += beyond if side == "bottom" else 0
    assert crosschecks.joints_off(outside, None, HEIGHT, WIDTH) == (10, is_off, 0)
    body = {"left": (80 - beyond, 200), "top": (150, 40 - beyond), "right": (219 + beyond, 200), "bottom": (87, 249)}
    off[Body25.RIGHT_WRIST] = *body[side], 0.9
    off[Body25.RIGHT_WRIST, 1] += beyond if side == "bottom" else 0
    assert crosschecks.joints_off(off, BODY, HEIGHT, WIDTH) == (10, 0, is_off)


@pytest.mark.parametrize(("scale", "shift"), [(0.25, 0), (0.5, 0), (1, 120), (3, 0)])
def test_joints_beside_the_person(scale: float, shift: float) -> None:
    assert crosschecks.joints_off(JOINTS, BODY, HEIGHT, WIDTH) == (9, 0, 0)
    spoilt = JOINTS.copy()
    there = JOINTS[:, 2] > 0
    spoilt[there, :2] = spoilt[there, :2] * scale + shift
    present, outside, off = crosschecks.joints_off(spoilt, BODY, HEIGHT, WIDTH)
    assert present == 9 and outside + off > 4
    assert crosschecks.joints_off(spoilt, None, HEIGHT, WIDTH) == (9, outside, 0)


@pytest.mark.parametrize(("order", "channels"), [("iuv", (0, 1, 2)), ("vui", (2, 1, 0))])
def test_numbers_in_place_of_colours(order: str, channels: tuple[int, ...]) -> None:
    rows, columns = np.indices((HEIGHT, WIDTH))
    parts = np.where(BODY, 2 + rows * 20 // HEIGHT, 0)
    iuv = np.dstack([parts, BODY * (columns % 256), BODY * (rows % 256)]).astype(np.uint8)
    assert crosschecks.densepose_channels(iuv[..., list(channels)]) == order


@pytest.mark.parametrize("ids", [range(1, 25), (3, 4), (5, 6, 9), (23, 24)])
def test_part_colours_are_no_numbers(ids: range | tuple[int, ...]) -> None:
    parts = np.where(BODY, np.array(ids)[np.indices(BODY.shape)[0] % len(ids)], 0).astype(np.uint8)
    assert crosschecks.densepose_channels(densepose.render(parts)) == ""
    assert crosschecks.densepose_channels(np.zeros((4, 4, 3), np.uint8)) == ""
