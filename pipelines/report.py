"""Finished shards → one self-contained HTML page: counts, rejects, findings, and a contact sheet of every picture.

The page is written beside the folder, as FOLDER.html, unless --output names a file.
"""

import base64
import html
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from schemas import codecs, fields, kinds, labels, shards
from schemas.cli import flags
from schemas.finished import shard_names
from schemas.folders import Folder, open_folder

EXAMPLES = """\
  python -m pipelines.report output/build_vitonhd
  python -m pipelines.report shards --records 60 --output report.html"""
THUMBNAIL = (150, 200)
ROWS_SHOWN = 200
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: .9rem } th, td { text-align: left; padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.tiles { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1rem 0 }
.tile { background: var(--soft); border-radius: .5rem; padding: .6rem 1rem }
.tile b { display: block; font-size: 1.5rem }
.record { border-top: 1px solid var(--line); padding: .8rem 0 } .record h3 { font: 600 .95rem ui-monospace, monospace;
  margin: 0 0 .3rem; overflow-wrap: anywhere } .record p { margin: .2rem 0 .5rem }
.strip { display: flex; gap: .5rem; flex-wrap: wrap } figure { margin: 0; width: 150px }
figure img { width: 150px;
  background: #777; border-radius: .25rem; display: block } figcaption { font-size: .75rem; overflow-wrap: anywhere }
figcaption i { opacity: .7 } .scroll { max-height: 24rem; overflow: auto }
"""


def render(folder: Folder, records: int) -> str:
    """The page. What comes from data is escaped; pictures are decoded and encoded anew. Raises UsageError."""
    names = shard_names(folder)
    try:
        manifest = json.loads(folder.read("manifest.json"))
    except (OSError, ValueError):
        raise flags.UsageError(f"{folder} has no readable manifest.json; allowed is a finished build") from None
    rejects, found = _table(folder, "rejects.parquet"), _table(folder, "findings.parquet")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(manifest['dataset'])}: report</title><style>{STYLE}</style></head><body>",
        *_summary(manifest),
        *_columns(manifest),
        *_rows("Rejects", rejects, "Nothing was rejected."),
        *_rows("Findings", found, "Nothing was found."),
        "<h2>Contact sheet</h2>",
        *(_record(row, schema) for row, schema in _chosen(folder, names, records)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(manifest: dict[str, Any]) -> Iterator[str]:
    counts, package = manifest["counts"], manifest["package"]
    yield f"<h1>{_text(manifest['dataset'])}</h1>"
    yield f"<p>{_text(manifest['command'])}, {_text(package['name'])} {_text(package['version'])}</p><div class=tiles>"
    size = sum(shard["bytes"] for shard in manifest["shards"]) / 1e6
    tiles = {"records": counts["records"], "rejects": counts["rejects"], "shards": len(manifest["shards"])}
    tiles |= {f"in {split}": n for split, n in counts["records_by_split"].items()} | {"MB": f"{size:.1f}"}
    tiles |= {f"findings: {kind}": n for kind, n in counts["findings_by_kind"].items()}
    yield from (f"<div class=tile><b>{_text(value)}</b>{_text(name)}</div>" for name, value in tiles.items())
    yield "</div>"
    chosen = {key: value for key, value in manifest["configuration"].items() if key != "annotators"}
    settings = ", ".join(f"{key} {_words(value)}" for key, value in chosen.items() if value not in (None, []))
    yield f"<p>{_text(settings)}</p>"


def _columns(manifest: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Columns</h2><table><tr><th>column<th>from the dataset<th>computed<th>by hand<th>empty"
    total = manifest["counts"]["records"]
    for name, column in manifest["columns"].items():
        origins = column["origins"]
        if origins:
            numbers = [origins.get(origin, 0) for origin in ("dataset", "annotator", "manual")]
            numbers.append(total - sum(origins.values()))
            yield f"<tr><td>{_text(name)}" + "".join(f"<td class=n>{_text(number)}" for number in numbers)
    yield "</table>"


def _rows(title: str, rows: list[dict[str, Any]], nothing: str) -> Iterator[str]:
    yield f"<h2>{_text(title)}</h2>"
    if not rows:
        yield f"<p>{_text(nothing)}</p>"
        return
    yield "<div class=scroll><table><tr>" + "".join(f"<th>{_text(name)}" for name in rows[0])
    for row in rows[:ROWS_SHOWN]:
        yield "<tr>" + "".join(f"<td>{_text(value)}" for value in row.values())
    yield "</table></div>"
    if len(rows) > ROWS_SHOWN:
        yield f"<p>{ROWS_SHOWN} of {len(rows)} shown.</p>"


def _chosen(folder: Folder, names: list[str], records: int) -> Iterator[tuple[dict[str, Any], pa.Schema]]:
    """Up to `records` rows spread evenly over the shards, reading no more row groups than needed."""
    per_shard = -(-records // len(names))
    step = max(1, len(names) // records)
    left = records
    for name in names[::step]:
        with folder.open(name) as file:
            reader = shards.ShardReader(file, name)
            for _, row in zip(range(min(per_shard, left)), reader.rows(), strict=False):
                left -= 1
                yield row, reader.schema


def _record(row: dict[str, Any], schema: pa.Schema) -> str:
    origins = {entry["column"]: entry["origin"] for entry in row.get("provenance") or ()}
    figures = "".join(
        _figure(field, row[field.name], origins.get(field.name, ""))
        for field in schema
        if fields.is_picture(field) and row.get(field.name) is not None
    )
    words = " · ".join(str(row[name]) for name in kinds.of(schema).told if row.get(name))
    facts = [f"{row['height']}×{row['width']}"] if row.get("height") else []
    if "paired" in row:
        facts.append("paired" if row["paired"] else "unpaired")
    facts.append(words)
    return (
        f"<section class=record><h3>{_text(row['record_id'])}</h3><p>{_text(' · '.join(facts))}</p>"
        f"<div class=strip>{figures}</div></section>"
    )


def _figure(field: pa.Field, cell: dict[str, Any], origin: str) -> str:
    caption = f"<figcaption>{_text(field.name)} <i>{_text(origin)}</i></figcaption>"
    try:
        data = base64.b64encode(_thumbnail(field, cell["bytes"])).decode()
    except codecs.CodecError as error:
        return f"<figure><p>{_text(error)}</p>{caption}</figure>"
    return f'<figure><img alt="{_text(field.name)}" src="data:image/jpeg;base64,{data}">{caption}</figure>'


def _thumbnail(field: pa.Field, data: bytes) -> bytes:
    """A small JPEG; label maps in their palette's colours."""
    kind = fields.kind(field)
    if kind == "mask":
        pixels = np.repeat(codecs.decode_mask(data)[..., None], 3, axis=2)
    elif kind == "label_map":
        space = fields.label_space(field)
        pixels = labels.PALETTES[space][codecs.decode_label_map(data, space)]
    else:
        pixels = codecs.decode_image(data)
    image = Image.fromarray(pixels)
    image.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _table(folder: Folder, name: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = shards.read_small(folder.read(name)).to_pylist()
        return rows
    except (OSError, pa.ArrowException):
        return []


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def main(arguments: Sequence[str]) -> int:
    parser = flags.parser("python -m pipelines.report", __doc__, EXAMPLES)
    parser.add_argument("shards", metavar="SHARDS", help="folder of a finished build")
    parser.add_argument("--output", metavar="FILE", help="the page (default SHARDS.html)")
    parser.add_argument(
        "--records", type=int, default=24, metavar="N", help="records on the contact sheet (default 24)"
    )
    given = parser.parse_args(arguments)
    if given.records < 1:
        raise flags.UsageError(f"--records {given.records}; allowed is 1 or more")
    folder = open_folder(given.shards)
    page = render(folder, given.records)
    target = given.output or f"{str(folder).rstrip('/')}.html"
    parent, _, name = target.rpartition("/")
    open_folder(parent or ("/" if target.startswith("/") else ".")).write(name, page.encode())
    print(target)
    return 0


if __name__ == "__main__":
    flags.run(main, "python -m pipelines.report")
