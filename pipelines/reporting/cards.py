"""A record with its pictures, as the contact sheet and the viewer show it: decoded and encoded anew, and small.

A cell that can't be decoded is told in its place; it never ends the page.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines import pictures
from pipelines.pictures import View
from schemas import codecs, fields, labels, pages, record
from schemas.kinds import Kind
from schemas.pages import Figure, Layer

MAIN, SIDE = (300, 400), (180, 240)  # most pixels (width, height) of a main picture and of one beside it
QUALITY = 76


@dataclass(frozen=True)
class Card:
    """`told` are texts that describe the record, by column; `provenance` says of each column where it comes from."""

    record_id: str
    facts: str
    told: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    main: tuple[bool, ...]  # of each figure: whether it is on the sheet
    provenance: tuple[tuple[str, str, str], ...]  # column, origin and annotator, note
    shares: Mapping[str, float]  # label of the parse → share of the frame

    @property
    def size(self) -> int:
        """About how many bytes of the page its pictures take."""
        sources = (source for figure in self.figures for source in (figure.source, *(x.source for x in figure.layers)))
        return sum(map(len, sources)) + 2_000

    def shown(self) -> dict[str, Any]:
        """What the page's script takes."""
        figures = [asdict(figure) | {"main": main} for figure, main in zip(self.figures, self.main, strict=True)]
        labels_there = [[label, round(100 * share, 1)] for label, share in self.shares.items() if share]
        return {
            "facts": self.facts,
            "told": self.told,
            "figures": figures,
            "provenance": self.provenance,
            "labels": labels_there,
        }


def card(row: Mapping[str, Any], schema: pa.Schema, kind: Kind) -> Card:
    """Of a stored row."""
    shown = pictures.of(kind)
    entries = [entry for entry in row.get("provenance") or () if entry]
    origins = {entry["column"]: _origin(entry) for entry in entries}

    @cache
    def values(column: str) -> Any:
        return record.decode(schema.field(column), row[column])

    views = [*shown.views(row, values)]
    viewed = {column for view in views for column in view.columns}
    views += [
        _view(field, row[field.name]["bytes"])
        for field in schema
        if fields.is_picture(field) and row.get(field.name) is not None and field.name not in viewed
    ]
    figures, main = [], []
    for view in views:
        figure, damaged = _figure(view, origins)
        figures += [figure, *damaged]
        main += [view.main] + [False] * len(damaged)
    return Card(
        str(row.get("record_id")),
        " · ".join(filter(None, shown.facts(row))),
        tuple(_told(row)),
        tuple(figures),
        tuple(main),
        tuple((str(entry["column"]), _origin(entry), entry["note"] or "") for entry in entries),
        _shares(row, values),
    )


def _origin(entry: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (entry["origin"], entry.get("annotator"))))


def _view(field: pa.Field, data: bytes) -> View:
    return View(field.name, lambda: pages.pixels(field, data), (field.name,))


def _figure(view: View, origins: Mapping[str, str]) -> tuple[Figure, list[Figure]]:
    """The picture with its layers, and in the place of layers that can't be drawn what is wrong with them."""
    note = next((origins[column] for column in view.columns if column in origins), "")
    drawn = _tried(lambda: pages.jpeg(view.draw(), MAIN if view.main else SIDE, QUALITY))
    if isinstance(drawn, str):
        return Figure(view.title, note=note, error=drawn), []
    data, width, height = drawn
    layers: list[Layer] = []
    damaged = []
    for name, draw in view.layers.items():
        layer = _tried(lambda draw=draw: draw(width, height))  # type: ignore[misc]
        if isinstance(layer, str):
            damaged.append(Figure(name, error=layer))
        else:
            layers.append(layer)
    return Figure(view.title, pages.data_uri(data, "jpeg"), width, height, note, layers), damaged


def _tried(draw: Callable[[], Any]) -> Any:
    """What is drawn, or why it can't be: also errors of libraries, on cells that no build wrote."""
    try:
        return draw()
    except Exception as error:
        return str(error) if isinstance(error, codecs.CodecError) else type(error).__name__


def _told(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for column in ("garment_type", "caption", "garment_caption", "video_id", "object_id"):
        if row.get(column):
            yield column, str(row[column])
    tags = [f"{tag['name']}: {tag['value']}" for tag in row.get("tags") or () if tag]
    if tags:
        yield "tags", ", ".join(tags)
    further = [f"{caption['text']} ({caption['model']})" for caption in row.get("captions") or () if caption]
    if len(further) > 1:
        yield "captions", " | ".join(further)


def _shares(row: Mapping[str, Any], values: Callable[[str], Any]) -> dict[str, float]:
    if row.get("parse") is None:
        return {}
    ids = _tried(lambda: values("parse"))
    if isinstance(ids, str) or not ids.size:
        return {}
    counts = np.bincount(ids.ravel(), minlength=len(labels.Cihp)) / ids.size
    return {label.name.lower().replace("_", " "): float(counts[label]) for label in labels.Cihp if label}


def within(cards: Iterable[tuple[int, Card]], budget: int) -> dict[int, Card]:
    """Of cards with their records' indices, what matters most first, those whose pictures fit into so many bytes."""
    kept: dict[int, Card] = {}
    for index, one in cards:
        budget -= one.size
        if budget < 0 and kept:
            break
        kept[index] = one
    return kept


def enlarged(one: Card, files: Mapping[str, str]) -> Card:
    """With the file beside the page (title → address) in which each picture is to be seen at full size."""
    figures = (replace(figure, large=files.get(figure.title, "")) for figure in one.figures)
    return replace(one, figures=tuple(figures))
