"""One picture of all that a record holds, and a page that leads to a build's report, a run and its results.

Without --shards, a record of the embedded sample with the masks of every agnostic recipe. A model's result is shown
only where a folder of samples is given, and tiny networks of random weights are said to be such.
"""

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from PIL import Image

from pipelines import build_vitonhd
from pipelines.pictures import _gallery as gallery
from pipelines.pictures._gallery import Tile as Shown
from pipelines.reporting import finished, listing, reading
from schemas import codecs, pages, record
from schemas.cli.flags import UsageError, flag, parse, run
from schemas.cli.modules import modules_of
from schemas.folders import atomic, open_folder, owned, places
from schemas.kinds import TRYON
from schemas.pages import Figure, Gallery, Note, Page, Part, Row, Section, Tile, Tiles

PROG = "python -m pipelines.gallery"
EXAMPLES = """\
  python -m pipelines.gallery
  python -m pipelines.gallery --shards shards --record 00012_00+00012_00 --output pictures
  python -m pipelines.gallery --shards shards --report shards.html --run output/train/catvton \\
      --samples output/sample/catvton"""
PICTURE, PAGE = "gallery.png", "index.html"
RECIPES = "annotators.functional.agnostic.recipes"
_MOST_RESULTS, _LOOKED_AT = 6, 24
Record = dict[str, Any]


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str | None = flag(None, help="folder of a finished build of try-on records", metavar="DIR")
    record: str | None = flag(None, help="the record's id (default the first that has most columns)", metavar="ID")
    samples: str | None = flag(None, help="results of `sample`: those of the record, or the first", metavar="DIR")
    run: str | None = flag(None, help="a training run, to link and to show its losses and pictures", metavar="RUN")
    report: str | None = flag(None, help="a build's report, to link", metavar="FILE")
    output: str = flag("output/gallery", help=f"folder of {PICTURE} and {PAGE}", metavar="DIR")


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    flags = parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    folder = places.writable("--output", flags.output)
    _check(flags)
    with tempfile.TemporaryDirectory() as temporary:
        row = _record(flags.shards or _sample(temporary), flags.record)
    results = _results(Path(flags.samples), str(row["record_id"])) if flags.samples else []
    first, masks = gallery.tiles(row, plain_recipe(row))
    captions = [(name.replace("_", " "), str(row[name])) for name in ("caption", "garment_caption") if row.get(name)]
    picture = gallery.sheet([first, masks, results], [*captions, ("record", str(row["record_id"]))])
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(folder / PICTURE, _png(picture))
    atomic.write(folder / PAGE, page(flags, folder, picture, results).encode())
    told = {"output": str(folder), "record": row["record_id"], "masks": len(masks), "results": len(results)}
    print(json.dumps(told))
    return 0


def _check(flags: Flags) -> None:
    """Raises UsageError for what isn't there."""
    for name, place, is_there in (
        ("--samples", flags.samples, os.path.isdir),
        ("--run", flags.run, os.path.isdir),
        ("--report", flags.report, os.path.isfile),
    ):
        if place is not None and not is_there(place):
            raise UsageError(f"{name} {place}: there is no such {'file' if is_there is os.path.isfile else 'folder'}")


def _sample(temporary: str) -> str:
    """Some records of the embedded sample, built with every recipe."""
    names = ",".join(name for name in modules_of(RECIPES) if name != "auto")
    words = ["--split", "train", "--limit", "4", "--agnostic-recipe", names, "--output", f"{temporary}/shards"]
    if build_vitonhd.main(words):
        raise UsageError("the embedded sample couldn't be built; its messages stand above")
    return f"{temporary}/shards"


def _record(location: str, name: str | None) -> Record:
    """A decoded record. Raises UsageError for one that isn't there, or has no photo and garment."""
    build = finished.read(open_folder(location))
    if build.kind is not TRYON:
        raise UsageError(f"{location} holds records of kind {build.kind.name}; allowed are {TRYON.name} records")
    every = listing.of(build)
    if not every.ids or (name is not None and name not in every.index_of):
        raise UsageError(f"{location} has no record {name!r}; it has {', '.join(every.ids[:5]) or 'none'}")
    chosen = [every.index_of[name]] if name is not None else list(range(min(len(every), _LOOKED_AT)))
    rows = reading.each(build.folder, every, chosen, _decoded)
    best = max(chosen, key=lambda index: (sum(value is not None for value in rows[index].values()), -index))
    if rows[best].get("person_image") is None or rows[best].get("garment_image") is None:
        raise UsageError(f"record {every.ids[best]} has no person_image or no garment_image")
    return rows[best]


