"""What each mask recipe would repaint of the same photo, side by side.

Recipes that the shards hold are shown as they are stored. Where they hold fewer than two, all recipes are drawn for the
page from the record's parse, keypoints and DensePose.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from annotators.functional import agnostic, masks
from pipelines.reporting import reading
from pipelines.reporting.finished import Finished
from pipelines.reporting.listing import Listing
from schemas import pages, record
from schemas.kinds import TRYON
from schemas.labels import Category
from schemas.pages import Code, Figure, Gallery, Note, Row, Section
from schemas.pages.parts import Part

TRIED = 3  # records of a category, until one has what recipes need
SIZE = (180, 240)
DRAWN = "Drawn for this page."
TINT = (255, 64, 160)
PLAIN = "agnostic_mask"


def section(finished: Finished, listing: Listing, location: str, order: Sequence[int]) -> Section | None:
    """One record of each category, of `order` the first that serves; None where there is none."""
    if listing.kind is not TRYON or not len(listing):
        return None
    rows = [row for indices in _by_category(listing, order) if (row := _first(finished, listing, indices))]
    if not rows:
        return None
    intro = "What a recipe repaints is pink; the number is its share of the frame."
    parts: list[Part] = [Gallery(rows)]
    if any(row.note for row in rows):
        output = shlex.quote(f"{location.rstrip('/')}-recipes")
        words = f"--annotators agnostic --agnostic-recipe auto,catvton,ootdiffusion --output {output}"
        way = f"python -m pipelines.annotate {shlex.quote(location)} {words}"
        parts += [
            Note("Masks drawn for this page aren't in the shards; those that you name are put there by:"),
            Code(way),
        ]
    return Section("Mask recipes", parts, intro, "recipes")


def _by_category(listing: Listing, order: Sequence[int]) -> Iterator[list[int]]:
    categories = listing.column("category") or [None] * len(listing)
    for category in (*Category, None):
        indices = [index for index in order if categories[index] == category]
        if indices:
            yield indices[:TRIED]


def _first(finished: Finished, listing: Listing, indices: Sequence[int]) -> Row | None:
    for index in indices:
        row = reading.each(finished.folder, listing, [index], lambda _, row, schema: _row(row, schema))[index]
        if row is not None:
            return row
    return None


def _row(row: Mapping[str, Any], schema: pa.Schema) -> Row | None:
    @cache
    def values(column: str) -> Any:
        return record.decode(schema.field(column), row[column])

    stored = [name for name in row if name.startswith(PLAIN) and row[name] is not None]
    title = f"{row['record_id']} · {row.get('category') or 'category unknown'}"
    try:
        photo = values("person_image")
        if len(stored) > 1:
            figures = [_figure(_named(name, row), photo, lambda name=name: values(name)) for name in sorted(stored)]  # type: ignore[misc]
            return Row(title, [_plain(photo), *figures])
        drawn = list(_drawn(row, photo, values))
        return Row(title, [_plain(photo), *drawn], note=DRAWN) if len(drawn) > 1 else None
    except Exception:  # cells that no build wrote: the sheet tells of them
        return None


def _named(column: str, row: Mapping[str, Any]) -> str:
    """The recipe; of the plain column's mask, what its note says."""
    if column != PLAIN:
        return column.removeprefix(f"{PLAIN}_")
    notes = [entry["note"] or entry["origin"] for entry in row.get("provenance") or () if entry["column"] == PLAIN]
    recipe = re.search(r"drawn by (\w+)|recipe=(\w+)|(dataset|manual)", notes[0] if notes else "")
    return f"{PLAIN} ({next(filter(None, recipe.groups()))})" if recipe else PLAIN


def _drawn(row: Mapping[str, Any], photo: np.ndarray, values: Callable[[str], Any]) -> Iterator[Figure]:
    columns = ("parse", "keypoints", "parse_lip", "parse_atr", "densepose", "densepose_image", "keypoints_hands")
    there: dict[str, Any] = {name: values(name) for name in columns if row.get(name) is not None}
    there |= {"person_image": photo, "category": row.get("category")}
    for name, recipe in agnostic.RECIPES.items():
        category = recipe.assumed if there["category"] is None else there["category"]
        if name == "auto" or category not in recipe.categories or not set(recipe.reads) <= there.keys():
            continue

        def mask(name: str = name, category: str = str(category)) -> np.ndarray:
            return np.asarray(agnostic.RECIPES[name].draw(there, category, agnostic.Settings())["agnostic_mask"])

        yield _figure(name, photo, mask)


def _plain(photo: np.ndarray) -> Figure:
    return pages.figure("person_image", photo, SIZE, 76)


def _figure(title: str, photo: np.ndarray, mask: Callable[[], np.ndarray]) -> Figure:
    """The photo with what is repainted in pink; what a recipe says where it can't be drawn."""
    try:
        repainted = mask() >= 128
    except ValueError as error:
        return Figure(title, error=str(error))
    tinted = photo.copy()
    tinted[repainted] = (0.4 * photo[repainted] + 0.6 * np.array(TINT)).astype(np.uint8)
    share = masks.share(np.asarray(repainted, np.uint8) * np.uint8(255))
    return pages.figure(title, tinted, SIZE, 76, note=f"{share:.0%}")
