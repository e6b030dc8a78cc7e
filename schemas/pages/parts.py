"""What a page consists of, as values. Text is plain text: it is escaped where it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Raw:
    """HTML as `fragment` renders it; for everything else there is a part."""

    html: str


@dataclass(frozen=True)
class Link:
    """Leads to `#id` in the page, or to a file beside it."""

    text: str
    href: str


@dataclass(frozen=True)
class Code:
    """A command, or other text to be copied as it is; a button copies it."""

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph; `kind` is "" or "warning"."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Tile:
    """A number of the head of a page, and what it counts."""

    value: str
    label: str
    href: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: Sequence[Tile]


Cell = str | int | float | Link | Code | Raw | None


@dataclass(frozen=True)
class Table:
    """Rows below a head; a click on the head sorts. `total` is how many rows there are, where not all are shown."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: int | None = None


@dataclass(frozen=True)
class Outline:
    """A line along `path`, an SVG path in the pixels of its figure."""

    path: str
    colour: int = 0  # of the style sheet's palette, 0–9


@dataclass(frozen=True)
class Point:
    """Something at a place of a figure, in its pixels, that is named while the pointer is over it."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True)
class Layer:
    """What lies over a picture and can be switched: a picture of the same shape, or lines and points.

    `space` is a key of `Page.labels`: names of the colours of `source`, told while the pointer is over them.
    """

    name: str
    source: str = ""
    outlines: Sequence[Outline] = ()
    points: Sequence[Point] = ()
    space: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture with what lies over it; it is enlarged by a click, by a larger file where `large` names one.

    `source` and `large` are data URIs or relative addresses; `width` and `height` are the picture's own shape.
    `error` is shown in the place of a picture that there isn't.
    """

    title: str
    source: str = ""
    width: int = 1
    height: int = 1
    note: str = ""
    layers: Sequence[Layer] = ()
    large: str = ""
    error: str = ""


@dataclass(frozen=True)
class Row:
    """Figures side by side, under a title."""

    title: str
    figures: Sequence[Figure]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Rows of figures; enlarged, one leads to the next. `shown` names the layers that are on from the start."""

    rows: Sequence[Row]
    size: int = 150  # of a figure's longer side on the page, CSS pixels
    shown: Sequence[str] = ()


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    title: str = ""  # while the pointer is over it; default: label and value


@dataclass(frozen=True)
class Histogram:
    """Bars from left to right; `low` and `high` label the ends of the axis in the place of every bar.

    `across` lays them below each other, each with its label and value in words.
    """

    title: str
    bars: Sequence[Bar]
    low: str = ""
    high: str = ""
    note: str = ""
    across: bool = False


@dataclass(frozen=True)
class Series:
    """A line through (x, y); points that are no numbers are left out."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class LineChart:
    """Lines over a common axis. `smoothing` 0–1, of an exponential mean, can be changed on the page."""

    title: str
    series: Sequence[Series]
    x_label: str = "step"
    y_label: str = ""
    smoothing: float = 0.0
    logarithmic: bool = False


@dataclass(frozen=True)
class Charts:
    """Charts beside each other, as many as fit."""

    charts: Sequence[Histogram | LineChart]


Part = Raw | Code | Note | Tiles | Table | Gallery | Histogram | LineChart | Charts

Labels = Mapping[str, Mapping[str, str]]  # space → "#rrggbb" → name
