"""Self-contained HTML pages: one file that needs no network, in light and dark, for keyboard and screen reader.

A page is a value (`Page`, of `Section`s, of parts such as `Tiles`, `Table`, `Gallery`, `Histogram`, `LineChart`), and
`render` makes the file of it. All text may come from data: it is escaped, and by its policy the page runs no script and
loads nothing but what it brings. The same page gives the same bytes.

    render(Page("Run 7", sections=[Section("Losses", [LineChart("loss", [Series("training", points)])])]))
"""

from schemas.pages.cells import coloured, pixels, strip
from schemas.pages.page import Page, Section, render
from schemas.pages.parts import (
    Bar,
    Charts,
    Code,
    Figure,
    Gallery,
    Histogram,
    Layer,
    LineChart,
    Link,
    Note,
    Outline,
    Part,
    Point,
    Raw,
    Row,
    Series,
    Table,
    Tile,
    Tiles,
)
from schemas.pages.pictures import data_uri, figure, jpeg, label_png
from schemas.pages.rendering import fragment, json_block

__all__ = [
    "Bar", "Charts", "Code", "Figure", "Gallery", "Histogram", "Layer", "LineChart", "Link", "Note", "Outline",
    "Page", "Part", "Point", "Raw", "Row", "Section", "Series", "Table", "Tile", "Tiles", "coloured",
    "data_uri", "figure", "fragment", "jpeg", "json_block", "label_png", "pixels", "render", "strip",
]  # fmt: skip
