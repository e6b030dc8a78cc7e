import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import agnostic, masks
from annotators.functional.agnostic import joints as skeletons
from benchmarks.plain_recipes.body import hrviton as plain
from schemas.labels import Body25, Cihp

RECIPES = [agnostic.hrviton, agnostic.vitonhd]
PARSES = [agnostic.hrviton_parse, agnostic.vitonhd_parse]
KEPT = (4, 9, 12, 13, 16, 17, 18, 19)
MIRRORED = np.arange(256, dtype=np.uint8)
MIRRORED[[14, 15, 16, 17, 18, 19]] = [15, 14, 17, 16, 19, 18]
SIDES = [(2, 5), (3, 6), (4, 7), (9, 12)]

# A person of 768 × 1024, with something of every protected label; the right hand lies beyond its wrist.
JOINTS = {
    Body25.NOSE: (384, 160), Body25.NECK: (384, 300),
    Body25.RIGHT_SHOULDER: (270, 310), Body25.RIGHT_ELBOW: (220, 480), Body25.RIGHT_WRIST: (210, 640),
    Body25.LEFT_SHOULDER: (498, 310), Body25.LEFT_ELBOW: (548, 480), Body25.LEFT_WRIST: (558, 640),
    Body25.MID_HIP: (384, 690), Body25.RIGHT_HIP: (310, 690), Body25.LEFT_HIP: (458, 690),
}  # fmt: skip


def skeleton(*absent):
    keypoints = np.zeros((25, 3), np.float32)
    for joint, (x, y) in JOINTS.items():
        keypoints[joint] = (x, y, 0.9)
    keypoints[list(absent)] = 0
    return keypoints


def body(seed=0):
    """(photo [1024 768 3], parse [1024 768])."""
    photo = np.random.default_rng(seed).integers(0, 256, (1024, 768, 3), dtype=np.uint8)
    parse = np.zeros((1024, 768), np.uint8)
    for label, (y0, y1, x0, x1) in {
        Cihp.HAIR: (60, 320, 300, 470), Cihp.FACE: (100, 260, 320, 450), Cihp.SUNGLASSES: (150, 170, 330, 440),
        Cihp.NECK: (260, 320, 350, 420), Cihp.UPPER_CLOTHES: (300, 700, 270, 500), Cihp.PANTS: (690, 1024, 280, 490),
        Cihp.RIGHT_ARM: (480, 760, 180, 240), Cihp.LEFT_ARM: (480, 660, 530, 590), Cihp.LEFT_SHOE: (660, 700, 380, 400),
    }.items():  # fmt: skip
        parse[y0:y1, x0:x1] = label
    return photo, parse


def mirrored(keypoints, width=768):
    flipped = keypoints.copy()
    flipped[:, 0] = np.where(keypoints[:, :2].any(axis=1), width - 1 - keypoints[:, 0], 0)
    for right, left in SIDES:
        flipped[[right, left]] = flipped[[left, right]]
    return flipped


joint_lists = st.lists(st.sampled_from(sorted(JOINTS)), unique=True)
jitters = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0, 40, (25, 2)))


def jittered(keypoints, jitter):
    moved = keypoints.copy()
    present = moved[:, :2].any(axis=1)
    moved[present, :2] += jitter[present]
    return moved


@pytest.mark.parametrize("recipe", [agnostic.hrviton_mask, agnostic.vitonhd_mask])
@pytest.mark.parametrize("label", [label for label in Cihp if label not in (Cihp.LEFT_ARM, Cihp.RIGHT_ARM)])
def test_each_label_is_kept_or_repainted_as_the_recipe_says(recipe, label):
    """On the chest, which every recipe draws: specs/annotations.md §5.1, step 9 and "Not kept"."""
    parse = np.full((1024, 768), label, np.uint8)
    chest = recipe(parse, skeleton())[400:600, 330:440]
    assert chest.all() if label not in KEPT else not chest.any()


