"""The curve of a run's losses."""

import math

import numpy as np

from vton_models.training import curve


def drawn(*losses: object) -> np.ndarray:
    picture = curve.draw([{"step": step, "loss": loss} for step, loss in enumerate(losses, start=1)])
    assert picture is not None and picture.size == curve.SIZE
    return np.asarray(picture)


def blue(pixels: np.ndarray, column: int) -> list[int]:
    """Rows of the plot in which the loss's line crosses a column."""
    _, colour, _ = curve._LINES[0]
    return [int(row) for row in np.flatnonzero((pixels[30:, column] == colour).all(axis=1)) + 30]


def test_the_first_step_is_left_and_the_highest_loss_on_top() -> None:
    x0, y0, x1, y1 = 70, 40, 940, 440
    pixels = drawn(2.0, 1.0, 1.5)
    assert y0 in blue(pixels, x0 + 1) or y0 + 1 in blue(pixels, x0 + 1)
    assert abs(max(blue(pixels, (x0 + x1) // 2)) - y1) <= 1
    assert abs(np.mean(blue(pixels, x1)) - (y0 + y1) / 2) <= 1


def test_gaps_single_points_and_equal_losses_are_drawn() -> None:
    assert blue(drawn(1.0), 505) and blue(drawn(1.0, 1.0), 505)
    assert blue(drawn(2.0, None, math.nan, "x", 1.0), 505), "what is no number is left out of the line"


def test_without_a_number_there_is_no_curve() -> None:
    assert curve.draw([]) is None and curve.draw([{"step": 1, "loss": None}, {"loss": 1.0}]) is None
