"""Lines on pictures: where they lie, and that all else stays."""

import numpy as np
import pytest

from annotators.functional import drawing

RED = (255, 0, 0)


def changed(drawn: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return np.asarray((drawn != picture).any(axis=2))


def test_an_outline_follows_the_masks_edge_and_its_holes() -> None:
    picture, mask = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), np.uint8)
    mask[10:50, 10:50] = 1
    mask[25:35, 25:35] = 0
    edge = np.zeros((60, 60), bool)
    edge[10:50, 10:50] = True
    edge[11:49, 11:49] = False
    line = changed(drawing.outlined(picture, mask, RED), picture)
    assert line[edge].all() and line[24, 25:35].all() and not line[26:34, 26:34].any()
    assert not line[:10].any() and not line[12:23, 12:48].any()
    assert not picture.any(), "the picture itself stays"


def test_an_empty_mask_has_no_outline_and_another_size_is_refused() -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    assert not drawing.outlined(picture, np.zeros((6, 8), np.uint8), RED).any()
    with pytest.raises(ValueError, match=r"mask of \(8, 6\) for a picture of \(6, 8\)"):
        drawing.outlined(picture, np.zeros((8, 6), np.uint8), RED)


def test_lines_grow_with_pictures() -> None:
    picture, mask = np.zeros((1500, 100, 3), np.uint8), np.zeros((1500, 100), np.uint8)
    mask[700:] = 1
    assert changed(drawing.outlined(picture, mask, RED), picture)[:, 50].sum() >= 10
    assert drawing.thickness(picture) == 10 and drawing.thickness(picture[:100]) == 1