def test_shoulders_are_drawn_and_bared_by_their_ellipses():
    """§5.1, steps 5 and 8, at r = 15: half-axes 75 and 90 about the right shoulder (270, 310)."""
    inside, outside = (238, 233), (232, 215)  # 0.94 and 1.13 of the ellipse's radius, but beyond 75 px
    without_arm = skeleton(3, 4)
    mask = agnostic.hrviton_mask(np.zeros((1024, 768), np.uint8), without_arm)
    assert mask[inside] and not mask[outside]
    parse = np.full((1024, 768), Cihp.RIGHT_ARM, np.uint8)
    mask = agnostic.hrviton_mask(parse, without_arm)
    assert mask[inside] and not mask[outside] and not mask[500, 384], "skin beyond the arm's stroke is a hand"
    mask = agnostic.vitonhd_mask(parse, without_arm)  # r = 20: a disc of 100 px
    assert mask[234, 212] and not mask[230, 204] and mask[500, 384]


def test_hips_are_spread_to_the_shoulders_distance():
    """§5.1, step 1: c + (P − c) s/h."""
    keypoints = skeleton()[:, :2].astype(np.float64)
    keypoints[[9, 12]] = [(334, 700), (414, 640)]
    spread = skeletons.complete(keypoints)
    centre, s, h = np.array([374, 670]), 228, 100
    np.testing.assert_allclose(spread[9], centre + (keypoints[9] - centre) * s / h)
    np.testing.assert_allclose(spread[12], centre + (keypoints[12] - centre) * s / h)
    others = [joint for joint in JOINTS if joint not in (9, 12)]
    np.testing.assert_array_equal(spread[others], keypoints[others])


@pytest.mark.parametrize(
    ("absent", "middle"),
    [
        ((9, 12), (384, 690)),
        ((9, 12, 8), (384, 300 + 1.5 * np.hypot(228, 60))),
        ((9, 8), (384, 660)),
        ((12, 8), (384, 720)),
        ((9,), (384, 690)),
    ],
    ids=str,
)
def test_missing_hips_lie_under_the_neck_along_the_shoulders(absent, middle):
    """§5.1, guards: P8, else P1 + 1.5 s downwards, in the direction of P5 − P2; or at the height of the one hip."""
    keypoints = skeleton()[:, :2].astype(np.float64)
    keypoints[[2, 5]] = [(270, 340), (498, 280)]
    keypoints[[9, 12]] = [(310, 720), (458, 660)]
    keypoints[list(absent)] = 0
    placed = skeletons.complete(keypoints)
    np.testing.assert_allclose(placed[9], np.array(middle) - (114, -30))
    np.testing.assert_allclose(placed[12], np.array(middle) + (114, -30))


@pytest.mark.parametrize(("missing", "other"), [(2, 5), (5, 2)])
def test_a_missing_shoulder_mirrors_the_other_about_the_neck(missing, other):
    keypoints = skeleton(missing)[:, :2].astype(np.float64)
    placed = skeletons.complete(keypoints)
    np.testing.assert_allclose(placed[missing] + placed[other], 2 * keypoints[1])
    without_neck = skeletons.complete(skeleton(1)[:, :2].astype(np.float64))
    np.testing.assert_allclose(without_neck[1], (384, 310))


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=30)
@given(absent=joint_lists, jitter=jitters)
def test_recipes_give_a_painted_photo_and_its_mask_or_refuse(recipe, absent, jitter):
    photo, parse = body()
    keypoints = jittered(skeleton(*absent), jitter)
    before = photo.copy(), parse.copy(), keypoints.copy()
    try:
        picture, mask = recipe(photo, parse, keypoints)
    except ValueError as error:
        assert "shoulder" in str(error)
        return
    finally:
        for given_array, untouched in zip((photo, parse, keypoints), before, strict=True):
            assert np.array_equal(given_array, untouched)  # NumPy's own assertion takes fifty times as long
    assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255} and mask.shape == parse.shape
    assert not mask[np.isin(parse, KEPT)].any(), "face, trousers, legs and shoes are kept"
    assert np.array_equal(picture, np.where(mask[..., None] > 0, np.uint8(128), photo))


