"""Where the lines and bars of charts lie, in the pixels of their SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.pages.parts import Bar, Histogram, LineChart, Series

WIDTH, HEIGHT = 320, 150  # of a histogram
LABELS, VALUES, STEP, LONGEST = 116.0, 46.0, 19.0, 20  # of bars that lie across, and letters of a label
LINES = (640, 300)  # of a line chart
LEFT, BOTTOM, TOP, RIGHT = 56, 26, 8, 12  # margins of a line chart


@dataclass(frozen=True)
class Drawn:
    """A bar: where it stands, and what it is called."""

    x: float
    y: float
    width: float
    height: float
    label: str
    title: str
    shown: bool  # whether there is room for its label


@dataclass(frozen=True)
class Tick:
    place: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A series as SVG paths, and its values for the page's script."""

    name: str
    raw: str
    smooth: str
    points: list[list[float]]
    last: str


@dataclass(frozen=True)
class Lines:
    """A line chart, drawn; `scale` is x0, x1, y0, y1 of the axes, in the units in which they are linear."""

    curves: list[Curve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    scale: list[float]
    width: int = LINES[0]
    height: int = LINES[1]
    left: int = LEFT
    right: int = LINES[0] - RIGHT
    top: int = TOP
    bottom: int = LINES[1] - BOTTOM


def bars(histogram: Histogram) -> list[Drawn]:
    """From left to right over the whole width; the highest fills the height."""
    highest = max((bar.value for bar in histogram.bars), default=0) or 1
    step = WIDTH / max(1, len(histogram.bars))
    room = HEIGHT - 40
    gap = min(8.0, step * 0.15)
    fits = not histogram.low and all(len(bar.label) * 6.2 < step for bar in histogram.bars)
    return [_bar(bar, index, step, gap, room * bar.value / highest, fits) for index, bar in enumerate(histogram.bars)]


def _bar(bar: Bar, index: int, step: float, gap: float, height: float, shown: bool) -> Drawn:
    height = max(height, 1.0) if bar.value else 0.0
    title = bar.title or f"{bar.label}: {number(bar.value)}"
    x, y = index * step + gap / 2, HEIGHT - 22 - height
    return Drawn(round(x, 1), round(y, 1), round(step - gap, 1), round(height, 1), bar.label, title, shown)


def across(histogram: Histogram) -> list[Drawn]:
    """One below the other; the longest fills the width that labels and values leave."""
    highest = max((bar.value for bar in histogram.bars), default=0) or 1
    return [
        Drawn(
            LABELS,
            index * STEP + 3.0,
            round(max(bar.value / highest * (WIDTH - LABELS - VALUES), 1.0 if bar.value else 0.0), 1),
            STEP - 6.0,
            bar.label if len(bar.label) <= LONGEST else f"{bar.label[: LONGEST - 1]}…",
            bar.title or f"{bar.label}: {number(bar.value)}",
            True,
        )
        for index, bar in enumerate(histogram.bars)
    ]


def lines(chart: LineChart) -> Lines | None:
    """None where no series has a point that can be drawn."""
    series = [(one.name, _finite(one, chart.logarithmic)) for one in chart.series]
    points = [point for _, line in series for point in line]
    if not points:
        return None
    x0, x1 = _ends([x for x, _ in points])
    shown = [_up(y, chart.logarithmic) for _, y in points]
    y0, y1 = _ends(shown, pad=0.05)
    plan = Lines([], [], [], [x0, x1, y0, y1])

    def path(line: Sequence[tuple[float, float]]) -> str:
        places = (
            f"{plan.left + (x - x0) / (x1 - x0) * (plan.right - plan.left):.1f} "
            f"{plan.bottom - (_up(y, chart.logarithmic) - y0) / (y1 - y0) * (plan.bottom - plan.top):.1f}"
            for x, y in line
        )
        return "M" + "L".join(places) if line else ""

    for name, line in series:
        smooth = path(smoothed(line, chart.smoothing))
        last = number(line[-1][1]) if line else "none"
        plan.curves.append(Curve(name, path(line), smooth, [[x, y] for x, y in line], last))
    for value in _round_values(x0, x1):
        plan.x_ticks.append(Tick(plan.left + (value - x0) / (x1 - x0) * (plan.right - plan.left), number(value)))
    for value in _round_values(y0, y1):
        text = number(10**value if chart.logarithmic else value)
        plan.y_ticks.append(Tick(plan.bottom - (value - y0) / (y1 - y0) * (plan.bottom - plan.top), text))
    return plan


def smoothed(line: Sequence[tuple[float, float]], smoothing: float) -> list[tuple[float, float]]:
    """The exponential mean whose weights sum to 1 from the first point on (Kingma 2015, section 3)."""
    mean, weight, result = 0.0, 0.0, []
    for x, y in line:
        mean = smoothing * mean + (1 - smoothing) * y
        weight = smoothing * weight + (1 - smoothing)
        result.append((x, mean / weight))
    return result


def number(value: float) -> str:
    """At most four digits that count, without an exponent where that is short."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _finite(series: Series, logarithmic: bool) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in series.points
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not logarithmic)
    ]


def _up(y: float, logarithmic: bool) -> float:
    return math.log10(y) if logarithmic else y


def _ends(values: Sequence[float], pad: float = 0.0) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        half = abs(low) / 2 or 0.5
        return low - half, high + half
    return low - pad * (high - low), high + pad * (high - low)


def _round_values(low: float, high: float) -> list[float]:
    """Four to eight multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
    first = math.ceil(low / step)
    return [round(step * index, 12) for index in range(first, math.floor(high / step) + 1)]
