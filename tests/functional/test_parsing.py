"""The array code around human parsers: geometry, repairs, label tables."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from annotators.functional import parsing
from schemas import codecs, labels
from schemas.labels import Atr, Cihp

DATA = Path(os.environ.get("VTON_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SHIPPED = sorted((DATA / "vitonhd_mini" / "test" / "image-parse-v3").glob("*.png"))

maps = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 17))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 48), (33, 90), (128, 128), (1, 7), (1, 1)])
def test_the_input_is_a_centred_square_with_black_around(height, width):
    photo = np.full((height, width, 3), 255, np.uint8)
    square = parsing.schp_input(photo, 97)
    assert square.shape == (3, 97, 97)
    assert square.dtype == np.float32
    assert square.flags["C_CONTIGUOUS"]
    white = (1 - np.array([0.406, 0.456, 0.485])) / [0.225, 0.224, 0.229]
    np.testing.assert_allclose(square[:, 48, 48], white, atol=1e-5)
    if height > width:
        np.testing.assert_allclose(
            square[:, 48, 0], -np.array([0.406, 0.456, 0.485]) / [0.225, 0.224, 0.229], atol=1e-5
        )
    np.testing.assert_array_equal(square, square[:, ::-1, ::-1])


def test_the_published_offsets_of_a_384x512_photo():
    # ootdiffusion.md §5.1: to 512 a pure shift by 64 px, to 473 scale 0.92368 and 59.115 px
    photo = noise(512, 384)
    square = parsing.schp_input(photo, 512, "rgb")
    restored = square.transpose(1, 2, 0) * [0.225, 0.224, 0.229] + [0.406, 0.456, 0.485]
    np.testing.assert_allclose(restored[:, 64:448] * 255, photo, atol=1e-3)
    scale = parsing._scale(512, 384, 473)
    assert scale == pytest.approx(0.92368, abs=1e-5)
    assert -scale * parsing._margin(384, scale, 473) == pytest.approx(59.115, abs=1e-3)


def test_the_channel_order_follows_the_consumer():
    photo = noise(40, 30)
    np.testing.assert_array_equal(parsing.schp_input(photo, 65, "bgr"), parsing.schp_input(photo[..., ::-1], 65, "rgb"))


@pytest.mark.parametrize(("height", "width", "side"), [(200, 150, 97), (60, 90, 129), (128, 128, 65)])
def test_the_warp_is_opencvs_up_to_its_rounding(height, width, side):
    photo = cv2.GaussianBlur(noise(height, width), (9, 9), 3)
    scale = (side - 1) / (max(height, width) - 1)
    shift = [(side - 1) / 2 - scale * (length - 1) / 2 for length in (width, height)]
    transform = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    expected = cv2.warpAffine(photo, transform, (side, side), flags=cv2.INTER_LINEAR).astype(float)
    restored = (
        parsing.schp_input(photo, side, "rgb").transpose(1, 2, 0) * [0.225, 0.224, 0.229] + [0.406, 0.456, 0.485]
    ) * 255
    assert np.abs(restored - expected).max() <= 2.01


def test_a_map_survives_its_way_through_the_square():
    rng = np.random.default_rng(1)
    drawn = cv2.resize(rng.integers(0, 18, (6, 5), dtype=np.uint8), (150, 180), interpolation=cv2.INTER_NEAREST)
    scale = parsing._scale(180, 150, 129)
    columns = np.clip(np.rint((np.arange(129) - 64) / scale + 74.5), 0, 149).astype(int)
    rows = np.clip(np.rint((np.arange(129) - 64) / scale + 89.5), 0, 179).astype(int)
    logits = (drawn[np.ix_(rows, columns)] == np.arange(18)[:, None, None]).astype(np.float32)
    back = parsing.schp_labels(logits, 180, 150, 129)
    assert back.shape == (180, 150)
    assert (back == drawn).mean() > 0.97


def test_hole_rule_of_ootdiffusion():
    atr = np.zeros((512, 384), np.uint8)
    atr[100:400, 80:300] = Atr.UPPER_CLOTHES
    atr[150:170, 100:120] = Atr.BACKGROUND  # small
    atr[200:280, 150:220] = Atr.SCARF  # 5,600 px: stays
    atr[300:320, 250:270] = Atr.LEFT_ARM  # stays
    atr[305:310, 255:260] = Atr.BAG  # small hole in an arm
    filled = parsing.fill_small_holes(atr)
    assert (filled[150:170, 100:120] == Atr.UPPER_CLOTHES).all()
    assert (filled[205:275, 155:215] == Atr.SCARF).all()
    assert (filled[300:304, 250:270] == Atr.LEFT_ARM).all()
    assert (filled[305:310, 255:260] == Atr.UPPER_CLOTHES).all()
    assert (filled[:100] == 0).all()


def test_a_hole_open_to_the_border_is_not_one():
    atr = np.full((64, 48), Atr.UPPER_CLOTHES, np.uint8)
    atr[:10, 20:24] = Atr.FACE
    np.testing.assert_array_equal(parsing.fill_small_holes(atr), atr)


@settings(max_examples=40)
@given(maps)
def test_filling_only_adds_upper_clothes(atr):
    filled = parsing.fill_small_holes(atr)
    assert filled.shape == atr.shape
    changed = filled != atr
    assert (filled[changed] == Atr.UPPER_CLOTHES).all()
    assert not np.isin(atr[changed], (Atr.LEFT_ARM, Atr.RIGHT_ARM)).any()


def test_neck_is_where_only_atr_says_face():
    atr = np.array([[Atr.FACE, Atr.FACE, Atr.HAIR]], np.uint8)
    lip = np.array([[labels.Lip.FACE, labels.Lip.UPPER_CLOTHES, labels.Lip.BACKGROUND]], np.uint8)
    marked = parsing.mark_neck(atr, lip)
    assert marked.dtype == np.uint8
    assert marked.tolist() == [[Atr.FACE, Atr.NECK, Atr.HAIR]]
    assert parsing.to_cihp(marked, "atr").tolist() == [[Cihp.FACE, Cihp.NECK, Cihp.HAIR]]


@pytest.mark.parametrize(
    ("around", "becomes"), [(Atr.PANTS, Cihp.PANTS), (Atr.SKIRT, Cihp.SKIRT), (Atr.UPPER_CLOTHES, Cihp.BACKGROUND)]
)
def test_a_belt_goes_to_what_it_touches(around, becomes):
    atr = np.zeros((30, 30), np.uint8)
    atr[12:25, 5:25] = around
    atr[10:12, 5:25] = Atr.BELT
    assert (parsing.to_cihp(atr, "atr")[10:12, 5:25] == becomes).all()


def test_two_belts_are_judged_apart():
    atr = np.zeros((20, 60), np.uint8)
    atr[6:, :20], atr[5, :20] = Atr.PANTS, Atr.BELT
    atr[6:, 40:], atr[5, 40:] = Atr.SKIRT, Atr.BELT
    cihp = parsing.to_cihp(atr, "atr")
    assert (cihp[5, :20] == Cihp.PANTS).all()
    assert (cihp[5, 40:] == Cihp.SKIRT).all()


@settings(max_examples=40)
@given(maps)
def test_cihp_has_no_belt_and_no_bag_and_commutes_with_mirroring(atr):
    cihp = parsing.to_cihp(atr, "atr")
    labels.check_ids(cihp, "cihp")
    mirrored = parsing.to_cihp(labels.FLIP["atr"][atr][:, ::-1], "atr")
    np.testing.assert_array_equal(mirrored, labels.FLIP["cihp"][cihp][:, ::-1])


@pytest.mark.skipif(not SHIPPED, reason=f"no shipped parses under {DATA}")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_smoothing_a_shipped_map_changes_next_to_nothing(path):
    shipped = codecs.decode_label_map(path.read_bytes(), "cihp")
    assert np.count_nonzero(parsing.smooth_borders(shipped) != shipped) <= 150


@settings(max_examples=30)
@given(maps)
def test_smoothing_keeps_size_and_invents_no_label(label_map):
    smoothed = parsing.smooth_borders(label_map)
    assert smoothed.shape == label_map.shape
    assert smoothed.dtype == np.uint8
    assert set(np.unique(smoothed)) <= set(np.unique(label_map))


def test_smoothing_removes_stair_steps():
    steps = np.kron(np.tri(32, dtype=np.uint8), np.ones((4, 4), np.uint8))
    border = [label_map.sum(axis=1, dtype=int)[20:-20] for label_map in (steps, parsing.smooth_borders(steps))]
    assert np.diff(border[0]).max() == 4
    assert np.diff(border[1]).max() <= 2


def test_of_two_people_the_boxed_one_is_kept():
    parse = np.zeros((100, 200), np.uint8)
    parse[20:90, 20:60] = Cihp.COAT
    parse[20:90, 62:100] = Cihp.DRESS  # a neighbour, 2 px away
    kept = parsing.keep_person(parse, (20, 20, 60, 90))
    assert (kept[20:90, 20:60] == Cihp.COAT).all()
    assert not (kept == Cihp.DRESS).any()
    np.testing.assert_array_equal(parsing.keep_person(parse, (0, 0, 200, 100)), parse)


def test_hair_outside_a_tight_box_is_kept():
    parse = np.zeros((100, 100), np.uint8)
    parse[10:90, 30:70] = Cihp.DRESS
    parse[6:10, 40:60] = Cihp.HAIR
    np.testing.assert_array_equal(parsing.keep_person(parse, (32, 12, 68, 90)), parse)


def test_pieces_are_kept_or_go_whole_however_many_there_are():
    for step in (2, 9):  # more pieces than a byte counts, and fewer
        parse = np.zeros((80, 90), np.uint8)
        parse[::step, ::step] = Cihp.DRESS
        expected = np.zeros_like(parse)
        expected[10:60, 10:70] = parse[10:60, 10:70]
        np.testing.assert_array_equal(parsing.keep_person(parse, (10, 10, 70, 60)), expected)


@settings(max_examples=40)
@given(maps, st.tuples(*[st.floats(-50, 90, allow_nan=False)] * 4))
def test_keeping_a_person_only_removes(parse, box):
    kept = parsing.keep_person(parse, box)
    assert kept.shape == parse.shape
    assert ((kept == parse) | (kept == 0)).all()


SEGFORMER = [
    "Background", "Hat", "Hair", "Sunglasses", "Upper-clothes", "Skirt", "Pants", "Dress", "Belt", "Left-shoe",
    "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm", "Bag", "Scarf",
]  # fmt: skip
LIP = [
    "Background", "Hat", "Hair", "Glove", "Sunglasses", "Upper-clothes", "Dress", "Coat", "Socks", "Pants",
    "Jumpsuits", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm", "Left-leg", "Right-leg", "Left-shoe", "Right-shoe",
]  # fmt: skip


def test_label_tables_go_by_name():
    space, table = parsing.label_table(SEGFORMER)
    assert space == "atr"
    assert table.tolist() == list(range(18))
    space, table = parsing.label_table([name.upper().replace("-", " ") for name in reversed(LIP)])
    assert space == "lip"
    assert table.tolist() == list(range(19, -1, -1))
    cihp = ["Torso-skin" if name == "Jumpsuits" else name for name in LIP]
    assert parsing.label_table(cihp)[0] == "cihp"


def test_a_part_of_a_vocabulary_is_enough():
    space, table = parsing.label_table(["background", "upper_clothes", "bag"])
    assert space == "atr"
    assert table.tolist() == [0, Atr.UPPER_CLOTHES, Atr.BAG]


def test_names_that_say_nothing_go_by_their_published_order():
    assert parsing.label_table([f"LABEL_{i}" for i in range(18)])[0] == "atr"
    assert parsing.label_table([f"LABEL_{i}" for i in range(20)])[0] == "lip"


@pytest.mark.parametrize(
    "names", [["wall", "person"], [*SEGFORMER[:-1], "handcuffs"], [f"LABEL_{i}" for i in range(7)]]
)
def test_foreign_classes_are_named(names):
    with pytest.raises(ValueError, match="belong to none of the vocabularies ATR, LIP and CIHP"):
        parsing.label_table(names)