@pytest.mark.parametrize("recipe", PARSES)
@settings(max_examples=30)
@given(absent=joint_lists, jitter=jitters)
def test_parse_recipes_only_remove(recipe, absent, jitter):
    _, parse = body()
    keypoints = jittered(skeleton(*absent), jitter)
    before = parse.copy()
    try:
        undressed = recipe(parse, keypoints)
    except ValueError as error:
        assert "shoulder" in str(error)
        return
    assert np.array_equal(parse, before)
    removed = undressed != parse
    assert (undressed[removed] == 0).all()
    assert set(np.unique(parse[removed])) <= {5, 6, 7, 10, 14, 15}
    assert not np.isin(undressed, (5, 6, 7, 10)).any()


@settings(max_examples=20)
@given(absent=st.lists(st.sampled_from([3, 4, 6, 7]), unique=True), jitter=jitters)
def test_hrviton_equals_the_plain_version(absent, jitter):
    photo, parse = body()
    keypoints = jittered(skeleton(*absent), jitter)
    for ours, theirs in zip(agnostic.hrviton(photo, parse, keypoints), plain(photo, parse, keypoints), strict=True):
        assert np.array_equal(ours, theirs)


def test_hrviton_is_much_faster_than_the_plain_version():
    case = (*body(), skeleton())

    def fastest(recipe):
        times = []
        for _ in range(7):
            start = time.process_time()  # the clock stands still while other tests have the processor
            recipe(*case)
            times.append(time.process_time() - start)
        return min(times)

    assert fastest(plain) > 4 * fastest(agnostic.hrviton)


def test_hands_stay_in_hrviton_only():
    photo, parse = body()
    hand = np.s_[705:760, 180:240]
    assert not agnostic.hrviton(photo, parse, skeleton())[1][hand].any()
    # vitonhd keeps no hand: where its arm reaches below the wrist, skin goes
    reached = agnostic.vitonhd(photo, parse, skeleton())[1] > 0
    assert (reached & (parse == Cihp.RIGHT_ARM))[680:].any()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_mirrored_person_gives_the_mirrored_mask(recipe):
    photo, parse = body()
    _, mask = recipe(photo, parse, skeleton())
    flipped_parse = MIRRORED[parse[:, ::-1]]
    _, flipped = recipe(photo[:, ::-1], flipped_parse, mirrored(skeleton()))
    assert masks.iou(mask[:, ::-1], flipped) > 0.99  # Pillow rounds to the left


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_garment_is_covered(recipe):
    _, mask = recipe(*body(), skeleton())
    assert agnostic.uncovered_garment(body()[1], mask) < 0.01
    assert agnostic.uncovered_garment(body()[1], np.zeros_like(mask)) == 1
    assert agnostic.uncovered_garment(np.zeros_like(mask), mask) == 0


@pytest.mark.parametrize(
    "absent", [(8, 9, 12), (9, 12), (9,), (12, 8), (1,), (1, 9, 12, 8), (2,), (5,), (3, 4, 6, 7)], ids=str
)
@pytest.mark.parametrize("recipe", [agnostic.hrviton_mask, agnostic.vitonhd_mask])
def test_what_is_missing_is_placed_where_it_should_be(recipe, absent):
    _, parse = body()
    parse[np.isin(parse, (14, 15))] = 0  # where an arm's joints are missing, the arms differ
    complete = recipe(parse, skeleton(3, 4, 6, 7))
    assert masks.iou(recipe(parse, skeleton(3, 4, 6, 7, *absent)), complete) > 0.9


@pytest.mark.parametrize("recipe", [agnostic.hrviton_mask, agnostic.vitonhd_mask, *PARSES])
@pytest.mark.parametrize("absent", [(2, 5), (1, 2), (1, 5), tuple(JOINTS)], ids=str)
def test_without_shoulders_there_is_no_mask(recipe, absent):
    with pytest.raises(ValueError, match="missing"):
        recipe(body()[1], skeleton(*absent))


def test_hips_on_one_point_are_no_division_by_zero():
    keypoints = skeleton()
    keypoints[Body25.LEFT_HIP] = keypoints[Body25.RIGHT_HIP] = keypoints[Body25.MID_HIP]
    assert masks.iou(agnostic.hrviton_mask(body()[1], keypoints), agnostic.hrviton_mask(body()[1], skeleton())) > 0.95