def _decoded(_: int, row: Mapping[str, Any], schema: pa.Schema) -> Record:
    return {
        name: None if cell is None else record.decode(schema.field(name), cell)
        for name, cell in row.items()
        if name in TRYON.fields or name.startswith("agnostic_mask")
    }


def plain_recipe(row: Record) -> str:
    """Whose mask `agnostic_mask` is: the first that provenance names, or its own name where that names none."""
    notes = [
        str(entry.get("note") or "") for entry in row.get("provenance") or [] if entry.get("column") == "agnostic_mask"
    ]
    named = re.search(r"recipe=(\w+)", notes[0]) if notes else None
    return named[1] if named else "agnostic_mask"


# ---- results of a model
def _results(folder: Path, record_id: str) -> list[Shown]:
    """Those of the record where there are any, else the first; with whose they are. Raises UsageError for none."""
    files = sorted(path for path in folder.glob("*.png") if not path.name.startswith("grid"))
    marked = [(path, read) for path in files if (read := _opened(path)) is not None]
    if not marked:
        raise UsageError(f"--samples {folder} holds no results of `sample`")
    own = [(path, image) for path, image in marked if str(image.info.get("Record", "")).startswith(record_id)]
    return [
        Shown("result", np.asarray(image.convert("RGB")), _whose(image)) for _, image in (own or marked)[:_MOST_RESULTS]
    ]


def _whose(image: Image.Image) -> str:
    return " of ".join(str(image.info[key]) for key in ("Networks", "Model") if image.info.get(key)) or "a model"


def _opened(path: Path) -> Image.Image | None:
    """A picture that says that a model made it."""
    try:
        image = codecs.open_picture(path.read_bytes())
    except (OSError, codecs.CodecError):
        return None
    return image if "DigitalSourceType" in image.info else None


# ---- the page
def page(flags: Flags, folder: Path, picture: Image.Image, results: Sequence[Shown]) -> str:
    """A page that leads to everything, and says of each picture what it is."""
    said = [
        Note(
            "Above: the photo, the flat garment, and what is read or computed of them. In the middle: what each"
            " agnostic recipe has a model repaint, in grey. Every picture is a column of the record."
        )
    ]
    if results:
        notes = " and ".join(dict.fromkeys(tile.note for tile in results))
        said.append(Note(f"Below: results of {notes}. They are generated."))
    shown = _figure("One record", picture, PICTURE)
    sections = [Section("One record", [*said, Gallery([Row("", [shown])], size=1100)])]
    if flags.report:
        links = [("Report", "every record, finding and reject", flags.report)]
        sections.append(Section("The data", [_links(folder, links)]))
    if flags.run:
        sections.append(_of_a_run(folder, Path(flags.run)))
    if flags.samples:
        sections.append(_of_samples(folder, Path(flags.samples)))
    return pages.render(Page("vton-pipelines", "From photos to training data to a model", sections))


def _of_a_run(folder: Path, run_folder: Path) -> Section:
    links = _links(folder, [("Run", "curves, pictures over time, settings, lineage", str(run_folder / "run.html"))])
    parts: list[Part] = [links]
    if (owned.described(run_folder) or {}).get("tiny"):
        parts.append(Note("Tiny networks of random weights were trained, to show that it works: no garment comes out."))
    pictures = (("Losses", "loss.png"), ("What the trained model makes of records", "samples.png"))
    shown = [_file_figure(title, run_folder / name, folder) for title, name in pictures]
    return Section("A training run", [*parts, Gallery([Row("", [one for one in shown if one])], size=520)])


def _of_samples(folder: Path, samples: Path) -> Section:
    links = _links(folder, [("Results", "what went in beside what came out", str(samples / "samples.html"))])
    grid = _file_figure("Results, generated by a model", samples / "grid.png", folder)
    return Section("Results", [links, *([Gallery([Row("", [grid])], size=900)] if grid else [])])


def _links(folder: Path, targets: Sequence[tuple[str, str, str]]) -> Tiles:
    """(title, words, file) → links to those files that are there, as seen from the page."""
    there = [(title, words, Path(target)) for title, words, target in targets if Path(target).is_file()]
    return Tiles([Tile(title, words, _beside(folder, target)) for title, words, target in there])


def _beside(folder: Path, target: Path) -> str:
    return quote(Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix())


def _file_figure(title: str, path: Path, folder: Path) -> Figure | None:
    try:
        image = codecs.open_picture(path.read_bytes()).convert("RGB")
    except (OSError, codecs.CodecError):
        return None
    return _figure(title, image, _beside(folder, path))


def _figure(title: str, image: Image.Image, large: str) -> Figure:
    return pages.figure(title, np.asarray(image), (1600, 2400), 88, large=large)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    run(main, PROG)
