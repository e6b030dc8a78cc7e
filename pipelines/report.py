"""Finished shards → one self-contained HTML page: counts, rejects, findings, and a contact sheet of every picture.

The page is written beside the folder, as FOLDER.html, unless --output names a file.
"""

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipelines import pictures
from pipelines.pictures import View
from schemas import codecs, fields, kinds, labels, record, shards
from schemas.cli.flags import UsageError, flag, parse, positional, run
from schemas.finished import manifest as manifests
from schemas.finished import tables
from schemas.finished.shard_list import shard_names
from schemas.folders import Folder, open_folder, open_parent

PROG = "python -m pipelines.report"
EXAMPLES = """\
  python -m pipelines.report output/build_vitonhd
  python -m pipelines.report shards --records 60 --output report.html"""
THUMBNAIL = (150, 200)
VIEW = (260, 260)  # of pictures drawn from several columns, whose lines should be seen
ROWS_SHOWN = 200
TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    output: str | None = flag(None, help="the page (default SHARDS.html)", metavar="FILE")
    records: int = flag(24, help="records on the contact sheet", metavar="N")


@dataclass(frozen=True)
class Figure:
    """A picture of a record as a data URI, or what is wrong with it."""

    title: str
    origin: str
    source: str = ""
    error: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Record:
    """What the contact sheet shows of a record."""

    record_id: str
    facts: str
    figures: tuple[Figure, ...]