@pytest.mark.parametrize(
    ("parse", "keypoints", "message"),
    [
        (np.zeros((8, 8), np.int64), skeleton(), "uint8"),
        (np.zeros((8, 8, 3), np.uint8), skeleton(), "uint8"),
        (np.zeros((8, 8), np.uint8), np.zeros((18, 3)), "BODY_25"),
        (np.zeros((1024, 768), np.uint8), np.full((25, 3), np.nan), "not a number"),
        (np.zeros((1024, 768), np.uint8), skeleton() * 1e7, "far outside"),
        (np.zeros((1024, 768), np.uint8), skeleton() + 3000, "outside the photo"),
    ],
)
def test_wrong_inputs_are_named(parse, keypoints, message):
    with pytest.raises(ValueError, match=message):
        agnostic.hrviton_mask(parse, keypoints)


def test_parse_and_photo_must_agree():
    photo, parse = body()
    with pytest.raises(ValueError, match="parse of"):
        agnostic.hrviton(photo[:-1], parse, skeleton())
    with pytest.raises(ValueError, match=r"\[h w 3\]"):
        agnostic.hrviton(photo[..., :1], parse, skeleton())


@pytest.mark.parametrize("shape", [(512, 384), (1000, 1000), (300, 900), (2048, 1536), (97, 61)])
@pytest.mark.parametrize("recipe", [agnostic.hrviton_mask, agnostic.vitonhd_mask])
def test_any_size_protects_its_own_labels(shape, recipe):
    scale = min(shape[0] / 1024, shape[1] / 768)
    parse = np.zeros(shape, np.uint8)
    small = masks.resize(body()[1], int(1024 * scale), int(768 * scale))
    parse[: small.shape[0], : small.shape[1]] = small
    mask = recipe(parse, skeleton() * scale)
    assert mask.shape == shape and not mask[np.isin(parse, KEPT)].any()
    if recipe is agnostic.vitonhd_mask and abs(shape[0] / shape[1] - 4 / 3) > 0.01:
        return  # its fixed radii mean something else in a frame of another aspect
    reference = masks.resize(recipe(body()[1], skeleton()), *small.shape)
    assert masks.iou(mask[: small.shape[0], : small.shape[1]], reference) > 0.9


def test_a_view_gives_the_same_as_its_copy():
    photo, parse = body()
    wide = np.repeat(parse, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(
        agnostic.hrviton(photo[:, ::-1], wide, skeleton())[0],
        agnostic.hrviton(photo[:, ::-1].copy(), parse, skeleton())[0],
    )


def test_painting_needs_a_mask_of_the_photos_size():
    with pytest.raises(ValueError, match="mask of"):
        agnostic.paint(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8))
    photo = np.full((4, 4, 3), 7, np.uint8)
    np.testing.assert_array_equal(agnostic.paint(photo, np.zeros((4, 4), np.uint8)), photo)


def smooth_photo():
    y, x = np.mgrid[0:256, 0:192]
    return np.stack([x, 255 - y, np.full_like(x, 230)], axis=2).astype(np.uint8)


def test_the_mask_is_found_again_in_the_picture():
    photo = smooth_photo()
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[60:200, 40:150] = 255
    mask[100:130, 80:110] = 0
    found = agnostic.mask_from_agnostic(photo, agnostic.paint(photo, mask))
    assert set(np.unique(found)) == {0, 255} and masks.iou(found, mask) > 0.995


def test_a_picture_without_grey_has_no_mask():
    photo = smooth_photo()
    with pytest.raises(ValueError, match="no grey"):
        agnostic.mask_from_agnostic(photo, np.zeros_like(photo))
    with pytest.raises(ValueError, match="agnostic picture of"):
        agnostic.mask_from_agnostic(photo, photo[:-1])
    with pytest.raises(ValueError, match="grey"):
        agnostic.mask_from_agnostic(np.full_like(photo, 128), np.full_like(photo, 128))
