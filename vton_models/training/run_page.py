"""run.html: what a run is doing, or did, from the files of its folder alone."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from schemas import pages
from schemas.folders import atomic
from schemas.pages import Charts, Figure, Gallery, LineChart, Note, Page, Section, Series, Table, Tile, Tiles
from vton_models.system import About
from vton_models.training.run_folder import Run

Entries = Sequence[Mapping[str, Any]]
PICTURE = (960, 1600)  # the most of a sheet of pictures that the page holds; a click leads to the file beside it
SHOWN = 460  # CSS pixels of its longer side before that
SHEETS = 12  # that are shown, spread over the run
SMOOTHING = 0.6
STYLE = """
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)) }
.charts .wide { grid-column: auto }
"""
_QUARTERS = {
    "validation_loss_q1": "first quarter: least noise",
    "validation_loss_q2": "second quarter",
    "validation_loss_q3": "third quarter",
    "validation_loss_q4": "last quarter: most noise",
}


def write(run: Run, about: About) -> None:
    """Raises UsageError for a folder that holds no run."""
    atomic.write(run.page, page(run, about).encode())


def page(run: Run, about: About) -> str:
    """The whole file."""
    description = run.described() or {}
    entries = run.entries()
    training = description["training"]
    sections = [
        Section("Losses", [Charts(list(_losses(entries))), Charts(list(_rates(entries)))]),
        Section("Pictures over time", list(_pictures(run, description))),
        Section("Speed and memory", [Charts(list(_speed(entries, training["global_batch_size"])))]),
        Section("Configuration", [_settings("Training", training), _settings("System", description["config"])]),
        Section("Where it comes from", list(_lineage(description))),
        Section("Licences", [_licences(description, about)]),
    ]
    head = Section("Overview", [_tiles(description, entries)])
    title = f"{description['model']}: {run.path.name}"
    return pages.render(
        Page(
            title,
            f"{about.title} ({about.paper})",
            [head, *sections],
            footer=f"{description['package']['name']} {description['package']['version']}",
            styles=(STYLE,),
        )
    )


def _tiles(description: Mapping[str, Any], entries: Entries) -> Tiles:
    training = description["training"]
    speed = [{"speed": value} for _, value in speeds(entries, training["global_batch_size"])]
    last = max((int(entry["step"]) for entry in entries), default=0)
    tiles = [
        Tile(f"{last:,} of {training['steps']:,}", "steps"),
        Tile(f"{last * training['global_batch_size']:,}", "records seen"),
        Tile(_last(entries, "loss"), "loss", "#losses"),
        Tile(_last(entries, "validation_loss"), "held-out loss", "#losses"),
        Tile(_last(speed, "speed"), "records/s"),
        Tile(_last(entries, "memory_gib"), "GiB at most"),
    ]
    return Tiles([tile for tile in tiles if tile.value])


def _last(entries: Entries, name: str) -> str:
    numbers = [entry[name] for entry in entries if _is_number(entry.get(name))]
    return f"{numbers[-1]:.4g}" if numbers else ""


def points(entries: Entries, name: str) -> list[tuple[float, float]]:
    """(step, value) of the entries that have a number of this name."""
    return [(float(entry["step"]), float(entry[name])) for entry in entries if _is_number(entry.get(name))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _losses(entries: Entries) -> Iterator[LineChart]:
    own = [Series("training", points(entries, "loss")), Series("held out", points(entries, "validation_loss"))]
    yield LineChart("Loss", [series for series in own if series.points], smoothing=SMOOTHING)
    quarters = [Series(told, points(entries, name)) for name, told in _QUARTERS.items()]
    if any(series.points for series in quarters):
        yield LineChart("Held-out loss by quarter of the timesteps", quarters)


def _rates(entries: Entries) -> Iterator[LineChart]:
    yield LineChart("Learning rate", [Series("learning rate", points(entries, "learning_rate"))])
    norms = [Series("gradient", points(entries, "grad_norm"))]
    yield LineChart("Norm of the gradient", norms, smoothing=SMOOTHING, logarithmic=True)


def speeds(entries: Entries, records: int) -> list[tuple[float, float]]:
    """(step, records a second) between the entries that tell the seconds since their process began to train."""
    timed = [entry for entry in entries if _is_number(entry.get("seconds")) and "loss" in entry]
    return [
        (float(now["step"]), (now["step"] - before["step"]) * records / (now["seconds"] - before["seconds"]))
        for before, now in pairwise(timed)
        if now["seconds"] > before["seconds"] and now["step"] > before["step"]
    ]


def _speed(entries: Entries, records: int) -> Iterator[LineChart]:
    yield LineChart("Records a second, with all that is between steps", [Series("records/s", speeds(entries, records))])
    yield LineChart("Most memory in use at once, GiB", [Series("memory", points(entries, "memory_gib"))])


def _pictures(run: Run, description: Mapping[str, Any]) -> Iterator[Gallery | Note]:
    """Sheets over time, newest first: a row per record, as the networks see it, and the result."""
    sheets = [(f"step {int(path.stem.removeprefix('step-')):,}", path) for path in run.sheets()]
    if run.samples.is_file():
        sheets.append(("the trained model", run.samples))
    if not sheets:
        yield Note("No pictures yet; --validation-pictures says how many records have some.")
        return
    if description["base"]["path"] == "random":
        yield Note("Networks of random weights made these pictures: they show that the command works, and no garment.")
    yield Note("Every picture here is generated by a model in training.")
    indices = {round(number * (len(sheets) - 1) / (SHEETS - 1)) for number in range(SHEETS)}
    shown = [sheets[index] for index in sorted(indices)]
    figures = [_sheet(told, path, run.path) for told, path in reversed(shown)]
    note = f"{len(shown)} of {len(sheets)}; the others lie in validation/" if len(shown) < len(sheets) else ""
    yield Gallery([pages.Row("newest first", figures, note)], size=SHOWN)


def _sheet(told: str, path: Path, folder: Path) -> Figure:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return Figure(told, error="can't be read")
    return pages.figure(told, pixels, PICTURE, large=path.relative_to(folder).as_posix())


def _settings(caption: str, values: Mapping[str, Any]) -> Table:
    rows = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in sorted(values.items())]
    return Table(caption, ("setting", "value"), rows)


def _lineage(description: Mapping[str, Any]) -> Iterator[Table]:
    base, start = description["base"], description["start"]
    rows = [
        ("preset", description.get("preset") or "-"),
        ("base", base["path"]),
        ("its digest", base["digest"]),
    ]
    rows += [(f"began from {kind}", str(start[kind])) for kind in ("official", "run") if start.get(kind)]
    yield Table("Weights", ("what", "which"), rows)
    data = [
        (item["dataset"] or "-", item["weight"], item["manifest_sha256"] or "-", item["licence"] or "not stated")
        for item in description["data"]
    ]
    yield Table("Data", ("dataset", "weight", "sha256 of its manifest", "licence"), data)
    yield _settings("Records", {**description["records"], **description.get("counts", {})})


def _licences(description: Mapping[str, Any], about: About) -> Table:
    data = sorted({item["licence"] or "not stated in the manifest: the source's own" for item in description["data"]})
    rows: Iterable[tuple[str, str]] = [
        ("code and weights of the system", about.licence),
        ("base", f"{about.base}; its own licence applies"),
        *(("data", licence) for licence in data),
    ]
    return Table("What a model that was trained so may be bound by", ("of", "licence"), list(rows))
