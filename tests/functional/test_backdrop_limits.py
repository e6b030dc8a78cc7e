"""The limits by which a garment is told from its background: each from just below and from just above."""

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from annotators.functional.backdrop import gradients, grain, margin, outline
from annotators.functional.backdrop.background import Background


def colours(height: int, width: int, light: float = 0.0) -> np.ndarray:
    lab = np.zeros((height, width, 3), np.float32)
    lab[..., 0] = light
    return lab


# A photo within a margin


def framed(height: int, width: int, box: tuple[int, int, int, int], inside: float = 20.0) -> np.ndarray:
    """White with a darker photo in x0 y0 x1 y1, no pixel of which is like another."""
    lab = colours(height, width, 250)
    x0, y0, x1, y1 = box
    lab[y0:y1, x0:x1, 0] -= np.linspace(inside, inside + 9, (y1 - y0) * (x1 - x0)).reshape(y1 - y0, x1 - x0)
    return lab


@pytest.mark.parametrize(("height", "bar", "share", "found"), [(100, 20, 0.47, True), (60, 10, 0.31, False)])
def test_the_margin_takes_much_of_the_frame(height: int, bar: int, share: float, found: bool) -> None:
    """Bars at both sides; above and below the photo reaches the frame."""
    lab = framed(height, 200, (bar, 0, 200 - bar, height))
    assert (2 * height + 4 * bar) / (2 * 200 + 2 * height) == pytest.approx(share, abs=0.01)
    assert (margin.inner(lab) is not None) == found


@pytest.mark.parametrize(("filled", "found"), [(0.95, True), (0.75, False)])
def test_each_side_of_the_photo_differs_from_the_margin(filled: float, found: bool) -> None:
    lab = framed(200, 200, (20, 20, 180, 180))
    lab[21:60, 100 : 100 + round(154 * (1 - filled)), 0] = 250  # of the upper side, but for its rim
    assert (margin.inner(lab) is not None) == found


@pytest.mark.parametrize(("stray", "found"), [(5, True), (8, False)])
def test_a_row_of_some_stray_pixels_is_still_margin(stray: int, found: bool) -> None:
    """1.7 % of a row are dust; with 2.7 % the photo would begin there, and its side isn't filled."""
    lab = framed(300, 300, (20, 20, 280, 280))
    lab[5, 30 : 30 + 10 * stray : 10, 0] = 100
    assert (margin.inner(lab) == (22, 22, 278, 278)) == found


@pytest.mark.parametrize(("blurred", "found"), [(3, True), (4, False)])
def test_the_margins_edge_may_be_blurred(blurred: int, found: bool) -> None:
    """Of the outermost pixels half show hardly anything."""
    lab = framed(200, 200, (20, 20, 180, 180))
    rim = np.zeros((200, 200), bool)
    rim[20:180, 20:180] = True
    rim[20 + blurred : 180 - blurred, 20 + blurred : 180 - blurred] = False
    lab[rim & (np.indices(rim.shape).sum(axis=0) % 2 == 0), 0] = 250
    assert (margin.inner(lab) is not None) == found


@pytest.mark.parametrize(("side", "found"), [(40, True), (28, False)])
def test_a_small_patch_is_no_photo(side: int, found: bool) -> None:
    lab = framed(100, 100, (30, 30, 30 + side, 30 + side))
    assert (margin.inner(lab) is not None) == found


# Grain


def noisy(deviation: float, within: int = 0, size: int = 200) -> np.ndarray:
    """Grain everywhere, or on so many pixels along the frame."""
    lab = colours(size, size, 200)
    noise = np.random.default_rng(0).normal(0, deviation, (size, size)).astype(np.float32)
    if within:
        noise[within:-within, within:-within] = 0
    lab[..., 0] += noise
    return lab


@pytest.mark.parametrize(("deviation", "smoothed"), [(0.9, True), (0.55, False)])
def test_only_grain_that_shows_is_smoothed(deviation: float, smoothed: bool) -> None:
    lab = noisy(deviation)
    assert (grain.without(lab) is not lab) == smoothed


@pytest.mark.parametrize(("within", "smoothed"), [(6, True), (3, False)])
def test_grain_is_measured_along_the_frame(within: int, smoothed: bool) -> None:
    lab = noisy(10, within)
    assert (grain.without(lab) is not lab) == smoothed


@pytest.mark.parametrize(("deviation", "smoothed"), [(3.2, True), (2.6, False)])
def test_grain_is_fine(deviation: float, smoothed: bool) -> None:
    """Grain three pixels wide differs less from the average around it."""
    lab = cv2.blur(noisy(deviation), (3, 3))
    assert (grain.without(lab) is not lab) == smoothed


def test_smoothing_takes_grain_and_keeps_edges() -> None:
    """A sixth of it is left, and of an edge of six times its deviation three quarters."""
    assert grain.without(noisy(2))[20:180, 20:180, 0].std() < 0.37
    lab = noisy(2)
    lab[:, 100:, 0] -= 12
    smooth = grain.without(lab)[20:180, :, 0]
    assert smooth[:, 97:100].mean() - smooth[:, 100:103].mean() > 9


# Edges


def lines(*values: float, apart: int = 1, base: float = 0.0) -> np.ndarray:
    """Steepness of vertical lines from column 60 on."""
    steep = np.full((80, 140), base, np.float32)
    for number, value in enumerate(values):
        steep[:, 60 + number * apart] = value
    return steep


def is_ridge(steep: np.ndarray, column: int, of_strongest: float = 0.0) -> bool:
    return bool(gradients.ridges(steep, 0.0, of_strongest)[40, column])


