"""The losses of a run as a picture."""

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE = (960, 480)
_FRAME = (70, 40, 940, 440)  # where the axes are: x0 y0 x1 y1
_LINES = (("loss", (70, 120, 190), 1), ("validation_loss", (220, 110, 30), 3))
_TICKS = 5
_INK, _GRID = (60, 60, 60), (225, 225, 225)
Points = list[tuple[float, float]]  # step, loss


def draw(entries: Sequence[dict[str, Any]]) -> Image.Image | None:
    """Of the entries of log.jsonl; None where no loss is a number."""
    lines = {name: _points(entries, name) for name, _, _ in _LINES}
    points = [point for line in lines.values() for point in line]
    if not points:
        return None
    (left, right), (low, high) = (_span([point[axis] for point in points]) for axis in (0, 1))
    picture = Image.new("RGB", SIZE, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
    x0, y0, x1, y1 = _FRAME

    def place(step: float, loss: float) -> tuple[float, float]:
        return x0 + (step - left) / (right - left) * (x1 - x0), y1 - (loss - low) / (high - low) * (y1 - y0)

    for tick in range(_TICKS + 1):
        step, loss = round(left + (right - left) * tick / _TICKS), low + (high - low) * tick / _TICKS
        x, y = place(step, loss)
        pen.line((x0, y, x1, y), _GRID)
        pen.text((x0 - 6, y), f"{loss:.4g}", _INK, font, anchor="rm")
        pen.text((x, y1 + 6), str(step), _INK, font, anchor="mt")
    pen.line((x0, y0, x0, y1, x1, y1), _INK)
    pen.text(((x0 + x1) / 2, SIZE[1] - 4), "step", _INK, font, anchor="mb")
    for place_in_row, (name, colour, width) in enumerate(_LINES):
        line = [place(*point) for point in lines[name]]
        if line:
            pen.line(line, colour, width, joint="curve")
            pen.ellipse((line[-1][0] - 3, line[-1][1] - 3, line[-1][0] + 3, line[-1][1] + 3), colour)
            said = f"{name.replace('_', ' ')}: {lines[name][-1][1]:.4g} at step {lines[name][-1][0]:.0f}"
            pen.text((x0 + 240 * place_in_row, 16), said, colour, font, anchor="lm")
    return picture


def _points(entries: Sequence[dict[str, Any]], name: str) -> Points:
    numbers = ((entry.get("step"), entry.get(name)) for entry in entries)
    return [
        (float(step), float(loss))
        for step, loss in numbers
        if isinstance(step, int) and isinstance(loss, int | float) and math.isfinite(loss)
    ]


def _span(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
