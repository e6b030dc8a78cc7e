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


@pytest.mark.parametrize("box", [(2, 3, 30, 20), (0, 0, 40, 30), (5, 5, 6, 6), (5, 5, 7, 25)])
def test_a_box_is_drawn_on_its_outermost_pixels(box: tuple[int, int, int, int]) -> None:
    picture = np.zeros((30, 40, 3), np.uint8)
    x0, y0, x1, y1 = box
    expected = np.zeros((30, 40), bool)
    expected[y0:y1, x0:x1] = True
    expected[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = False
    assert np.array_equal(changed(drawing.boxed(picture, box, RED), picture), expected)


def test_nothing_is_drawn_around_an_empty_box_and_lines_grow_with_pictures() -> None:
    picture = np.zeros((1500, 100, 3), np.uint8)
    assert not drawing.boxed(picture, (5, 5, 5, 9), RED).any()
    line = changed(drawing.boxed(picture, (0, 0, 100, 1500), RED), picture)
    assert line[9].all() and line[10].sum() == 20