def test_how_steep_a_step_is() -> None:
    """Blurred by 0.7 pixels and measured over two: Φ(1.5/0.7) − Φ(−0.5/0.7), halved, of its height."""
    lab = colours(40, 40)
    lab[:, 20:, 0] = 10
    assert gradients.steepness(lab)[20, 20] == pytest.approx(3.73, abs=0.25)
    assert gradients.steepness(lab)[20, 22] == pytest.approx(0.08, abs=0.12)


@pytest.mark.parametrize(("width", "is_edge"), [(7, True), (11, False)])
def test_a_wide_slope_is_no_ridge(width: int, is_edge: bool) -> None:
    assert is_ridge(lines(*[5.0] * width), 60 + width // 2) == is_edge


@pytest.mark.parametrize(("base", "is_edge"), [(2.0, True), (3.0, False)])
def test_a_ridge_stands_out_from_the_slope_that_it_is_on(base: float, is_edge: bool) -> None:
    assert is_ridge(lines(5.0, base=base), 60) == is_edge


@pytest.mark.parametrize(("foot", "is_edge"), [(2.5, True), (1.5, False)])
def test_the_foot_of_an_edge_is_not_the_edge(foot: float, is_edge: bool) -> None:
    assert is_ridge(lines(5.0, foot), 61) == is_edge


@pytest.mark.parametrize(("steep", "is_edge"), [(0.8, True), (0.6, False)])
def test_the_faintest_edge(steep: float, is_edge: bool) -> None:
    assert is_ridge(lines(steep), 60) == is_edge


@pytest.mark.parametrize(("apart", "is_edge"), [(12, True), (6, False)])
def test_an_edge_disturbs_its_own_block(apart: int, is_edge: bool) -> None:
    assert is_ridge(lines(10.0, 1.0, apart=apart), 60 + apart, 0.2) == is_edge


@pytest.mark.parametrize(("apart", "is_edge"), [(20, True), (14, False)])
def test_an_edge_disturbs_its_block_of_colour(apart: int, is_edge: bool) -> None:
    assert is_ridge(lines(40.0, 1.0, apart=apart), 60 + apart, 0.1) == is_edge


@pytest.mark.parametrize(("weak", "is_edge"), [(4.0, True), (2.6, False)])
def test_less_is_left_in_a_block_of_colour(weak: float, is_edge: bool) -> None:
    assert is_ridge(lines(100.0, weak, apart=12), 72, 0.1) == is_edge


# The outline


def halves(contrast: float, at: int = 50) -> np.ndarray:
    lab = colours(100, 100, 100)
    lab[:, at:, 0] += contrast
    return lab


def right_of(column: int) -> np.ndarray:
    garment = np.zeros((100, 100), bool)
    garment[:, column:] = True
    return garment


@pytest.mark.parametrize(("contrast", "moved"), [(10.0, True), (6.5, False)])
def test_faint_outlines_stay_where_they_are(contrast: float, moved: bool) -> None:
    """The garment begins two pixels before its colour does."""
    cut = outline.halfway(halves(contrast), right_of(48))
    assert np.array_equal(cut, right_of(50 if moved else 48))


@pytest.mark.parametrize(("off", "reached"), [(2, True), (3, False)])
def test_how_far_an_outline_moves(off: int, reached: bool) -> None:
    cut = outline.halfway(halves(60.0), right_of(50 - off))
    assert np.array_equal(cut, right_of(50)) == reached


def bar(width: int, difference: float) -> tuple[np.ndarray, Background]:
    garment = np.zeros((100, 100), bool)
    garment[20:80, 40 : 40 + width] = True
    shown = np.full((100, 100), difference, np.float32)
    return garment, cast(Background, SimpleNamespace(average=shown))


@pytest.mark.parametrize(("width", "kept"), [(11, True), (7, False)])
def test_narrow_parts_that_hardly_differ_are_leftovers(width: int, kept: bool) -> None:
    assert outline.without_specks(*bar(width, 1.0))[50, 40 + width // 2] == kept


@pytest.mark.parametrize(("difference", "kept"), [(5.0, True), (3.0, False)])
def test_straps_differ_from_the_background(difference: float, kept: bool) -> None:
    assert outline.without_specks(*bar(5, difference))[50, 42] == kept


@pytest.mark.parametrize(("contrast", "share"), [(2.5, 0.0), (1.5, 1.0)])
def test_an_outline_is_seen_where_its_sides_differ(contrast: float, share: float) -> None:
    mask = right_of(50).astype(np.uint8) * 255
    assert outline.unseen(halves(contrast), mask) == share


def test_an_outline_is_looked_at_in_stretches() -> None:
    """Every other stretch isn't to be seen: of six pixels it is bridged, of eight not quite."""

    def unseen(gap: int) -> float:
        lab: Any = halves(8.0)
        for start in range(0, 100, 2 * gap):
            lab[start : start + gap] = 100
        return outline.unseen(lab, right_of(50).astype(np.uint8) * 255)

    assert unseen(6) < 0.1 and unseen(8) > 0.2


@pytest.mark.parametrize(("contrast", "share"), [(2.6, 0.0), (2.2, 1.0)])
def test_soft_outlines_are_looked_at_from_a_little_away(contrast: float, share: float) -> None:
    """Colours that change over four pixels."""
    lab = colours(100, 100, 100)
    lab[..., 0] += contrast * np.clip((np.arange(100) - 48) / 4, 0, 1)
    assert outline.unseen(lab, right_of(50).astype(np.uint8) * 255) == share