def render(folder: Folder, records: int) -> str:
    """The page. The template escapes what comes from data; pictures are decoded and encoded anew. Raises UsageError."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    names = shard_names(folder)
    manifest = manifests.read(folder, ("columns", "command", "configuration", "counts", "dataset", "package")).content
    pages = Environment(
        loader=PackageLoader("pipelines"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(TEMPLATE).render(
        manifest=manifest,
        tiles=_tiles(manifest),
        settings=_settings(manifest),
        columns=list(_columns(manifest)),
        tables=[
            {"title": "Rejects", "rows": _rows_of(folder, tables.REJECTS_FILE), "nothing": "Nothing was rejected."},
            {"title": "Findings", "rows": _rows_of(folder, tables.FINDINGS_FILE), "nothing": "Nothing was found."},
        ],
        shown=ROWS_SHOWN,
        records=(_record(row, schema) for row, schema in _chosen(folder, names, records)),
    )


def _tiles(manifest: Mapping[str, Any]) -> dict[str, object]:
    """Name → number, of the head of the page."""
    counts = manifest["counts"]
    size = sum(shard["bytes"] for shard in manifest["shards"]) / 1e6
    tiles = {"records": counts["records"], "rejects": counts["rejects"]}
    tiles |= {"shard" if len(manifest["shards"]) == 1 else "shards": len(manifest["shards"])}
    tiles |= {f"in {split}": n for split, n in counts["records_by_split"].items()} | {"MB": f"{size:.1f}"}
    tiles |= {f"declined: {rule}": n for rule, n in counts.get("declined", {}).items()}
    return tiles | {f"findings: {kind}": n for kind, n in counts["findings_by_kind"].items()}


def _settings(manifest: Mapping[str, Any]) -> str:
    chosen = {key: value for key, value in manifest["configuration"].items() if key != "annotators"}
    chosen |= chosen.pop("source_options", {})
    return ", ".join(f"{key} {_words(value)}" for key, value in chosen.items() if value not in (None, [], ""))


def _columns(manifest: Mapping[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """Column → how many records have it from the dataset, computed, by hand, and not at all; the empty ones too."""
    total = manifest["counts"]["records"]
    for name, column in manifest["columns"].items():
        origins = column["origins"]
        empty = column.get("empty", total - sum(origins.values()) if origins else 0)
        if origins or (empty and empty == total):
            computed, by_hand = (origins.get(origin, 0) for origin in ("annotator", "manual"))
            yield name, [total - empty - computed - by_hand, computed, by_hand, empty]


def _chosen(folder: Folder, names: list[str], records: int) -> Iterator[tuple[dict[str, Any], pa.Schema]]:
    """Up to `records` rows spread evenly over the shards, reading no more row groups than needed."""
    per_shard = -(-records // len(names))
    step = max(1, len(names) // records)
    left = records
    for name in names[::step]:
        try:
            with folder.open(name) as file:
                reader = shards.ShardReader(file, name)
                for _, row in zip(range(min(per_shard, left)), reader.rows(), strict=False):
                    left -= 1
                    yield row, reader.schema
        except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
            raise UsageError(f"{folder}: {name} is unreadable ({type(error).__name__})") from None


def _record(row: dict[str, Any], schema: pa.Schema) -> Record:
    kind = kinds.of(schema)
    shown = pictures.of(kind)
    origins = _origins(row)

    @cache
    def values(column: str) -> Any:
        return record.decode(schema.field(column), row[column])

    views = list(shown.views(row, values))
    figures = [_drawn(view, origins) for view in views]
    viewed = {column for view in views for column in view.columns}
    figures += [
        _figure(field, row[field.name], origins.get(field.name, ""))
        for field in schema
        if fields.is_picture(field) and row.get(field.name) is not None and field.name not in viewed
    ]
    told = (str(row[name]) for name in kind.told if row.get(name))
    return Record(str(row.get("record_id")), " · ".join(filter(None, (*shown.facts(row), *told))), tuple(figures))


def _origins(row: Mapping[str, Any]) -> dict[str, str]:
    """Column → where it came from, and which annotator made it."""
    entries = [entry for entry in row.get("provenance") or () if entry]
    return {entry["column"]: " ".join(filter(None, (entry["origin"], entry.get("annotator")))) for entry in entries}


def _drawn(view: View, origins: Mapping[str, str]) -> Figure:
    told = ", ".join(f"{column} {origins.get(column, '')}".rstrip() for column in view.columns)
    return _rendered(view.title, told, view.draw, wide=True)


def _figure(field: pa.Field, cell: dict[str, Any], origin: str) -> Figure:
    return _rendered(field.name, origin, lambda: _pixels(field, cell["bytes"]))


def _rendered(title: str, origin: str, draw: Callable[[], np.ndarray], wide: bool = False) -> Figure:
    try:
        data = base64.b64encode(_thumbnail(draw(), VIEW if wide else THUMBNAIL)).decode()
    except Exception as error:  # also of libraries, on cells that no build wrote
        reason = str(error) if isinstance(error, codecs.CodecError) else type(error).__name__
        return Figure(title, origin, error=reason, wide=wide)
    return Figure(title, origin, source=f"data:image/jpeg;base64,{data}", wide=wide)


def _pixels(field: pa.Field, data: bytes) -> np.ndarray:
    """uint8 [h w 3]; label maps in their palette's colours."""
    kind = fields.kind(field)
    if kind == "mask":
        return np.repeat(codecs.decode_mask(data)[..., None], 3, axis=2)
    if kind == "label_map":
        space = fields.label_space(field)
        return np.asarray(labels.PALETTES[space][codecs.decode_label_map(data, space)])
    return codecs.decode_image(data)


def _thumbnail(pixels: np.ndarray, size: tuple[int, int]) -> bytes:
    """A JPEG no larger than `size`, (width, height)."""
    image = Image.fromarray(pixels)
    image.thumbnail(size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _rows_of(folder: Folder, name: str) -> list[dict[str, Any]]:
    table = tables.read(folder, name)
    return [] if table is None else list(table.to_pylist())


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    flags = parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    if flags.records < 1:
        raise UsageError(f"--records {flags.records}; allowed is 1 or more")
    folder = open_folder(flags.shards)
    target = flags.output or f"{str(folder).rstrip('/')}.html"
    place, name = open_parent(target)
    place.write(name, render(folder, flags.records).encode())
    print(target)
    return 0


if __name__ == "__main__":
    run(main, PROG)
