"""Vocabularies and the maps between them, against the tables of the annotations spec."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import labels

SPEC_ATR_TO_LIP = {0: 0, 1: 1, 2: 2, 3: 4, 4: 5, 5: 12, 6: 9, 7: 6, 9: 18, 10: 19, 11: 13, 12: 16, 13: 17, 14: 14}
SPEC_ATR_TO_LIP |= {15: 15, 16: 0, 17: 11}
SPEC_LIP_TO_ATR = {0: 0, 1: 1, 2: 2, 3: 0, 4: 3, 5: 4, 6: 7, 7: 4, 9: 6, 10: 7, 11: 17, 12: 5, 13: 11, 14: 14, 15: 15}
SPEC_LIP_TO_ATR |= {16: 12, 17: 13, 18: 9, 19: 10}


def test_crosswalks_follow_the_spec() -> None:
    assert {i: int(labels.ATR_TO_LIP[i]) for i in SPEC_ATR_TO_LIP} == SPEC_ATR_TO_LIP
    assert {i: int(labels.LIP_TO_ATR[i]) for i in SPEC_LIP_TO_ATR} == SPEC_LIP_TO_ATR
    assert labels.CIHP_TO_ATR[labels.Cihp.NECK] == labels.Atr.NECK
    assert labels.ATR_TO_CIHP[labels.Atr.NECK] == labels.Cihp.NECK


def test_losses_are_named() -> None:
    assert labels.losses("lip", "atr") == ["GLOVE", "COAT", "SOCKS", "JUMPSUITS"]
    assert labels.losses("cihp", "atr") == ["GLOVE", "COAT", "SOCKS"]
    assert "BELT" in labels.losses("atr", "cihp")


def test_every_pair_of_spaces_tells_its_losses() -> None:
    spaces = ("atr", "lip", "cihp")
    for source in spaces:
        for target in spaces:
            everything = np.array([list(labels.SPACES[source])], np.uint8)
            back = labels.crosswalk(labels.crosswalk(everything, source, target), target, source)
            changed = [label.name for label in labels.SPACES[source] if back[0, label] != label]
            assert labels.losses(source, target) == labels.lost(everything, source, target) == changed
    assert labels.losses("atr", "cihp") == ["BELT", "BAG"] and labels.losses("atr", "lip") == ["BELT", "BAG", "NECK"]
    assert labels.losses("cihp", "lip") == ["NECK"] and labels.losses("lip", "lip") == []
    with pytest.raises(ValueError, match="no map from 'atr' to 'densepose'"):
        labels.losses("atr", "densepose")


@given(st.sets(st.sampled_from(list(labels.Atr)), min_size=1))
def test_only_labels_that_occur_are_lost(present: set[labels.Atr]) -> None:
    label_map = np.array([sorted(present)], np.uint8)
    expected = [name for name in labels.losses("atr", "cihp") if labels.Atr[name] in present]
    assert labels.lost(label_map, "atr", "cihp") == expected


def test_a_crosswalk_is_the_tables_entry_of_every_pixel_also_of_a_view() -> None:
    lip = np.random.default_rng(0).integers(0, len(labels.Lip), (30, 40)).astype(np.uint8)
    for view in (lip, lip[::2, 1::3], lip.T, lip[:0]):
        cihp = labels.crosswalk(view, "lip", "cihp")
        np.testing.assert_array_equal(cihp, labels.LIP_TO_CIHP[view])
        assert cihp.dtype == np.uint8 and cihp.flags.writeable


def test_unknown_spaces_and_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="no map from 'atr' to 'densepose'"):
        labels.crosswalk(np.zeros((2, 2), np.uint8), "atr", "densepose")
    with pytest.raises(ValueError, match=r"\[20, 99\] outside cihp \(0 to 19\)"):
        labels.check_ids(np.array([[0, 20], [99, 3]], np.uint8), "cihp")


@pytest.mark.parametrize("space", labels.SPACES)
def test_flipping_twice_changes_nothing_and_swaps_sides(space: str) -> None:
    table = labels.FLIP[space]
    assert (table[table] == np.arange(len(table))).all()
    for label in labels.SPACES[space]:
        other = labels.SPACES[space](table[label]).name
        assert ("LEFT" in label.name) == ("RIGHT" in other)


def test_palettes() -> None:
    voc = labels.voc_palette()
    assert voc[[1, 11, 19]].tolist() == [[128, 0, 0], [192, 128, 0], [128, 192, 0]]
    vitonhd = labels.vitonhd_palette()
    assert vitonhd[10].tolist() == [85, 51, 0] and vitonhd[77].tolist() == [77, 77, 77]


def test_densepose_colours_are_opencvs_parula() -> None:
    """Part I at level 255 · I // 24, as detectron2 draws it; no part is black."""
    levels = (np.arange(25) * 255 // 24).astype(np.uint8)
    parula = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_PARULA)[:, 0, ::-1]
    assert labels.DENSEPOSE_COLOURS[1:].tolist() == parula[1:].tolist()
    assert labels.DENSEPOSE_COLOURS[0].tolist() == [0, 0, 0]


@given(st.lists(st.tuples(st.floats(1, 500), st.floats(1, 500), st.floats(0.1, 1)), min_size=18, max_size=18))
def test_coco18_survives_body25(points: list[tuple[float, float, float]]) -> None:
    coco = np.array(points, np.float32)
    body = labels.coco18_to_body25(coco)
    assert (labels.body25_to_coco18(body) == coco).all()
    hips = coco[[labels.Coco18.RIGHT_HIP, labels.Coco18.LEFT_HIP]]
    assert np.allclose(body[labels.Body25.MID_HIP, :2], hips[:, :2].mean(axis=0), rtol=1e-5)
    assert not body[19:].any()


def test_a_missing_hip_leaves_the_mid_hip_absent() -> None:
    coco = np.ones((18, 3), np.float32)
    coco[labels.Coco18.LEFT_HIP] = 0
    assert not labels.coco18_to_body25(coco)[labels.Body25.MID_HIP].any()


def test_coco17_neck_takes_the_lower_score() -> None:
    points = np.full((17, 3), 10, np.float32)
    points[labels.Coco17.LEFT_SHOULDER] = (20, 30, 0.25)
    neck = labels.coco17_to_body25(points)[labels.Body25.NECK]
    assert neck.tolist() == [15, 20, 0.25]
