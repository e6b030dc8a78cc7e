"""The contact sheet: what is listed of every record, and the cards of those whose pictures are on the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines import pictures
from pipelines.reporting.cards import Card
from pipelines.reporting.listing import Listing
from pipelines.reporting.sections import findings
from schemas import pages
from schemas.pages import Note, Section

Files = Mapping[int, Mapping[str, str]]  # index of a record → title of a picture → its file beside the page
# What notes on a photo say, in a word for its card.
CHANGES = {
    "cut out of": "cut out",
    "written again": "re-encoded",
    "turned upright": "turned upright",
    "converted from": "converted",
    "transparency": "transparency filled",
    "first frame of several": "first frame",
    "resized from": "resized",
}


def section(listing: Listing, indices: Sequence[int], cards: Mapping[int, Card], files: Files) -> Section:
    """`indices` are the records that are listed."""
    if not indices:
        return Section("Records", [Note("There is no record.")], id="records", count=0)
    part = pages.fragment(
        "pipelines",
        "sheet.html.j2",
        facets={name: sorted(set(values)) for name, values in listing.facets.items()},
        kinds=findings.kinds(listing),
        measures=list(listing.measures),
        some_without=any(index not in cards and index not in files for index in indices),
    )
    return Section("Records", [part], id="records", count=len(listing))


def data(listing: Listing, indices: Sequence[int], cards: Mapping[int, Card], files: Files) -> dict[str, Any]:
    """What the sheet's script reads; its records are lists, since there are thousands."""
    kinds = findings.kinds(listing)
    severities = findings.severities(listing)
    places = {kind: number for number, kind in enumerate(kinds)}
    values = {name: sorted(set(column)) for name, column in listing.facets.items()}
    codes = {name: {value: code for code, value in enumerate(one)} for name, one in values.items()}
    carded = [index for index in indices if index in cards]
    position = {index: number for number, index in enumerate(carded)}
    return {
        "total": len(listing),
        "facets": values,
        "kinds": [{"name": kind, "severity": severities[kind], "anchor": f"finding-{places[kind]}"} for kind in kinds],
        "measures": list(listing.measures),
        "shown": list(pictures.of(listing.kind).SHOWN),
        "records": [
            [
                listing.ids[index],
                [codes[name][column[index]] for name, column in listing.facets.items()],
                sorted({places[listing.findings[n].kind] for n in listing.found.get(index, ())}),
                [_number(column[index]) for column in listing.measures.values()],
                round(float(listing.worst[index]), 4),
                position.get(index, -1),
                list(files.get(index, {}).items()),
            ]
            for index in indices
        ],
        "cards": [_card(listing, index, cards[index], places) for index in carded],
    }


def _card(listing: Listing, index: int, card: Card, places: Mapping[str, int]) -> dict[str, Any]:
    found = (listing.findings[number] for number in listing.found.get(index, ()))
    said = [[places[finding.kind], finding.detail] for finding in found]
    return card.shown() | {"findings": said, "changed": list(_changes(listing, card))}


def _changes(listing: Listing, card: Card) -> list[str]:
    """What was done to the photos, a word each."""
    photos = listing.kind.photos
    notes = [note for column, _, note in card.provenance if column in photos]
    return [word for beginning, word in CHANGES.items() if any(beginning in note for note in notes)]


def _number(value: float) -> float | int | None:
    """Four digits that count; None for what isn't known."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short
