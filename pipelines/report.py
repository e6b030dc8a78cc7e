"""Finished shards → one self-contained HTML page: what there is, what is missing and why, and every record to look at.

The page is written beside the folder, as FOLDER.html, unless --output names a file. It needs no network. Of a large
build it shows the pictures of some records, the worst and some of every split and category; --pictures folder writes
those of all listed records beside it, at full size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines import pictures
from pipelines.reporting import cards, choice, files, finished, listing, reading
from pipelines.reporting.cards import Card
from pipelines.reporting.finished import Finished
from pipelines.reporting.listing import Listing
from pipelines.reporting.sections import (
    distributions,
    findings,
    missing,
    overview,
    provenance,
    recipes,
    rejects,
    sheet,
    timings,
)
from schemas import pages
from schemas.cli.flags import UsageError, flag, parse, positional, run
from schemas.folders import Folder, open_folder, open_parent
from schemas.pages import Page, Section
from schemas.pages.rendering import asset

PROG = "python -m pipelines.report"
EXAMPLES = """\
  python -m pipelines.report output/build_vitonhd
  python -m pipelines.report shards --records 60 --output report.html
  python -m pipelines.report shards --pictures folder"""
LISTED = 10_000  # records of the contact sheet
BUDGET = 10_500_000  # bytes of pictures in the page, so that it stays below 15 MB with all that it lists
PICTURES = ("embedded", "folder")


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    output: str | None = flag(None, help="the page (default SHARDS.html)", metavar="FILE")
    records: int = flag(150, help="records whose pictures are in the page, where they fit into it", metavar="N")
    pictures: str = flag("embedded", help="folder: also writes those of all records beside it", choices=PICTURES)


def render(folder: Folder, records: int, location: str = "", beside: files.Beside | None = None) -> str:
    """The page. `location` is the folder as commands on the page name it; `beside` takes pictures at full size.

    Raises UsageError for a folder that holds no finished build.
    """
    build = finished.read(folder)
    every = listing.of(build)
    listed = choice.listed(every, LISTED)
    chosen = choice.pictured(every, records)
    shown = _cards(build, every, chosen)
    written = beside.write(build.folder, every, listed) if beside else {}
    shown = {index: cards.enlarged(card, written.get(index, {})) for index, card in shown.items()}
    location = location or str(folder)
    sections = [
        overview.section(build),
        sheet.section(every, listed, shown, written),
        findings.section(build, every, location, list(shown)),
        findings.duplicates(every),
        missing.section(build, location),
        rejects.section(build),
        recipes.section(build, every, location, chosen),
        distributions.section(every, [card.shares for card in shown.values()]),
        overview.settings(build.manifest),
        provenance.section(build, every),
        timings.section(build),
    ]
    return _page(build, [one for one in sections if one], {"sheet": sheet.data(every, listed, shown, written)})


def _cards(build: Finished, every: Listing, chosen: Sequence[int]) -> dict[int, Card]:
    def card(index: int, row: reading.Row, schema: pa.Schema) -> Card:
        return cards.card(row, schema, build.kind)

    drawn = reading.each(build.folder, every, chosen, card)
    return cards.within(((index, drawn[index]) for index in chosen), BUDGET)


def _page(build: Finished, sections: Sequence[Section], data: Mapping[str, object]) -> str:
    manifest = build.manifest
    package = manifest["package"]
    return pages.render(
        Page(
            title=str(manifest["dataset"]),
            subtitle=f"{build.kind.title}, made by {manifest['command']}, {package['name']} {package['version']}",
            sections=sections,
            styles=[asset("pipelines", "sheet.css")],
            scripts=[asset("pipelines", "sheet.js")] if data else [],
            data=data,
            labels=pictures.names_of_colours(),
        )
    )


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    flags = parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    if flags.records < 1:
        raise UsageError(f"--records {flags.records}; allowed is 1 or more")
    folder = open_folder(flags.shards)
    target = flags.output or f"{str(folder).rstrip('/')}.html"
    place, name = open_parent(target)
    beside = files.Beside(place, name) if flags.pictures == "folder" else None
    place.write(name, render(folder, flags.records, flags.shards, beside).encode())
    print(target)
    return 0


if __name__ == "__main__":
    run(main, PROG)
